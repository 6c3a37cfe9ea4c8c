package codestest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/flowroute/sms-verification/codes"
)

// limiterDrift is less than the least time between any two changes of limits here; see
// drawLimits.
const limiterDrift = 70 * time.Millisecond

// RunLimiterModel runs random operations of two callers, each with its own random
// limits, on a store and on the Model side by side, and compares every answer.
// Backend.Advance must return at once.
func RunLimiterModel(t *testing.T, open func(testing.TB) Backend) {
	compared := 0
	rapid.Check(t, func(r *rapid.T) {
		l := &limiterPair{storePair: storePair{
			Backend: open(t), model: NewModel(), clocks: newClocks(limiterDrift), compared: &compared,
		}}
		for i := range l.callers {
			l.callers[i] = drawLimits(t, r)
		}
		for i := range l.recipients {
			l.recipients[i] = entry(1_000_000, 1_000_000*time.Second, 0)
			l.both(r, reserveAs(context.Background(), reservationOf(l.recipients[i])))
		}
		l.recent = nil
		r.Repeat(map[string]func(*rapid.T){
			"reserve": l.reserve, "reserve more": l.reserve, "reserve most": l.reserve,
			"release": l.release,
			"refund":  l.refund,
			"turn":    l.nextTurn,
			"guess":   l.guess, "guess more": l.guess,
			"verify": l.verify, "verify more": l.verify,
			"again": l.again,
			"pass":  l.pass, "pass more": l.pass,
		})
	})
	enough(t, compared)
}

// drawLimits makes limits for events at whole seconds. Each window ends at its own
// tenth of a second, turns begin at even tenths, and a request waits for an odd number
// of tenths. So no answer depends on less than limiterDrift.
func drawLimits(t testing.TB, r *rapid.T) codes.Limits {
	window := func(name, span string, least, most int) string {
		return fmt.Sprintf("%d/%s", rapid.IntRange(least, most).Draw(r, name+" in "+span), span)
	}
	limits := codes.Limits{Pace: codes.Pace{Rate: rapid.IntRange(0, 2).Draw(r, "rate"), MaxWait: 2100 * time.Millisecond}}
	if rapid.Bool().Draw(r, "limited sends") {
		limits.Sends = Windows(t, window("sends", "9.1s", 1, 3), window("sends", "59.2s", 2, 5))
	}
	if rapid.Bool().Draw(r, "limited guesses") {
		limits.Guesses = Windows(t, window("guesses", "19.4s", 1, 3), window("guesses", "49.6s", 2, 5))
	}
	if rapid.Bool().Draw(r, "limited total") {
		limits.Total = Windows(t, window("total", "14.7s", 2, 5), window("total", "39.9s", 4, 9))
	}
	if rapid.Bool().Draw(r, "limited unverified") {
		var err error
		limits.Unverified, err = codes.ParseUnverified([]string{
			"exchange:" + window("exchange", "24.8s", 1, 4), "area:" + window("area", "34.5s", 1, 4) + "+50%", "all:" + window("all", "54.3s", 2, 9) + "+20%",
		})
		if err != nil {
			t.Fatal(err)
		}
		limits.Unverified.Mode = codes.UnverifiedMode(rapid.IntRange(0, 2).Draw(r, "mode"))
	}
	return limits
}

// limiterPair is a store and its model, with limits.
type limiterPair struct {
	storePair
	callers    [2]codes.Limits
	recipients [2]codes.Entry
}

func (l *limiterPair) caller(t *rapid.T) *codes.Limits {
	return &l.callers[rapid.IntRange(0, len(l.callers)-1).Draw(t, "caller")]
}

func (l *limiterPair) recipient(t *rapid.T) codes.Entry {
	return l.recipients[rapid.IntRange(0, len(l.recipients)-1).Draw(t, "recipient")]
}

func (l *limiterPair) reserve(t *rapid.T) {
	limits, recipient := l.caller(t), l.recipient(t).Recipient
	r := messageTo(recipient)
	r.Entry.Lifetime, r.Entry.Notice = 1_000_000*time.Second, 0
	add := func(limit codes.Limit) {
		if len(limit.Windows) > 0 {
			r.Limits = append(r.Limits, limit)
		}
	}
	add(sends(recipient, limits.Sends))
	add(guesses(recipient, limits.Guesses))
	if rapid.IntRange(0, 3).Draw(t, "test recipient") > 0 {
		add(total(limits.Total))
		r.Entry.Destination = rapid.SampledFrom([]codes.Destination{seattle, tacoma, toronto}).Draw(t, "destination")
		r.Limits = append(r.Limits, limits.Unverified.Limits(r.Entry.Destination)...)
		r = paced(r, limits.Pace.Rate, limits.Pace.MaxWait)
		r.WaitLeft = drawWait(t)
	}
	before := *l.compared
	l.both(t, reserveAs(context.Background(), r))
	if *l.compared > before {
		l.made = append(l.made, r)
	}
}

func drawWait(t *rapid.T) time.Duration {
	return rapid.SampledFrom([]time.Duration{2100 * time.Millisecond, 900 * time.Millisecond, 100 * time.Millisecond}).Draw(t, "wait")
}

// anyReservation draws one, which may be an old one or one that was refused.
func (l *limiterPair) anyReservation(t *rapid.T) (codes.Reservation, bool) {
	if len(l.made) == 0 {
		return codes.Reservation{}, false
	}
	return l.made[rapid.IntRange(0, len(l.made)-1).Draw(t, "reservation")], true
}

func (l *limiterPair) release(t *rapid.T) {
	if r, ok := l.anyReservation(t); ok {
		l.both(t, releaseOf(r))
	}
}

func (l *limiterPair) refund(t *rapid.T) {
	r, ok := l.anyReservation(t)
	if !ok || len(r.Limits) == 0 || r.Limits[0].Kind != codes.SendLimit {
		return
	}
	old := func(e event) bool { return e.op == r.Op && l.model.now-e.at > 5*time.Second } // the store may have forgotten it
	if slices.ContainsFunc(l.model.refunds[r.Limits[0].Subject], old) {
		return
	}
	l.both(t, func(s codes.Store) (any, error) { return true, s.Refund(context.Background(), r.Op, r.Limits) })
}

// verify enters the code of a reservation, which may have been entered before.
func (l *limiterPair) verify(t *rapid.T) {
	r, ok := l.anyReservation(t)
	old := func(e event) bool { return e.op == r.Op && l.model.now-e.at > 20*time.Second } // the store may have forgotten it
	if ok && !slices.ContainsFunc(l.model.counted[unverified(r.Entry.Destination)[2]], old) {
		l.both(t, checkWith(codes.Check{Name: r.Entry.Name, Code: r.Entry.Code, Op: codes.NewOp(), CountVerified: true}))
	}
}

func (l *limiterPair) nextTurn(t *rapid.T) {
	if p := l.caller(t).Pace; p.Rate > 0 {
		l.both(t, turnUnder(p, drawWait(t)))
	}
}

func (l *limiterPair) guess(t *rapid.T) {
	e := l.recipient(t)
	l.both(t, checkWith(codes.Check{Name: e.Name, Code: Fresh(), Op: codes.NewOp(), Guesses: l.caller(t).Guesses}))
}

func (l *limiterPair) pass(t *rapid.T) {
	seconds := rapid.OneOf(rapid.IntRange(1, 9), rapid.IntRange(10, 70)).Draw(t, "seconds")
	l.recent = nil
	l.clocks.advance(time.Duration(seconds)*time.Second, l.model, l.Advance)
}
