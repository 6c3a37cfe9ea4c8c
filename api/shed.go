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

// run does the work, or refuses at once.
func (g *gate) run(work func() error) error {
	if !g.enter() {
		g.shed.Inc()
		return &codes.UnavailableError{RetryAfter: time.Second, Cause: "too many requests in flight"}
	}
	defer g.inside.Add(-1)
	return work()
}

// enter takes a place if there is one. Who is refused never holds one, so
// that a crowd outside does not keep a free place from being taken.
func (g *gate) enter() bool {
	for {
		inside := g.inside.Load()
		if g.capacity > 0 && inside >= g.capacity {
			return false
		}
		if g.inside.CompareAndSwap(inside, inside+1) {
			return true
		}
	}
}

// gated is a Service behind gates. They stand around the work alone, so that
// whoever sends a request slowly, or without a key, takes nobody's place.
type gated struct {
	Service
	creates, checks *gate
}

func (g gated) Create(ctx context.Context, id codes.ID, to codes.Phone) (created codes.Created, err error) {
	err = g.creates.run(func() error {
		created, err = g.Service.Create(ctx, id, to)
		return err
	})
	return created, err
}

func (g gated) CreateOnce(ctx context.Context, k codes.Key, id codes.ID, to codes.Phone) (created codes.Created, err error) {
	err = g.creates.run(func() error {
		created, err = g.Service.CreateOnce(ctx, k, id, to)
		return err
	})
	return created, err
}

func (g gated) Verify(ctx context.Context, id codes.ID, code codes.Code) (outcome codes.Outcome, err error) {
	err = g.checks.run(func() error {
		outcome, err = g.Service.Verify(ctx, id, code)
		return err
	})
	return outcome, err
}

func (g gated) VerifyOnce(ctx context.Context, k codes.Key, id codes.ID, code codes.Code) (outcome codes.Outcome, err error) {
	err = g.checks.run(func() error {
		outcome, err = g.Service.VerifyOnce(ctx, k, id, code)
		return err
	})
	return outcome, err
}

func (g gated) Cancel(ctx context.Context, id codes.ID) error {
	return g.checks.run(func() error { return g.Service.Cancel(ctx, id) })
}
