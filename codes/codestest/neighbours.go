package codestest

import (
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// RunNeighbours checks that a caller with other limits, such as a replica with
// another configuration, does not make the store forget the counts of others.
func RunNeighbours(t *testing.T, open func(testing.TB) Backend) {
	long, short := Windows(t, "2/1h"), Windows(t, "50/1s")
	// meddle makes a neighbour act before and after its own windows have passed.
	meddle := func(s suite, act func()) {
		for range 2 {
			act()
			s.Advance(1100 * time.Millisecond)
			act()
		}
	}
	run(t, open, tests{
		"messages": func(s suite) {
			one := Fresh()
			for _, of := range []func([]codes.Window) codes.Limit{func(w []codes.Window) codes.Limit { return sends(one, w) }, total} {
				s.reserve(messageTo(one, of(long)))
				s.reserve(messageTo(one, of(long)))
				meddle(s, func() {
					s.reserve(messageTo(one, of(short)))
					r := messageTo(one, of(short))
					s.reserve(r)
					s.release(r, true)
				})
				s.Advance(1100 * time.Millisecond)
				s.about("clear", s.refused(messageTo(one, of(long)), of(long).Kind.Setting()+" 2/1h"), time.Hour)
			}
		},
		"guesses": func(s suite) {
			e := s.create(entry(99, time.Minute, 0)).Entry
			s.guess(e, long, codes.NewOp())
			s.guess(e, long, codes.NewOp())
			meddle(s, func() { s.guess(e, short, codes.NewOp()) })
			s.about("clear", s.refused(messageTo(e.Recipient, guesses(e.Recipient, long)), "GUESS_LIMITS 2/1h"), time.Hour)
		},
		"refunds": func(s suite) {
			one := Fresh()
			refund := func(windows []codes.Window) {
				r := messageTo(one, sends(one, windows))
				s.reserve(r)
				s.refund(r, sends(one, windows))
			}
			refund(long)
			refund(long)
			meddle(s, func() { refund(short) })
			for range 2 {
				r := messageTo(one, sends(one, long))
				s.reserve(r)
				s.refund(r, sends(one, long)) // refunds nothing
			}
			s.refused(messageTo(one, sends(one, long)), "SEND_LIMITS 2/1h")
		},
		"turns": func(s suite) {
			begun := time.Now()
			for range 4 { // turns several seconds ahead
				s.reserve(paced(messageTo(Fresh()), 1, time.Minute))
			}
			// The neighbour has a higher rate and a shorter MaxWait.
			neighbour := paced(messageTo(Fresh()), 50, 0)
			s.reserve(neighbour)
			s.Advance(2 * TurnSpan)
			s.nextTurn(codes.Reservation{Op: codes.NewOp(), Pace: codes.Pace{Rate: 50}})
			turn := s.reserve(paced(messageTo(Fresh()), 1, time.Minute)).Turn
			if at := turn.Begin.Sub(begun); at < TurnSpan {
				s.Errorf("the next turn is %v after the first", at)
			}
		},
	}, nil)
}
