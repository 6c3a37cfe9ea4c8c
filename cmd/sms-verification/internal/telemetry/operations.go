package telemetry

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowroute/sms-verification/codes"
)

// Operations measures and traces the operations on Redis.
type Operations struct {
	traces    *Traces
	durations *prometheus.HistogramVec
	failures  *prometheus.CounterVec
}

// operationNames are the operations that the store reports.
var operationNames = []string{
	"reserve", "release", "next_turn", "refund", "check", "cancel", "peek", "claim", "settle",
	"count_failure", "count_guess", "count_verified", "record_sent", "receive", "delivery", "used",
}

// NewOperations registers the metrics of operations. All exist from the start,
// because Prometheus sees no increase when a counter first appears. A nil t traces nothing.
func NewOperations(r prometheus.Registerer, t *Traces) *Operations {
	o := &Operations{
		traces: t,
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "smsv_redis_operation_duration_seconds",
			Help:    "Duration of an operation on Redis, retries included.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1},
		}, []string{"operation"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "smsv_redis_operation_errors_total", Help: "Operations on Redis that failed after all retries.",
		}, []string{"operation"}),
	}
	r.MustRegister(o.durations, o.failures)
	for _, name := range operationNames {
		o.durations.WithLabelValues(name)
		o.failures.WithLabelValues(name)
	}
	return o
}

// Done records an operation that has ended; see redisstore.Options.
func (o *Operations) Done(ctx context.Context, name string, begun time.Time, err error) {
	o.durations.WithLabelValues(name).Observe(time.Since(begun).Seconds())
	result := "done"
	switch {
	case err == nil:
	case isAnswer(err):
		result = "refused"
	default:
		result = "failed"
		o.failures.WithLabelValues(name).Inc()
	}
	o.traces.callSince(ctx, "redis", name, begun, result)
}

// isAnswer reports whether err is an answer of the store, such as a reached limit,
// rather than a failure.
func isAnswer(err error) bool {
	_, inProgress := errors.AsType[*codes.InProgressError](err)
	return codes.IsRefusal(err) || inProgress || errors.Is(err, codes.ErrKeyReused)
}
