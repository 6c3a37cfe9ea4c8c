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
// those it takes. Each kind of work has a gate of its own, so that creates,
// which wait for Flowroute, never keep checks out.
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

// enter takes a place, or refuses at once. Who is refused never holds one, so
// that a crowd outside does not keep a free place from being taken.
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

// leave gives the place back.
func (g *gate) leave() { g.inside.Add(-1) }

// gated is a Service behind gates. They stand around the work alone, so that
// whoever sends a request slowly, or without a key, takes nobody's place.
type gated struct {
	Service
	creates, checks *gate
}

func (g gated) Create(ctx context.Context, id codes.ID, to codes.Phone) (created codes.Created, err error) {
	if err := g.creates.enter(); err != nil {
		return created, err
	}
	defer g.creates.leave()
	return g.Service.Create(ctx, id, to)
}

func (g gated) CreateOnce(ctx context.Context, k codes.Key, id codes.ID, to codes.Phone) (created codes.Created, err error) {
	if err := g.creates.enter(); err != nil {
		return created, err
	}
	defer g.creates.leave()
	return g.Service.CreateOnce(ctx, k, id, to)
}

func (g gated) Verify(ctx context.Context, id codes.ID, code codes.Code) (outcome codes.Outcome, err error) {
	if err := g.checks.enter(); err != nil {
		return outcome, err
	}
	defer g.checks.leave()
	return g.Service.Verify(ctx, id, code)
}

func (g gated) VerifyOnce(ctx context.Context, k codes.Key, id codes.ID, code codes.Code) (outcome codes.Outcome, err error) {
	if err := g.checks.enter(); err != nil {
		return outcome, err
	}
	defer g.checks.leave()
	return g.Service.VerifyOnce(ctx, k, id, code)
}

func (g gated) Cancel(ctx context.Context, id codes.ID) (rest time.Duration, err error) {
	if err := g.checks.enter(); err != nil {
		return rest, err
	}
	defer g.checks.leave()
	return g.Service.Cancel(ctx, id)
}
