package telemetry

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowroute/sms-verification/codes"
)

// Sender is a codes.Sender whose attempts are measured and traced.
type Sender struct {
	next   codes.Sender
	traces *Traces

	accepted, rejected, senderRefused, unconfirmed, unavailable result
}

// result is what may come of an attempt.
type result struct {
	name     string
	duration prometheus.Observer
}

// NewSender registers the metrics of next's attempts and returns it measured, and
// traced if t is not nil.
func NewSender(next codes.Sender, r prometheus.Registerer, t *Traces) *Sender {
	durations := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "smsv_flowroute_send_duration_seconds",
		Help:    "Duration of an attempt to send a message to Flowroute, by result.",
		Buckets: []float64{.025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
	}, []string{"result"})
	r.MustRegister(durations)
	of := func(name string) result { return result{name, durations.WithLabelValues(name)} }
	return &Sender{
		next: next, traces: t,
		accepted: of("accepted"), rejected: of("rejected"), senderRefused: of("sender_refused"),
		unconfirmed: of("unconfirmed"), unavailable: of("unavailable"),
	}
}

// Send makes one attempt; see codes.Sender. The carrier learns nothing of the trace.
func (s *Sender) Send(ctx context.Context, m codes.Message) (string, error) {
	ctx, span := s.traces.call(ctx, "flowroute", "send")
	begun := time.Now()
	id, err := s.next.Send(ctx, m)
	result := s.unconfirmed
	switch {
	case err == nil:
		result = s.accepted
	case errors.Is(err, codes.ErrRejected):
		result = s.rejected
	case errors.Is(err, codes.ErrSenderRefused):
		result = s.senderRefused
	case errors.Is(err, codes.ErrUnavailable):
		result = s.unavailable
	}
	result.duration.Observe(time.Since(begun).Seconds())
	finish(span, result.name, err != nil)
	return id, err
}
