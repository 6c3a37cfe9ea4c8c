package codes_test

import (
	"math"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
)

func TestOdds(t *testing.T) {
	inf := math.Inf(1)
	for _, test := range []struct {
		digits      int
		tries, want float64
	}{
		{4, 0, 0},
		{4, 1, 1e-4},
		{4, 3, 3e-4},
		{6, 5, 5e-6},
		{6, 5 * 5, 2.5e-5}, // 1-(1-5/10^6)^5
		{1, 1, 0.1},
		{1, 2, 0.19},
		{4, 10_000, 0.632139},
		{4, 1e9, 1},
		{6, 1e12, 1},
		{15, 1, 1e-15},
		{1000, 0, 0},
		{1000, 1e18, 0},
		{4, inf, 1},
		{1000, inf, 1},
	} {
		got := codes.Odds(test.digits, test.tries)
		if diff := math.Abs(got - test.want); !(diff <= test.want*2e-4) {
			t.Errorf("Odds(%d, %g) = %g, want %g", test.digits, test.tries, got, test.want)
		}
	}
}

func TestMaxGuessesPerDay(t *testing.T) {
	const day = 24 * time.Hour
	list := func(items ...string) []string { return items }
	for _, test := range []struct {
		name           string
		sends, guesses []string
		attempts       int64
		expiration     time.Duration
		want           float64
	}{
		{"the defaults", list("5/10m", "20/24h"), list("20/24h"), 3, time.Hour, 80},
		{"the recommended", list("5/10m", "20/24h"), list("20/24h"), 5, 10 * time.Minute, 45},
		{"few codes, but refused ones do not count", list("1/24h"), list("20/24h"), 3, time.Hour, 23},
		{"the limit exceeded every hour", list("5/24h"), list("5/1h"), 3, time.Hour, 24 * (5 + 15)},
		{"the limit exceeded every hour, of two spans", list("5/30m"), list("5/1h"), 3, time.Hour, 24*(5+15) + 24*15},
		{"the windows of seconds", list("5/2s"), list("5/2s"), 5, time.Hour, 43_200*(5+25) + 25*44_999},
		{"the least of several", list("5/2s", "5/24h"), list("5/2s", "20/24h"), 3, time.Hour, 20 + 15},
		{"no limit of guesses", list("5/10m", "20/24h"), nil, 3, time.Hour, math.Inf(1)},
		{"no limit of codes", nil, list("20/24h"), 3, time.Hour, math.Inf(1)},
		{"no limits", nil, nil, 3, time.Hour, math.Inf(1)},
		{"hoarded for three days", list("2/24h"), list("1/24h"), 3, 3 * day, 19},
	} {
		limits := codes.Limits{Sends: codestest.Windows(t, test.sends...), Guesses: codestest.Windows(t, test.guesses...)}
		if got := codes.MaxGuessesPerDay(limits, test.attempts, test.expiration); got != test.want {
			t.Errorf("%s: %g, want %g", test.name, got, test.want)
		}
	}
	limits := codes.Limits{Sends: codestest.Windows(t, "5/10m", "20/24h"), Guesses: codestest.Windows(t, "20/24h"), Refunds: true}
	if got := codes.MaxGuessesPerDay(limits, 3, time.Hour); got != 140 { // 20, and twice the 60 of an hour
		t.Errorf("with receipts: %g, want 140", got)
	}
}
