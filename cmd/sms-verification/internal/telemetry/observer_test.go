package telemetry

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/flowroute/sms-verification/codes"
)

// observed returns an Observer of one caller without a name, its metrics and its log.
func observed(lifetime time.Duration) (*Observer, *prometheus.Registry, *bytes.Buffer) {
	registry, log := prometheus.NewRegistry(), &bytes.Buffer{}
	return NewObserver([]string{""}, []codes.Policy{{Lifetime: lifetime}}, slog.New(slog.NewTextHandler(log, nil)), registry), registry, log
}

// figures returns the counters that are not 0, as name{labels}.
func figures(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			var labels []string
			for _, pair := range metric.GetLabel() {
				if value := pair.GetValue(); value != "" {
					labels = append(labels, value)
				}
			}
			name := strings.TrimPrefix(family.GetName(), "smsv_") + " " + strings.Join(labels, ",")
			if value := metric.GetCounter().GetValue(); value != 0 {
				all[strings.TrimSpace(name)] = value
			}
			if count := metric.GetHistogram().GetSampleCount(); count != 0 {
				all[strings.TrimSpace(name)] = float64(count)
			}
		}
	}
	return all
}

// TestCreates: each kind of create increases exactly the expected metrics.
func TestCreates(t *testing.T) {
	const reserved = "pace_wait_seconds"
	lost := errors.New("timeout")
	for name, test := range map[string]struct {
		event codes.CreateEvent
		want  map[string]float64
	}{
		"refused": {codes.CreateEvent{}, map[string]float64{}},
		"sent": {codes.CreateEvent{Reserved: true, Stored: true, Sent: true, Segments: 2},
			map[string]float64{reserved: 1, "codes_created_total us": 1, "codes_sent_total us": 1, "message_segments_total us": 2}},
		"to a test recipient": {codes.CreateEvent{Reserved: true, Stored: true},
			map[string]float64{reserved: 1}},
		"uncertain": {codes.CreateEvent{Reserved: true, Stored: true, Uncertain: true},
			map[string]float64{reserved: 1, "codes_created_total us": 1}},
		"replaced": {codes.CreateEvent{Reserved: true, Stored: true, Uncertain: true, Replaced: time.Minute},
			map[string]float64{reserved: 1, "codes_created_total us": 1, "codes_ended_total replaced": 1}},
		"withdrawn": {codes.CreateEvent{Reserved: true, Withdrawn: true, Replaced: time.Minute},
			map[string]float64{reserved: 1, "codes_ended_total withdrawn": 1}},
		"not yet withdrawn": {codes.CreateEvent{Reserved: true, Replaced: time.Minute},
			map[string]float64{reserved: 1}},
		"untracked": {codes.CreateEvent{Reserved: true, Stored: true, Sent: true, Segments: 1, TrackingErr: lost},
			map[string]float64{reserved: 1, "codes_created_total us": 1, "codes_sent_total us": 1, "message_segments_total us": 1, "codes_untracked_total": 1}},
	} {
		o, registry, log := observed(time.Hour)
		test.event.Area, test.event.Arrived, test.event.Lifetime = codes.AreaUS, time.Now(), time.Hour
		o.Created(test.event)
		expectFigures(t, name, registry, test.want)
		if logged := strings.Contains(log.String(), "level=WARN") && strings.Contains(log.String(), lost.Error()); logged != (test.event.TrackingErr != nil) {
			t.Errorf("%s: the log is %q", name, log)
		}
	}
}

// TestOtherEvents: each check, cancellation and receipt increases exactly the
// expected metrics.
func TestOtherEvents(t *testing.T) {
	check := func(status codes.Status, left int64) func(*Observer) {
		return func(o *Observer) {
			o.Checked(codes.CheckEvent{Checked: codes.Checked{
				Outcome: codes.Outcome{Status: status, AttemptsLeft: left}, Area: codes.AreaUS, TTLLeft: time.Second,
			}})
		}
	}
	for name, test := range map[string]struct {
		event func(*Observer)
		want  map[string]float64
	}{
		"right":     {check(codes.Right, 0), map[string]float64{"checks_total right": 1, "codes_verified_total us": 1, "codes_ended_total verified": 1}},
		"wrong":     {check(codes.Wrong, 1), map[string]float64{"checks_total wrong": 1, "codes_wrong_total": 1}},
		"used up":   {check(codes.Wrong, 0), map[string]float64{"checks_total used_up": 1, "codes_ended_total used_up": 1, "codes_wrong_total": 1}},
		"expired":   {check(codes.Expired, 0), map[string]float64{"checks_total expired": 1}},
		"unknown":   {check(codes.Unknown, 0), map[string]float64{"checks_total unknown": 1}},
		"cancelled": {func(o *Observer) { o.Cancelled(time.Second) }, map[string]float64{"codes_ended_total cancelled": 1}},
		"none":      {func(o *Observer) { o.Cancelled(0) }, map[string]float64{}},
		"delivered": {func(o *Observer) { o.Delivery(codes.DeliveryEvents{Delivered: true, Area: codes.AreaUS}) },
			map[string]float64{"codes_delivered_total us": 1}},
		"failed, of another replica's caller": {func(o *Observer) { o.Delivery(codes.DeliveryEvents{Failed: true, Area: codes.AreaUS, Caller: "x"}) },
			map[string]float64{"codes_undelivered_total us,x": 1}},
		"nothing new": {func(o *Observer) { o.Delivery(codes.DeliveryEvents{}) }, map[string]float64{}},
	} {
		o, registry, _ := observed(time.Hour)
		test.event(o)
		expectFigures(t, name, registry, test.want)
	}
}

