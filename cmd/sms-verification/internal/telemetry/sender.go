package telemetry

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowroute/sms-verification/codes"
)

// Sender is a codes.Sender that measures and traces the attempts of another.
type Sender struct {
	next      codes.Sender
	traces    *Traces
	durations *prometheus.HistogramVec // by result
}

// NewSender registers the metrics of next's attempts. A nil t traces nothing.
func NewSender(next codes.Sender, r prometheus.Registerer, t *Traces) *Sender {
	durations := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "smsv_flowroute_send_duration_seconds",
		Help:    "Duration of an attempt to send a message to Flowroute, by result.",
		Buckets: []float64{.025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
	}, []string{"result"})
	r.MustRegister(durations)
	for _, result := range []string{"accepted", "rejected", "sender_refused", "unconfirmed", "unavailable"} {
		durations.WithLabelValues(result)
	}
	return &Sender{next: next, traces: t, durations: durations}
}

// Send makes one attempt; see codes.Sender. Nothing of the trace is sent to the
// carrier.
func (s *Sender) Send(ctx context.Context, m codes.Message) (string, error) {
	ctx, span := s.traces.call(ctx, "flowroute", "send")
	begun := time.Now()
	id, err := s.next.Send(ctx, m)
	result := "unconfirmed"
	switch {
	case err == nil:
		result = "accepted"
	case errors.Is(err, codes.ErrRejected):
		result = "rejected"
	case errors.Is(err, codes.ErrSenderRefused):
		result = "sender_refused"
	case errors.Is(err, codes.ErrUnavailable):
		result = "unavailable"
	}
	s.durations.WithLabelValues(result).Observe(time.Since(begun).Seconds())
	finish(span, result, err != nil)
	return id, err
}
