package telemetry

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowroute/sms-verification/codes"
)

// Sender is a codes.Sender whose sends are measured.
type Sender struct {
	next                                         codes.Sender
	accepted, rejected, unconfirmed, unavailable prometheus.Observer
}

// NewSender registers the metrics of next's sends and returns it measured.
func NewSender(next codes.Sender, r prometheus.Registerer) *Sender {
	durations := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "smsv_flowroute_send_duration_seconds",
		Help:    "Time to hand one message to Flowroute, with further attempts, by what came of it.",
		Buckets: []float64{.025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
	}, []string{"result"})
	r.MustRegister(durations)
	return &Sender{
		next:        next,
		accepted:    durations.WithLabelValues("accepted"),
		rejected:    durations.WithLabelValues("rejected"),
		unconfirmed: durations.WithLabelValues("unconfirmed"),
		unavailable: durations.WithLabelValues("unavailable"),
	}
}

// Send sends a message; see codes.Sender.
func (s *Sender) Send(ctx context.Context, m codes.Message) (string, error) {
	begun := time.Now()
	id, err := s.next.Send(ctx, m)
	result := s.unconfirmed
	switch {
	case err == nil:
		result = s.accepted
	case errors.Is(err, codes.ErrRejected):
		result = s.rejected
	case errors.Is(err, codes.ErrUnavailable):
		result = s.unavailable
	}
	result.Observe(time.Since(begun).Seconds())
	return id, err
}
