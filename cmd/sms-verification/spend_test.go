package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
)

// TestSmallestBound: the bound is the smallest of the rate and the limits, in segments.
func TestSmallestBound(t *testing.T) {
	for _, test := range []struct {
		rate, segments int
		limits         string
		day, month     int64
		settings       string // of both
	}{
		{0, 1, "off", -1, -1, ""},
		{5, 1, "off", 432_000, 12_960_000, "FLOWROUTE_RATE 5, FLOWROUTE_RATE 5"},
		{5, 3, "off", 1_296_000, 38_880_000, "FLOWROUTE_RATE 5, FLOWROUTE_RATE 5"},
		{0, 2, "100/24h", 200, 6_000, "SEND_LIMITS_TOTAL 100/24h, SEND_LIMITS_TOTAL 100/24h"},
		{1, 1, "100/24h", 100, 3_000, "SEND_LIMITS_TOTAL 100/24h, SEND_LIMITS_TOTAL 100/24h"},
		{1, 1, "1000000/24h", 86_400, 2_592_000, "FLOWROUTE_RATE 1, FLOWROUTE_RATE 1"},
		{0, 1, "10/1h", 240, 7_200, "SEND_LIMITS_TOTAL 10/1h, SEND_LIMITS_TOTAL 10/1h"},
		{0, 1, "10/7h", 40, 1_030, "SEND_LIMITS_TOTAL 10/7h, SEND_LIMITS_TOTAL 10/7h"},    // 3.4 and 102.9 spans
		{0, 1, "10/36h", 10, 200, "SEND_LIMITS_TOTAL 10/36h, SEND_LIMITS_TOTAL 10/36h"},   // 20 spans in a month
		{0, 1, "10/721h", 10, 10, "SEND_LIMITS_TOTAL 10/721h, SEND_LIMITS_TOTAL 10/721h"}, // longer than a month
		{0, 1, "10/1h,200/24h,3000/720h", 200, 3_000, "SEND_LIMITS_TOTAL 200/24h, SEND_LIMITS_TOTAL 3000/720h"},
	} {
		windows := codestest.Windows(t, strings.Split(test.limits, ",")...)
		settings := ""
		of := func(in time.Duration) int64 {
			b := smallestBound(in, test.rate, test.segments, []codes.Limit{{Kind: codes.TotalLimit, Windows: windows}})
			if b == nil {
				return -1
			}
			settings += ", " + b.Setting
			return b.Segments
		}
		inDay, inMonth := of(day), of(month)
		if inDay != test.day || inMonth != test.month || strings.TrimPrefix(settings, ", ") != test.settings {
			t.Errorf("%+v: %d in a day, %d in a month, by%s", test, inDay, inMonth, settings)
		}
	}
}

// TestCostIsRoundedUp: a bound is rounded up to cents, without errors of binary
// fractions.
func TestCostIsRoundedUp(t *testing.T) {
	for _, test := range []struct {
		segments int64
		price    float64
		want     string
	}{
		{432_000, 0.004, "1728.00"}, {1, 0.004, "0.01"}, {3, 0.1, "0.30"}, {2, 0.005, "0.01"}, {3, 0.0035, "0.02"}, {7, 0, "7 segment(s)"},
	} {
		b := &bound{Segments: test.segments}
		if b.price(test.price); b.String() != test.want {
			t.Errorf("%d at %v: %s, want %s", test.segments, test.price, b, test.want)
		}
	}
}

// spendProfiles are one with a cap and two segments in one language, and one of
// three segments for bank alone.
var spendProfiles = `{payout: {send_limits_total: "10/24h", messages: {es: "{code} ` + strings.Repeat("o", 200) + `"}},
	letter: {callers: [bank], auth_message: "{code} ` + strings.Repeat("o", 400) + `"}}`

var spendSettings = []string{
	"FLOWROUTE_RATE=5", "SEND_LIMITS_TOTAL=1000/24h", "CALLER_LIMITS=shop:30/24h,*:20/24h",
	keysOf("shop", "bank"),
}

// TestReportOfSpend: the report bounds the spend in all, of each profile with a cap and
// of each caller with a limit, by the longest message that it can send.
func TestReportOfSpend(t *testing.T) {
	for price, want := range map[string][]string{
		"0.0040": {
			"Spend, at 0.004 per segment: at most 12.00 in a day (SEND_LIMITS_TOTAL 1000/24h) and 360.00 in 30 days (SEND_LIMITS_TOTAL 1000/24h)\n",
			"  profile payout: at most 0.08 in a day (SEND_LIMITS_TOTAL payout:10/24h) and 2.40 in 30 days (SEND_LIMITS_TOTAL payout:10/24h)\n",
			"  each other caller: at most 0.24 in a day (CALLER_LIMITS 20/24h) and 7.20 in 30 days",
			"  caller shop: at most 0.24 in a day (CALLER_LIMITS 30/24h) and 7.20 in 30 days",
		},
		"": {"Spend, without SEGMENT_PRICE: at most 3000 segment(s) in a day (SEND_LIMITS_TOTAL 1000/24h)", "  profile payout: at most 20 segment(s)"},
	} {
		var out bytes.Buffer
		if err := printReport(&out, reportOf(t, spendProfiles, append(spendSettings, "SEGMENT_PRICE="+price)...)); err != nil {
			t.Fatal(err)
		}
		contains(t, "price "+price, out.String(), want...)
		if strings.Contains(out.String(), "profile letter: at") {
			t.Error("a profile without a cap of its own has a bound of its own")
		}
	}
}

// TestReportOfSpendNotBounded: without a rate or a limit there is no bound.
func TestReportOfSpendNotBounded(t *testing.T) {
	var out bytes.Buffer
	r := reportOf(t, `{}`, "FLOWROUTE_RATE=0", "SEGMENT_PRICE=0.004")
	if err := printReport(&out, r); err != nil {
		t.Fatal(err)
	}
	contains(t, "report", out.String(), "Spend, at 0.004 per segment: unlimited\n")
	text, err := json.Marshal(r.Spend)
	if want := `{"segment_price":0.004,"total":{"day":null,"month":null}}`; err != nil || string(text) != want {
		t.Errorf("%s, %v, want %s", text, err, want)
	}
}

func TestReportOfSpendAsJSON(t *testing.T) {
	text, err := json.Marshal(reportOf(t, `{}`, "FLOWROUTE_RATE=5", "CALLER_LIMITS=*:7/24h", "SEGMENT_PRICE=0.5").Spend)
	const want = `{"segment_price":0.5,"total":{"day":{"segments":432000,"cost":216000,"setting":"FLOWROUTE_RATE 5"},"month":{"segments":12960000,"cost":6480000,"setting":"FLOWROUTE_RATE 5"}},` +
		`"callers":{"*":{"day":{"segments":7,"cost":3.5,"setting":"CALLER_LIMITS 7/24h"},"month":{"segments":210,"cost":105,"setting":"CALLER_LIMITS 7/24h"}}}}`
	if err != nil || string(text) != want {
		t.Errorf("%s, %v, want\n%s", text, err, want)
	}
}
