// Package telemetry makes visible what a running service does: it stands
// around the store and the sender, measures each of their operations, and
// collects the figures of the process.
package telemetry

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/flowroute/sms-verification/codes"
)

// Backend is what keeps entries, limits and claims. *redisstore.Store is one.
type Backend interface {
	codes.Store
	codes.Limiter
	codes.Claims
	TakeFailure(ctx context.Context, address codes.Digest, w codes.Window) error
}

// Store is a Backend whose operations are measured and traced.
type Store struct {
	next Backend
	wait prometheus.Observer

	put, try, delete, take, giveBack, countWrong, claim, settle, takeFailure *operation
}

// NewStore registers the metrics of next's operations and returns it measured,
// and traced if t is not nil.
func NewStore(next Backend, r prometheus.Registerer, t *Traces) *Store {
	durations := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "smsv_redis_operation_duration_seconds",
		Help:    "Time of one operation on Redis, with its repetitions.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1},
	}, []string{"operation"})
	failures := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "smsv_redis_operation_errors_total", Help: "Operations on Redis that failed, with all their repetitions.",
	}, []string{"operation"})
	wait := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "smsv_pace_wait_seconds",
		Help:    "Wait of a message for its turn under FLOWROUTE_RATE.",
		Buckets: []float64{0, .05, .1, .25, .5, 1, 2, 5, 10, 30},
	})
	r.MustRegister(durations, failures, wait)
	op := func(name string) *operation {
		return &operation{name, t, durations.WithLabelValues(name), failures.WithLabelValues(name)}
	}
	return &Store{
		next: next, wait: wait,
		put: op("put"), try: op("try"), delete: op("delete"),
		take: op("take"), giveBack: op("return"), countWrong: op("count_wrong"),
		claim: op("claim"), settle: op("settle"), takeFailure: op("take_failure"),
	}
}

// operation measures and traces one kind of operation.
type operation struct {
	name     string
	traces   *Traces
	duration prometheus.Observer
	failures prometheus.Counter
}

// running is an operation that has begun.
type running struct {
	*operation
	begun time.Time
	span  trace.Span // nil without traces
}

func (o *operation) start(ctx context.Context) (context.Context, running) {
	ctx, span := o.traces.call(ctx, "redis", o.name)
	return ctx, running{o, time.Now(), span}
}

// done ends the operation.
func (r running) done(err error) {
	r.duration.Observe(time.Since(r.begun).Seconds())
	switch {
	case err == nil:
		finish(r.span, "done", false)
	case isAnswer(err):
		finish(r.span, "refused", false)
	default:
		r.failures.Inc()
		finish(r.span, "failed", true)
	}
}

// isAnswer tells a reached limit, a turn too far off and a claim that somebody
// else has from failures.
func isAnswer(err error) bool {
	var limit *codes.LimitError
	var busy *codes.UnavailableError
	var inProgress *codes.InProgressError
	return errors.As(err, &limit) || errors.As(err, &busy) || errors.As(err, &inProgress) || errors.Is(err, codes.ErrKeyReused)
}

// Put stores an entry; see codes.Store.
func (s *Store) Put(ctx context.Context, e codes.Entry) (time.Duration, error) {
	ctx, call := s.put.start(ctx)
	rest, err := s.next.Put(ctx, e)
	call.done(err)
	return rest, err
}

// Try compares a code; see codes.Store.
func (s *Store) Try(ctx context.Context, t codes.Try) (codes.Outcome, error) {
	ctx, call := s.try.start(ctx)
	outcome, err := s.next.Try(ctx, t)
	call.done(err)
	return outcome, err
}

// Delete removes an entry; see codes.Store.
func (s *Store) Delete(ctx context.Context, d codes.Deletion) (time.Duration, error) {
	ctx, call := s.delete.start(ctx)
	rest, err := s.next.Delete(ctx, d)
	call.done(err)
	return rest, err
}

// Take takes a place and a turn; see codes.Limiter.
func (s *Store) Take(ctx context.Context, p codes.Place) (time.Duration, error) {
	ctx, call := s.take.start(ctx)
	wait, err := s.next.Take(ctx, p)
	call.done(err)
	if err == nil {
		s.wait.Observe(wait.Seconds())
	}
	return wait, err
}

// Return gives a place back; see codes.Limiter.
func (s *Store) Return(ctx context.Context, p codes.Place) error {
	ctx, call := s.giveBack.start(ctx)
	err := s.next.Return(ctx, p)
	call.done(err)
	return err
}

// CountWrong counts a wrong code; see codes.Limiter.
func (s *Store) CountWrong(ctx context.Context, p codes.Place) error {
	ctx, call := s.countWrong.start(ctx)
	err := s.next.CountWrong(ctx, p)
	call.done(err)
	return err
}

// Claim claims a request; see codes.Claims.
func (s *Store) Claim(ctx context.Context, c codes.Claim) (string, codes.Op, error) {
	ctx, call := s.claim.start(ctx)
	answer, op, err := s.next.Claim(ctx, c)
	call.done(err)
	return answer, op, err
}

// Settle keeps an answer; see codes.Claims.
func (s *Store) Settle(ctx context.Context, c codes.Claim, answer string) (bool, error) {
	ctx, call := s.settle.start(ctx)
	first, err := s.next.Settle(ctx, c, answer)
	call.done(err)
	return first, err
}

// TakeFailure counts a wrong API key; see api.Failures.
func (s *Store) TakeFailure(ctx context.Context, address codes.Digest, w codes.Window) error {
	ctx, call := s.takeFailure.start(ctx)
	err := s.next.TakeFailure(ctx, address, w)
	call.done(err)
	return err
}
