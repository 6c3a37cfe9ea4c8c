package codestest

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// LimiterBackend is a limiter under test.
type LimiterBackend struct {
	Limiter  codes.Limiter
	Advance  func(time.Duration) // as in Backend
	Parallel bool                // as in Backend
}

// Windows reads limits that are known to be well formed.
func Windows(t testing.TB, list ...string) []codes.Window {
	t.Helper()
	windows, err := codes.ParseWindows(list)
	if err != nil {
		t.Fatal(err)
	}
	return windows
}

type limiterTest struct {
	testing.TB
	LimiterBackend
}

func place(recipient codes.Digest) codes.Place {
	return codes.Place{Recipient: recipient, Op: codes.NewOp()}
}

func (l limiterTest) take(p codes.Place) (wait time.Duration) {
	l.Helper()
	wait, err := l.Limiter.Take(context.Background(), p)
	if err != nil {
		l.Fatalf("Take: %v", err)
	}
	return wait
}

// refused takes a place that must not be given, and returns when to try again.
func (l limiterTest) refused(recipient codes.Digest, limit string) (retryAfter time.Duration) {
	l.Helper()
	_, err := l.Limiter.Take(context.Background(), place(recipient))
	var reached *codes.LimitError
	if !errors.As(err, &reached) || reached.Limit != limit {
		l.Fatalf("Take = %v, want limit %s", err, limit)
	}
	if reached.RetryAfter < time.Second || reached.RetryAfter%time.Second != 0 {
		l.Fatalf("retry after %v: not whole seconds", reached.RetryAfter)
	}
	return reached.RetryAfter
}

func (l limiterTest) wrong(p codes.Place) {
	l.Helper()
	if err := l.Limiter.CountWrong(context.Background(), p); err != nil {
		l.Fatalf("CountWrong: %v", err)
	}
}

func (l limiterTest) giveBack(p codes.Place) {
	l.Helper()
	if err := l.Limiter.Return(context.Background(), p); err != nil {
		l.Fatalf("Return: %v", err)
	}
}

// RunLimiter checks what the interface codes.Limiter demands. open returns a
// limiter that has counted nothing yet.
func RunLimiter(t *testing.T, open func(testing.TB, codes.Limits) LimiterBackend) {
	for _, test := range []struct {
		name   string
		limits codes.Limits
		run    func(limiterTest)
	}{
		{"none", codes.Limits{}, noLimits},
		{"sends", codes.Limits{Sends: Windows(t, "2/3s", "3/1h")}, sendLimits},
		{"a place given back", codes.Limits{Sends: Windows(t, "2/1h"), Total: Windows(t, "3/1h")}, returned},
		{"paid places given back", codes.Limits{Sends: Windows(t, "2/3s"), Total: Windows(t, "6/1h")}, returnedPaid},
		{"guesses", codes.Limits{Sends: Windows(t, "9/1h"), Guesses: Windows(t, "2/3s")}, guessLimits},
		{"guesses alone", codes.Limits{Guesses: Windows(t, "1/1h")}, guessesAlone},
		{"total", codes.Limits{Sends: Windows(t, "1/1h"), Total: Windows(t, "2/3s")}, totalLimit},
		{"turns", codes.Limits{Sends: Windows(t, "9/1h"), Rate: 2, MaxWait: 1400 * time.Millisecond}, turns},
		{"unsent", codes.Limits{Sends: Windows(t, "2/1h"), Guesses: Windows(t, "1/1h"), Total: Windows(t, "1/1h"), Rate: 1}, unsentPlaces},
		{"parallel", codes.Limits{Sends: Windows(t, "5/1h"), Total: Windows(t, "1000/1h")}, parallelTakes},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := open(t, test.limits)
			if b.Parallel {
				t.Parallel()
			}
			test.run(limiterTest{t, b})
		})
	}
}

func noLimits(l limiterTest) {
	for range 50 {
		if wait := l.take(place(codes.Digest{1})); wait != 0 {
			l.Fatalf("wait %v without a rate", wait)
		}
	}
	l.wrong(place(codes.Digest{1}))
}

func sendLimits(l limiterTest) {
	one, other := Fresh(), Fresh()
	first := place(one)
	l.take(first)
	l.take(first) // repeated: the same place
	l.take(place(one))
	clear := l.refused(one, "SEND_LIMITS 2/3s")
	l.take(place(other))
	l.Advance(clear - time.Second)
	l.refused(one, "SEND_LIMITS 2/3s")
	l.Advance(time.Second)
	l.take(place(one)) // what was refused took nothing
	l.Advance(4 * time.Second)
	if wait := l.refused(one, "SEND_LIMITS 3/1h"); wait < 3580*time.Second || wait > 3600*time.Second {
		l.Errorf("retry after %v, want just under the hour", wait)
	}
}