func expectFigures(t *testing.T, what string, registry *prometheus.Registry, want map[string]float64) {
	t.Helper()
	if diff := cmp.Diff(want, figures(t, registry)); diff != "" {
		t.Errorf("%s (want -, got +):\n%s", what, diff)
	}
}

// TestCountersExist: Prometheus sees the first event too.
func TestCountersExist(t *testing.T) {
	_, registry, _ := observed(time.Hour)
	for name, want := range map[string]int{
		"smsv_checks_total": 5, "smsv_codes_ended_total": 5, "smsv_codes_over_total": 1, "smsv_codes_over_ended_total": 1,
		"smsv_codes_created_total": codes.Areas, "smsv_codes_sent_total": codes.Areas, "smsv_message_segments_total": codes.Areas,
		"smsv_codes_verified_total": codes.Areas, "smsv_codes_delivered_total": codes.Areas, "smsv_codes_undelivered_total": codes.Areas,
		"smsv_codes_wrong_total": 1, "smsv_codes_untracked_total": 1, "smsv_pace_wait_seconds": 1,
	} {
		if got, err := testutil.GatherAndCount(registry, name); got != want || err != nil {
			t.Errorf("%s: %d, want %d; %v", name, got, want, err)
		}
	}
}

// TestProfileCounters: an event counts for its own profile and for no other. There is a
// series for each caller with each profile that it may use, and for no other pair.
func TestProfileCounters(t *testing.T) {
	registry := prometheus.NewRegistry()
	o := NewObserver([]string{"shop", "bank"}, []codes.Policy{{}, {Profile: "login"}, {Profile: "payout", Callers: []string{"bank"}}}, slog.New(slog.DiscardHandler), registry)
	o.Created(codes.CreateEvent{Caller: "shop", Profile: "login", Area: codes.AreaUS, Stored: true, Sent: true, Segments: 3})
	check := func(caller, profile string, status codes.Status, left int64) {
		o.Checked(codes.CheckEvent{Caller: caller, Profile: profile, Checked: codes.Checked{Outcome: codes.Outcome{Status: status, AttemptsLeft: left}, Area: codes.AreaUS}})
	}
	check("bank", "payout", codes.Wrong, 1)
	check("bank", "payout", codes.Wrong, 0)
	check("bank", "", codes.Right, 0)
	expectFigures(t, "profiles", registry, map[string]float64{
		"codes_created_total us,shop,login": 1, "codes_sent_total us,shop,login": 1, "message_segments_total us,shop,login": 3,
		"codes_verified_total us,bank": 1, "codes_wrong_total bank,payout": 2,
		"checks_total right": 1, "checks_total wrong": 1, "checks_total used_up": 1, "codes_ended_total verified": 1, "codes_ended_total used_up": 1,
	})
	const want = `# HELP smsv_codes_wrong_total Wrong codes that were compared, by caller of the check.
# TYPE smsv_codes_wrong_total counter
smsv_codes_wrong_total{caller="bank",profile=""} 0
smsv_codes_wrong_total{caller="bank",profile="login"} 0
smsv_codes_wrong_total{caller="bank",profile="payout"} 2
smsv_codes_wrong_total{caller="shop",profile=""} 0
smsv_codes_wrong_total{caller="shop",profile="login"} 0
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "smsv_codes_wrong_total"); err != nil {
		t.Error(err)
	}
}

// TestLongestLifetime: the entries of every profile fit into the buckets.
func TestLongestLifetime(t *testing.T) {
	o := NewObserver(nil, []codes.Policy{{Lifetime: time.Minute}, {Profile: "login", Lifetime: 1000 * time.Hour}, {Profile: "payout", Lifetime: time.Second}}, nil, prometheus.NewRegistry())
	if want := newExpiryBuckets(1000 * time.Hour).span; o.over.span != want || o.endedEarly.span != want {
		t.Errorf("buckets of %v and %v, want %v", o.over.span, o.endedEarly.span, want)
	}
}

// TestNeverNegative: one replica makes entries, another sees them end early. It
// never counts one as ended before the first counts it as over.
func TestNeverNegative(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lifetime, entries = 40 * time.Minute, 3000
		maker, _, _ := observed(lifetime)
		time.Sleep(2 * time.Second) // their buckets do not begin together
		checker, _, _ := observed(lifetime)
		compare := func() {
			t.Helper()
			if gone, over := checker.endedEarly.due(), maker.over.due(); gone > over {
				t.Fatalf("%v ended early of %v whose time is over", gone, over)
			}
		}
		for i := range entries {
			arrived, wait := time.Now(), time.Duration(i%5)*400*time.Millisecond
			time.Sleep(wait + 3*time.Millisecond)
			turn := time.Now()
			maker.Created(codes.CreateEvent{Arrived: arrived, Lifetime: lifetime, Reserved: true, Wait: wait, Stored: true})
			time.Sleep(time.Duration(i%7) * 333 * time.Millisecond)
			checker.Checked(codes.CheckEvent{Checked: codes.Checked{Outcome: codes.Outcome{Status: codes.Right}, TTLLeft: lifetime - time.Since(turn)}})
			compare()
		}
		for range int(lifetime/time.Second) + 10 {
			compare()
			time.Sleep(time.Second)
		}
		if maker.over.due() != entries || checker.endedEarly.due() != entries {
			t.Errorf("in the end %v and %v", checker.endedEarly.due(), maker.over.due())
		}
	})
}
