package api

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowroute/sms-verification/codes"
)

// gate lets only so many requests in at a time. Past its capacity a service
// that queues gets slow for everybody; one that refuses at once stays fast for
// the rest. Each kind of work has a gate of its own, so that creates, which wait
// for Flowroute, never keep checks out.
type gate struct {
	capacity int64 // 0 is none
	inside   atomic.Int64
	shed     prometheus.Counter
}

// newGate returns a gate and registers its metrics.
func newGate(kind string, capacity int, r prometheus.Registerer) *gate {
	g := &gate{capacity: int64(capacity)}
	labels := prometheus.Labels{"kind": kind}
	g.shed = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "smsv_requests_shed_total", Help: "Requests refused because too many were running.", ConstLabels: labels,
	})
	r.MustRegister(g.shed, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "smsv_requests_in_flight", Help: "Requests running now.", ConstLabels: labels,
	}, func() float64 { return float64(g.inside.Load()) }))
	return g
}

// enter takes a place, or refuses at once. A refused request never holds one, so
// a crowd outside does not keep a free place from being taken.
func (g *gate) enter() error {
	for {
		inside := g.inside.Load()
		if g.capacity > 0 && inside >= g.capacity {
			g.shed.Inc()
			return &codes.UnavailableError{RetryAfter: time.Second, Cause: "too many requests in flight"}
		}
		if g.inside.CompareAndSwap(inside, inside+1) {
			return nil
		}
	}
}

// leave frees the place.
func (g *gate) leave() { g.inside.Add(-1) }

// gated is a Service behind gates. They stand around the work alone, so that
// a client that sends its request slowly, or has no key, takes nobody's place.
type gated struct {
	service         Service
	creates, checks *gate
}

func (g gated) Create(ctx context.Context, r codes.CreateRequest) (created codes.Created, err error) {
	if err := g.creates.enter(); err != nil {
		return created, err
	}
	defer g.creates.leave()
	return g.service.Create(ctx, r)
}

func (g gated) Check(ctx context.Context, r codes.CheckRequest) (o codes.Outcome, err error) {
	if err := g.checks.enter(); err != nil {
		return o, err
	}
	defer g.checks.leave()
	return g.service.Check(ctx, r)
}

func (g gated) Cancel(ctx context.Context, r codes.CancelRequest) error {
	if err := g.checks.enter(); err != nil {
		return err
	}
	defer g.checks.leave()
	return g.service.Cancel(ctx, r)
}

func (g gated) Status(ctx context.Context, r codes.StatusRequest) (p codes.Progress, err error) {
	if err := g.checks.enter(); err != nil {
		return p, err
	}
	defer g.checks.leave()
	return g.service.Status(ctx, r)
}
