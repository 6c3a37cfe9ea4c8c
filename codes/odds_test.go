package codes_test

import (
	"context"
	"errors"
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
		{"few codes", list("1/24h"), list("20/24h"), 3, time.Hour, 6},
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
	limits := codes.Limits{Sends: codestest.Windows(t, "5/10m", "20/24h"), Guesses: codestest.Windows(t, "20/24h"), Returns: true}
	if got := codes.MaxGuessesPerDay(limits, 3, time.Hour); got != 140 { // 20, and twice the 60 of an hour
		t.Errorf("with receipts: %g, want 140", got)
	}
}

// TestHoarding asks for as many codes as it gets, one id each, makes no guess
// until the first of them is about to end, and then makes all in one day.
func TestHoarding(t *testing.T) {
	const day = 24 * time.Hour
	for _, expiration := range []time.Duration{10 * time.Minute, time.Hour, day, 3 * day, 10 * day} {
		limits := codes.Limits{
			Sends:   codestest.Windows(t, "2/1h", "5/24h"),
			Guesses: codestest.Windows(t, "4/24h"),
		}
		const attempts = 3
		model := codestest.NewModel(limits)
		h := codes.NewHasher([]byte("secret"))
		var ids []codes.Digest
		ctx := context.Background()
		const step = time.Minute
		for at := time.Duration(0); at < expiration; at += step {
			place := codes.Place{Recipient: h.Phone("12065551234"), Op: codes.NewOp()}
			_, err := model.Take(ctx, place)
			var reached *codes.LimitError
			if err == nil {
				id := codestest.Fresh()
				ids = append(ids, id)
				_, err = model.Put(ctx, codes.Entry{ID: id, Recipient: place.Recipient, Attempts: attempts, Expiration: expiration, Op: place.Op})
			}
			if err != nil && !errors.As(err, &reached) {
				t.Fatal(err)
			}
			if at+step < expiration {
				model.Advance(step)
			}
		}
		compared := 0.0
		for _, id := range ids {
			for range attempts {
				outcome, err := model.Try(ctx, codes.Try{ID: id, Code: codestest.Fresh(), Op: codes.NewOp()})
				if err != nil {
					t.Fatal(err)
				}
				if outcome.Status == codes.Wrong {
					compared++
				}
			}
		}
		if most := codes.MaxGuessesPerDay(limits, attempts, expiration); compared > most {
			t.Errorf("lifetime %v: %g wrong codes in a day, more than the most, %g", expiration, compared, most)
		}
	}
}
