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
	byName    map[string]operation
}

// operation holds the metrics of one kind of operation.
type operation struct {
	duration prometheus.Observer
	failures prometheus.Counter
}

// NewOperations registers the metrics of operations. They are traced if t is
// not nil.
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
		byName: map[string]operation{},
	}
	r.MustRegister(o.durations, o.failures)
	for _, name := range []string{
		"reserve", "release", "next_turn", "refund", "check", "cancel", "peek", "claim", "settle",
		"count_failure", "count_guess", "count_verified", "record_sent", "receive", "delivery", "used",
	} {
		o.byName[name] = o.metrics(name)
	}
	return o
}

func (o *Operations) metrics(name string) operation {
	return operation{o.durations.WithLabelValues(name), o.failures.WithLabelValues(name)}
}

// Done measures an operation that has ended; see redisstore.Options.
func (o *Operations) Done(ctx context.Context, name string, begun time.Time, err error) {
	of, known := o.byName[name]
	if !known {
		of = o.metrics(name)
	}
	of.duration.Observe(time.Since(begun).Seconds())
	result := "done"
	switch {
	case err == nil:
	case isAnswer(err):
		result = "refused"
	default:
		result = "failed"
		of.failures.Inc()
	}
	o.traces.callSince(ctx, "redis", name, begun, result)
}

// isAnswer reports whether err is an answer of the store, such as a reached
// limit, and no failure.
func isAnswer(err error) bool {
	var limit *codes.LimitError
	var busy *codes.UnavailableError
	var inProgress *codes.InProgressError
	return errors.As(err, &limit) || errors.As(err, &busy) || errors.As(err, &inProgress) || errors.Is(err, codes.ErrKeyReused)
}
