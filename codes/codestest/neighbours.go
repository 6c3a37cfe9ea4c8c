package codestest

import (
	"context"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// RunNeighbours checks that a caller with other limits, such as a replica with
// another configuration, does not make the store forget what the others count.
func RunNeighbours(t *testing.T, open func(testing.TB) Backend) {
	long, short := Windows(t, "2/1h"), Windows(t, "50/1s")
	// meddle makes a neighbour act before and after its windows are over.
	meddle := func(s suite, act func()) {
		for range 2 {
			act()
			s.Advance(1100 * time.Millisecond)
			act()
		}
	}
	run(t, open, tests{
		"sends to a recipient": func(s suite) {
			one := Fresh()
			s.take(to(one, sends(one, long)))
			s.take(to(one, sends(one, long)))
			meddle(s, func() { s.take(to(one, sends(one, short))) })
			s.about("clear", s.refused(to(one, sends(one, long)), "SEND_LIMITS 2/1h"), time.Hour)
		},
		"releases": func(s suite) {
			one := Fresh()
			s.take(to(one, sends(one, long)))
			s.take(to(one, sends(one, long)))
			meddle(s, func() {
				r := to(one, sends(one, short))
				s.take(r)
				s.release(r, true)
			})
			s.Advance(1100 * time.Millisecond)
			s.refused(to(one, sends(one, long)), "SEND_LIMITS 2/1h")
		},
		"messages in all": func(s suite) {
			s.take(to(Fresh(), total(long)))
			s.take(to(Fresh(), total(long)))
			meddle(s, func() { s.take(to(Fresh(), total(short))) })
			s.about("clear", s.refused(to(Fresh(), total(long)), "SEND_LIMITS_TOTAL 2/1h"), time.Hour)
		},
		"guesses": func(s suite) {
			e := entry(99, time.Minute, 0)
			s.reserve(e)
			s.guess(e, long, codes.NewOp())
			s.guess(e, long, codes.NewOp())
			meddle(s, func() { s.guess(e, short, codes.NewOp()) })
			s.about("clear", s.refused(to(e.Recipient, guesses(e.Recipient, long)), "GUESS_LIMITS 2/1h"), time.Hour)
		},
		"refunds": func(s suite) {
			one := Fresh()
			refund := func(windows []codes.Window) {
				r := to(one, sends(one, windows))
				s.take(r)
				s.refund(r, sends(one, windows))
			}
			refund(long)
			refund(long)
			meddle(s, func() { refund(short) })
			for range 2 {
				r := to(one, sends(one, long))
				s.take(r)
				s.refund(r, sends(one, long)) // frees nothing
			}
			s.refused(to(one, sends(one, long)), "SEND_LIMITS 2/1h")
		},
		"turns": func(s suite) {
			begun := time.Now()
			for range 4 { // turns up to some seconds ahead
				s.take(paced(to(Fresh()), 1, time.Minute))
			}
			// This one does not look so far ahead, and sends as fast as it likes.
			neighbour := paced(to(Fresh()), 50, 0)
			s.take(neighbour)
			s.Advance(2 * TurnSpan)
			if _, err := s.Store.NextTurn(context.Background(), codes.Reservation{Op: codes.NewOp(), Pace: codes.Pace{Rate: 50}}); err != nil {
				s.Errorf("NextTurn: %v", err)
			}
			turn := s.take(paced(to(Fresh()), 1, time.Minute)).Turn
			if at := turn.Begin.Sub(begun); at < TurnSpan {
				s.Errorf("the next turn is %v after the first", at)
			}
		},
	}, nil)
}
