// Package telemetry makes visible what a running service does: it stands
// around the store and the sender, measures each of their operations, and
// collects the figures of the process.
package telemetry

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowroute/sms-verification/codes"
)

// Backend is what keeps entries, limits and claims. *redisstore.Store is one.
type Backend interface {
	codes.Store
	codes.Limiter
	codes.Claims
	TakeFailure(ctx context.Context, address codes.Digest, w codes.Window) error
}

// Store is a Backend whose operations are measured.
type Store struct {
	next Backend
	wait prometheus.Observer

	put, try, delete, take, giveBack, countWrong, claim, settle, takeFailure operation
}

// NewStore registers the metrics of next's operations and returns it measured.
func NewStore(next Backend, r prometheus.Registerer) *Store {
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
	op := func(name string) operation {
		return operation{durations.WithLabelValues(name), failures.WithLabelValues(name)}
	}
	return &Store{
		next: next, wait: wait,
		put: op("put"), try: op("try"), delete: op("delete"),
		take: op("take"), giveBack: op("return"), countWrong: op("count_wrong"),
		claim: op("claim"), settle: op("settle"), takeFailure: op("take_failure"),
	}
}

// operation measures one kind of operation.
type operation struct {
	duration prometheus.Observer
	failures prometheus.Counter
}

// done measures an operation that began at the given time. A reached limit, a
// turn too far off and a claim that somebody else has are answers, not failures.
func (o operation) done(begun time.Time, err error) {
	o.duration.Observe(time.Since(begun).Seconds())
	if err == nil {
		return
	}
	var limit *codes.LimitError
	var busy *codes.UnavailableError
	var running *codes.InProgressError
	if !errors.As(err, &limit) && !errors.As(err, &busy) && !errors.As(err, &running) && !errors.Is(err, codes.ErrKeyReused) {
		o.failures.Inc()
	}
}

// Put stores an entry; see codes.Store.
func (s *Store) Put(ctx context.Context, e codes.Entry) (time.Duration, error) {
	begun := time.Now()
	rest, err := s.next.Put(ctx, e)
	s.put.done(begun, err)
	return rest, err
}

// Try compares a code; see codes.Store.
func (s *Store) Try(ctx context.Context, t codes.Try) (codes.Outcome, error) {
	begun := time.Now()
	outcome, err := s.next.Try(ctx, t)
	s.try.done(begun, err)
	return outcome, err
}

// Delete removes an entry; see codes.Store.
func (s *Store) Delete(ctx context.Context, d codes.Deletion) (time.Duration, error) {
	begun := time.Now()
	rest, err := s.next.Delete(ctx, d)
	s.delete.done(begun, err)
	return rest, err
}

// Take takes a place and a turn; see codes.Limiter.
func (s *Store) Take(ctx context.Context, p codes.Place) (time.Duration, error) {
	begun := time.Now()
	wait, err := s.next.Take(ctx, p)
	s.take.done(begun, err)
	if err == nil {
		s.wait.Observe(wait.Seconds())
	}
	return wait, err
}

// Return gives a place back; see codes.Limiter.
func (s *Store) Return(ctx context.Context, p codes.Place) error {
	begun := time.Now()
	err := s.next.Return(ctx, p)
	s.giveBack.done(begun, err)
	return err
}

// CountWrong counts a wrong code; see codes.Limiter.
func (s *Store) CountWrong(ctx context.Context, p codes.Place) error {
	begun := time.Now()
	err := s.next.CountWrong(ctx, p)
	s.countWrong.done(begun, err)
	return err
}

// Claim claims a request; see codes.Claims.
func (s *Store) Claim(ctx context.Context, c codes.Claim) (string, codes.Op, error) {
	begun := time.Now()
	answer, op, err := s.next.Claim(ctx, c)
	s.claim.done(begun, err)
	return answer, op, err
}

// Settle keeps an answer; see codes.Claims.
func (s *Store) Settle(ctx context.Context, c codes.Claim, answer string) (bool, error) {
	begun := time.Now()
	first, err := s.next.Settle(ctx, c, answer)
	s.settle.done(begun, err)
	return first, err
}

// TakeFailure counts a wrong API key; see api.Failures.
func (s *Store) TakeFailure(ctx context.Context, address codes.Digest, w codes.Window) error {
	begun := time.Now()
	err := s.next.TakeFailure(ctx, address, w)
	s.takeFailure.done(begun, err)
	return err
}