// returnedPaid: what was rejected on its way gives back so many places, and
// none under the limit of all.
func returnedPaid(l limiterTest) {
	one := Fresh()
	paid := func() codes.Place {
		p := place(one)
		l.take(p)
		p.Paid = true
		return p
	}
	for range 2 {
		p := paid()
		l.giveBack(p)
		l.giveBack(p) // repeated: one place
	}
	third, _ := paid(), paid()
	l.giveBack(third)
	wait := l.refused(one, "SEND_LIMITS 2/3s") // it was one too many
	l.Advance(wait)
	l.giveBack(paid())
	paid()
	l.refused(Fresh(), "SEND_LIMITS_TOTAL 6/1h")
}

func returned(l limiterTest) {
	one := Fresh()
	first, second := place(one), place(one)
	l.take(first)
	l.take(second)
	l.giveBack(second)
	l.giveBack(second) // repeated: one place
	l.giveBack(place(one))
	l.take(place(one))
	l.refused(one, "SEND_LIMITS 2/1h")
	l.take(place(Fresh())) // the third of all: the place in the total came back too
	other := Fresh()
	l.refused(other, "SEND_LIMITS_TOTAL 3/1h")
	l.giveBack(first)
	l.take(place(other))
}

func guessLimits(l limiterTest) {
	one := Fresh()
	l.take(place(one))
	first := place(one)
	l.wrong(first)
	l.wrong(first) // repeated: one guess
	l.take(place(one))
	l.wrong(place(one))
	l.wrong(place(one))
	clear := l.refused(one, "GUESS_LIMITS 2/3s")
	l.take(place(Fresh()))
	l.Advance(clear - time.Second)
	l.refused(one, "GUESS_LIMITS 2/3s")
	l.Advance(time.Second)
	l.take(place(one))
}

func guessesAlone(l limiterTest) {
	one := Fresh()
	l.take(place(one))
	l.take(place(one))
	l.wrong(place(one))
	l.refused(one, "GUESS_LIMITS 1/1h")
}

func totalLimit(l limiterTest) {
	refused, first := Fresh(), place(Fresh())
	l.take(first)
	l.Advance(time.Second)
	l.take(first) // repeated: the same place, from when it was taken
	last := place(Fresh())
	l.take(last)
	l.take(last)
	clear := l.refused(refused, "SEND_LIMITS_TOTAL 2/3s")
	if clear > 2*time.Second {
		l.Errorf("retry after %v, want 2s", clear)
	}
	l.Advance(clear)
	l.take(place(refused)) // the refusal took no place under SEND_LIMITS
	l.refused(refused, "SEND_LIMITS 1/1h")
}

func turns(l limiterTest) {
	one := Fresh()
	begun := time.Now()
	for i, want := range []time.Duration{0, 0, TurnSpan, TurnSpan} {
		p := place(one)
		for _, asked := range []string{"first", "again"} {
			wait := l.take(p)
			// The clock of a real backend goes on between two calls, and tells milliseconds.
			passed := time.Since(begun) + 2*time.Millisecond
			if wait > want || wait < want-passed {
				l.Errorf("turn %d, asked %s: wait %v, want %v", i, asked, wait, want)
			}
		}
	}
	_, err := l.Limiter.Take(context.Background(), place(one))
	var busy *codes.UnavailableError
	if !errors.As(err, &busy) || !errors.Is(err, codes.ErrUnavailable) || busy.RetryAfter != time.Second {
		l.Fatalf("Take = %v, want unavailable for 1s", err)
	}
	l.Advance(busy.RetryAfter)
	l.take(place(one))
}

// unsentPlaces: what sends nothing is counted for its recipient alone.
func unsentPlaces(l limiterTest) {
	one, other := Fresh(), Fresh()
	unsent := func(recipient codes.Digest) codes.Place {
		return codes.Place{Recipient: recipient, Op: codes.NewOp(), Unsent: true}
	}
	first := unsent(one)
	for _, p := range []codes.Place{first, first, unsent(one), place(Fresh()), unsent(other)} {
		if wait := l.take(p); wait != 0 {
			l.Errorf("wait %v", wait)
		}
	}
	l.refused(one, "SEND_LIMITS 2/1h")
	l.giveBack(first)
	l.take(unsent(one))
	l.refused(Fresh(), "SEND_LIMITS_TOTAL 1/1h")
	l.wrong(unsent(other))
	l.refused(other, "GUESS_LIMITS 1/1h")
}

func parallelTakes(l limiterTest) {
	const rounds = 5
	for range rounds {
		one := Fresh()
		var taken atomic.Int64
		together(func(int) {
			_, err := l.Limiter.Take(context.Background(), place(one))
			var reached *codes.LimitError
			switch {
			case err == nil:
				taken.Add(1)
			case !errors.As(err, &reached):
				l.Errorf("Take: %v", err)
			}
		})
		if taken.Load() != 5 {
			l.Errorf("%d of %d parallel requests passed a limit of 5", taken.Load(), crowd)
		}
	}
}
