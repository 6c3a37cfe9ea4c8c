package api

import (
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
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
		Name: "smsv_requests_shed_total", Help: "Requests refused because MAX_IN_FLIGHT were running.", ConstLabels: labels,
	})
	r.MustRegister(g.shed, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "smsv_requests_in_flight", Help: "Requests running now.", ConstLabels: labels,
	}, func() float64 { return float64(g.inside.Load()) }))
	return g
}

// through refuses without a look at the request.
func (g *gate) through(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if !g.enter() {
			g.shed.Inc()
			return &codes.UnavailableError{RetryAfter: time.Second, Cause: "too many requests in flight"}
		}
		defer g.inside.Add(-1)
		return next(c)
	}
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
