package api

import (
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
	slots chan struct{}
	shed  prometheus.Counter
}

// newGate returns a gate and registers its metrics.
func newGate(kind string, capacity int, r prometheus.Registerer) *gate {
	labels := prometheus.Labels{"kind": kind}
	g := &gate{slots: make(chan struct{}, capacity), shed: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "smsv_requests_shed_total", Help: "Requests refused because too many were running.", ConstLabels: labels,
	})}
	r.MustRegister(g.shed, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "smsv_requests_in_flight", Help: "Requests running now.", ConstLabels: labels,
	}, func() float64 { return float64(len(g.slots)) }))
	return g
}

// enter takes a slot or refuses at once.
func (g *gate) enter() error {
	select {
	case g.slots <- struct{}{}:
		return nil
	default:
		g.shed.Inc()
		return &codes.UnavailableError{RetryAfter: time.Second, Cause: "too many requests in flight"}
	}
}

// leave frees the slot.
func (g *gate) leave() { <-g.slots }
