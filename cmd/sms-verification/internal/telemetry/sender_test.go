package telemetry

import (
	"context"
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowroute/sms-verification/codes"
)

// sender fails with an error, if there is one.
type sender struct{ err error }

func (s sender) Send(context.Context, codes.Message) (string, error) { return "id", s.err }

// TestSender: every attempt is counted under its result.
func TestSender(t *testing.T) {
	for _, test := range []struct {
		err    error
		result string
	}{
		{nil, "accepted"},
		{codes.ErrRejected, "rejected"},
		{codes.ErrSenderRefused, "sender_refused"},
		{codes.ErrUnavailable, "unavailable"},
		{codes.ErrTooLate, "unavailable"},
		{&codes.UnavailableError{Cause: "busy"}, "unavailable"},
		{codes.ErrUnconfirmed, "unconfirmed"},
		{context.DeadlineExceeded, "unconfirmed"},
	} {
		registry := prometheus.NewRegistry()
		err := test.err
		if err != nil {
			err = fmt.Errorf("flowroute: send: %w", err)
		}
		id, got := NewSender(sender{err}, registry, nil).Send(t.Context(), codes.Message{})
		if id != "id" || got != err {
			t.Errorf("%v: %q, %v", test.err, id, got)
		}
		expectFigures(t, test.result, registry, map[string]float64{"flowroute_send_duration_seconds " + test.result: 1})
	}
}
