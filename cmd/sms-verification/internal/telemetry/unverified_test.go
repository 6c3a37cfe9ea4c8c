package telemetry

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/redisstore"
)

// TestUnverifiedRefusals: every decision is counted, and the line of an exchange
// comes at once and then once a minute.
func TestUnverifiedRefusals(t *testing.T) {
	var log bytes.Buffer
	a := newAllowance(slog.New(slog.NewTextHandler(&log, nil)), prometheus.NewRegistry())
	limit := &codes.LimitError{Kind: codes.AreaLimit, Limit: "UNVERIFIED_LIMITS area:1/1h"}
	for range 3 {
		a.exceeded(codes.CreateEvent{OverAllowance: limit, Exchange: "1206555"})
	}
	a.exceeded(codes.CreateEvent{OverAllowance: limit, Exchange: "1206777", Refused: true})
	if n := testutil.ToFloat64(a.refusals.WithLabelValues("area", "shadow")); n != 3 {
		t.Errorf("%v in the mode shadow, want 3", n)
	}
	if n := testutil.ToFloat64(a.refusals.WithLabelValues("area", "enforce")); n != 1 {
		t.Errorf("%v in the mode enforce, want 1", n)
	}
	for text, want := range map[string]int{"exchange=1206555": 1, "exchange=1206777": 1, "mode=enforce": 1, "area:1/1h": 2} {
		if n := strings.Count(log.String(), text); n != want {
			t.Errorf("%s is logged %d times, want %d", text, n, want)
		}
	}
	if !a.isDue("1206555", time.Now().Add(time.Minute)) {
		t.Error("not logged again after a minute")
	}
}

// TestExchangesAreBounded: an attack on many exchanges uses a bounded amount of memory.
func TestExchangesAreBounded(t *testing.T) {
	a := newAllowance(slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	now := time.Now()
	for i := range 2 * maxExchanges {
		a.isDue(fmt.Sprint(i), now)
	}
	if len(a.logged) != maxExchanges {
		t.Errorf("%d exchanges are remembered, want %d", len(a.logged), maxExchanges)
	}
	if !a.isDue("another", now.Add(logExchangeEvery)) || len(a.logged) != 1 {
		t.Errorf("%d exchanges are remembered a minute later", len(a.logged))
	}
}

// TestUnverifiedGauges: the figures are those of Redis, for the limits on all messages
// only. Without Redis there are none.
func TestUnverifiedGauges(t *testing.T) {
	limits, err := codes.ParseUnverified([]string{"exchange:20/1h", "all:1000/1h+50%", "all:5000/24h"})
	if err != nil {
		t.Fatal(err)
	}
	limits.Mode = codes.UnverifiedShadow
	var down error
	registry := prometheus.NewRegistry()
	RegisterUnverified(registry, limits, func(_ context.Context, asked []codes.Limit) ([]redisstore.Standing, error) {
		if len(asked) != 1 || asked[0].Kind != codes.AllLimit {
			t.Errorf("asked for %+v", asked)
		}
		return []redisstore.Standing{{Window: asked[0].Windows[0], Used: 3, Share: 7}, {Window: asked[0].Windows[1], Used: 42}}, down
	})
	const want = `# HELP smsv_unverified_allowance Unverified messages that the UNVERIFIED_LIMITS over all allow now, with the share for verified codes.
# TYPE smsv_unverified_allowance gauge
smsv_unverified_allowance{limit="all:1000/1h+50%"} 1007
smsv_unverified_allowance{limit="all:5000/24h"} 5000
# HELP smsv_unverified_messages Unverified messages of all replicas in the current window of the UNVERIFIED_LIMITS over all.
# TYPE smsv_unverified_messages gauge
smsv_unverified_messages{limit="all:1000/1h+50%"} 3
smsv_unverified_messages{limit="all:5000/24h"} 42
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	down = codes.ErrUnavailable
	if err := testutil.GatherAndCompare(registry, strings.NewReader("")); err != nil {
		t.Error(err)
	}
}
