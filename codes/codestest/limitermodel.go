package codestest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/flowroute/sms-verification/codes"
)

// limiterPace is less than the tenths of a second by which everything that
// happens to a limiter here misses everything else; see drawLimits.
const limiterPace = 80 * time.Millisecond

// RunLimiterModel runs random operations on limiters under random limits and
// on the Model, side by side, and compares every answer. open returns a
// limiter that has counted nothing yet; Advance must take no time.
func RunLimiterModel(t *testing.T, open func(testing.TB, codes.Limits) LimiterBackend) {
	compared := 0
	rapid.Check(t, func(r *rapid.T) {
		limits := drawLimits(t, r)
		l := &limiterPair{LimiterBackend: open(t, limits), model: NewModel(limits), compared: &compared}
		l.pace = newPace(limiterPace)
		for i := range l.recipients {
			l.recipients[i] = Fresh()
		}
		r.Repeat(map[string]func(*rapid.T){
			"take": l.take, "take more": l.take, "take most": l.take,
			"take again": l.takeAgain,
			"return":     l.giveBack,
			"wrong":      l.wrong, "wrong more": l.wrong,
			"wrong again": l.wrongAgain,
			"pass":        l.pass, "pass more": l.pass,
		})
	})
	enough(t, compared)
}

// drawLimits makes limits for events that happen at whole seconds. Each window
// of a number ends at other tenths of a second than the rest, turns begin at
// even ones and the longest wait is an odd one: so nothing happens where a
// few milliseconds more would make another answer.
func drawLimits(t testing.TB, r *rapid.T) codes.Limits {
	window := func(name, span string, least, most int) string {
		return fmt.Sprintf("%d/%s", rapid.IntRange(least, most).Draw(r, name+" in "+span), span)
	}
	limits := codes.Limits{
		Sends:   Windows(t, window("sends", "9.2s", 1, 3), window("sends", "59.4s", 2, 5)),
		Rate:    rapid.IntRange(0, 2).Draw(r, "rate"),
		MaxWait: 2100 * time.Millisecond,
	}
	if rapid.Bool().Draw(r, "limited guesses") {
		limits.Guesses = Windows(t, window("guesses", "19.6s", 1, 3), window("guesses", "49.8s", 2, 5))
	}
	if rapid.Bool().Draw(r, "limited total") {
		limits.Total = Windows(t, window("total", "14.2s", 2, 5), window("total", "39.4s", 4, 9))
	}
	return limits
}

// limiterPair is a limiter and the model of it.
type limiterPair struct {
	LimiterBackend
	model    *Model
	pace     pace
	compared *int

	recipients [2]codes.Digest
	now        time.Duration
	taken      []codes.Place // not given back
	fresh      int           // the first of taken that was taken since time passed
	counted    []codes.Place // since time passed
}

func (l *limiterPair) both(t *rapid.T, p codes.Place) error {
	wantWait, want := l.model.Take(context.Background(), p)
	wait, err := l.Limiter.Take(context.Background(), p)
	if l.pace.over() {
		return want
	}
	if difference := takeDifference(wait, wantWait, err, want); difference != "" {
		t.Fatalf("at %v: Take: %s", l.now, difference)
	}
	*l.compared++
	return want
}

// takeDifference tells how the answers to a Take differ.
func takeDifference(wait, wantWait time.Duration, err, want error) string {
	var limit, wantLimit *codes.LimitError
	var busy, wantBusy *codes.UnavailableError
	same := false
	switch {
	case want == nil:
		same = err == nil && (wait-wantWait).Abs() <= limiterPace
	case errors.As(want, &wantLimit):
		same = errors.As(err, &limit) && *limit == *wantLimit
	case errors.As(want, &wantBusy):
		same = errors.As(err, &busy) && busy.RetryAfter == wantBusy.RetryAfter
	}
	if same {
		return ""
	}
	return fmt.Sprintf("%v, %v; want %v, %v", wait, err, wantWait, want)
}

func (l *limiterPair) anyPlace(t *rapid.T) codes.Place {
	p := place(l.recipients[rapid.IntRange(0, len(l.recipients)-1).Draw(t, "recipient")])
	p.Unsent = rapid.IntRange(0, 3).Draw(t, "unsent") == 0
	return p
}

func (l *limiterPair) take(t *rapid.T) {
	p := l.anyPlace(t)
	if l.both(t, p) == nil {
		l.taken = append(l.taken, p)
	}
}

func (l *limiterPair) takeAgain(t *rapid.T) {
	if l.fresh < len(l.taken) {
		_ = l.both(t, l.taken[rapid.IntRange(l.fresh, len(l.taken)-1).Draw(t, "place")])
	}
}

// giveBack returns a place, which may be an old one, twice.
func (l *limiterPair) giveBack(t *rapid.T) {
	if len(l.taken) == 0 {
		return
	}
	i := rapid.IntRange(0, len(l.taken)-1).Draw(t, "place")
	for range 2 {
		l.done(t, l.model.Return(context.Background(), l.taken[i]), l.Limiter.Return(context.Background(), l.taken[i]))
	}
	l.taken = append(l.taken[:i:i], l.taken[i+1:]...)
	if i < l.fresh {
		l.fresh--
	}
}

func (l *limiterPair) wrong(t *rapid.T) {
	p := l.anyPlace(t)
	l.count(t, p)
	l.counted = append(l.counted, p)
}

func (l *limiterPair) wrongAgain(t *rapid.T) {
	if len(l.counted) > 0 {
		l.count(t, l.counted[rapid.IntRange(0, len(l.counted)-1).Draw(t, "place")])
	}
}

func (l *limiterPair) count(t *rapid.T, p codes.Place) {
	l.done(t, l.model.CountWrong(context.Background(), p), l.Limiter.CountWrong(context.Background(), p))
}

func (l *limiterPair) done(t *rapid.T, errs ...error) {
	if err := errors.Join(errs...); err != nil && !l.pace.over() {
		t.Fatal(err)
	}
}

func (l *limiterPair) pass(t *rapid.T) {
	seconds := rapid.OneOf(rapid.IntRange(1, 9), rapid.IntRange(10, 70)).Draw(t, "seconds")
	d := time.Duration(seconds) * time.Second
	l.now += d
	l.fresh, l.counted = len(l.taken), nil
	l.pace.pass(d, l.model, l.Advance)
}
