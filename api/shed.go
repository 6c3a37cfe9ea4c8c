package api

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowroute/sms-verification/codes"
)

// gate limits how many requests are worked on at a time. Past its capacity a service
// that queues gets slow for everybody; one that refuses at once stays fast for the rest.
// Each kind of work has its own gate, so that creates, which wait for Flowroute, never
// keep checks out. A request passes its gate when it has been read and authenticated: a
// client that sends slowly or has no key takes no slot.
type gate struct {
	capacity int64 // 0 is no limit
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

// enter takes a slot or refuses at once. A refused request never holds one, not even
// for a moment: a crowd outside must not keep others from a free slot.
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

// leave frees the slot.
func (g *gate) leave() { g.inside.Add(-1) }
