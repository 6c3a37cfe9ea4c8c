package api

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/flowroute/sms-verification/codes"
)

// TestOnlyMessagesCountAsSent: an entry of a test recipient has none, and
// neither its cost nor its share of codes that arrive must be counted.
func TestOnlyMessagesCountAsSent(t *testing.T) {
	for id, want := range map[string]float64{"mdr2-1": 1, "": 0} {
		f := newFunnel([]string{""}, time.Hour, prometheus.NewRegistry())
		f.created("", time.Now(), codes.Created{MessageID: id, Stored: true, Area: codes.AreaUS, Segments: 1}, nil)
		counters := f.callers[""]
		for name, counter := range map[string]prometheus.Counter{
			"created": counters.created[codes.AreaUS], "sent": counters.sent[codes.AreaUS], "segments": counters.segments[codes.AreaUS],
		} {
			if got := testutil.ToFloat64(counter); got != want {
				t.Errorf("message id %q: %s %v, want %v", id, name, got, want)
			}
		}
	}
}
