package codestest

import (
	"context"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// guess checks a wrong code that is counted under windows.
func (s suite) guess(e codes.Entry, windows []codes.Window, op codes.Op) {
	s.Helper()
	checked, err := s.Store.Check(context.Background(), codes.Check{Name: e.Name, Code: Fresh(), Op: op, Guesses: windows})
	if err != nil || checked.Status != codes.Wrong {
		s.Fatalf("Check = %+v, %v; want a wrong code", checked, err)
	}
}

// RunGuesses checks that wrong codes are counted for their number by the check
// itself.
func RunGuesses(t *testing.T, open func(testing.TB) Backend) {
	one, two := Windows(t, "1/1h"), Windows(t, "2/3s")
	allowed := func(e codes.Entry, windows []codes.Window) codes.Reservation {
		return within(unlimited(next(e)), guesses(e.Recipient, windows))
	}
	run(t, open, tests{
		"counted at once": func(s suite) {
			e := usual()
			s.reserve(e)
			s.take(allowed(usual(), one))
			s.guess(e, one, codes.NewOp())
			s.about("clear", s.refused(allowed(e, one), "GUESS_LIMITS 1/1h"), time.Hour)
		},
		"for its number alone": func(s suite) {
			e, other := usual(), usual()
			s.reserve(e)
			s.guess(e, one, codes.NewOp())
			s.take(allowed(other, one))
		},
		"for the number of the entry that counts": func(s suite) {
			first := usual()
			second := next(first)
			s.reserve(first)
			s.reserve(second)
			s.guess(second, one, codes.NewOp())
			s.take(within(unlimited(usual()), guesses(first.Recipient, one)))
			s.refused(within(unlimited(usual()), guesses(second.Recipient, one)), "GUESS_LIMITS 1/1h")
		},
		"counted when the limit is reached": func(s suite) {
			e := entry(9, time.Minute, 0)
			s.reserve(e)
			s.guess(e, two, codes.NewOp())
			s.guess(e, two, codes.NewOp())
			s.Advance(2 * time.Second)
			s.guess(e, two, codes.NewOp())
			s.guess(e, two, codes.NewOp())
			s.Advance(1100 * time.Millisecond) // the first two are over
			clear := s.refused(allowed(e, two), "GUESS_LIMITS 2/3s")
			s.Advance(clear)
			s.take(allowed(e, two))
		},
		"counted once when repeated": func(s suite) {
			e, op := usual(), codes.NewOp()
			s.reserve(e)
			s.guess(e, two, op)
			s.guess(e, two, op)
			s.take(allowed(e, two))
		},
		"the last attempt too": func(s suite) {
			e := entry(1, time.Minute, 0)
			s.reserve(e)
			s.guess(e, one, codes.NewOp())
			s.unknown(e)
			s.refused(allowed(e, one), "GUESS_LIMITS 1/1h")
		},
		"under the previous secret": func(s suite) {
			e := usual()
			s.reserve(e)
			changed := e
			changed.Name = codes.EntryName{Current: Fresh(), Previous: e.Name.Current}
			s.guess(changed, one, codes.NewOp())
			s.refused(allowed(e, one), "GUESS_LIMITS 1/1h")
		},
		"only wrong codes": func(s suite) {
			e := usual()
			s.reserve(e)
			s.check(codes.Check{Name: e.Name, Code: e.Code, Guesses: one}, codes.Outcome{Status: codes.Right, Recipient: e.Recipient})
			s.check(codes.Check{Name: e.Name, Code: e.Code, Guesses: one}, codes.Outcome{Status: codes.Unknown})
			s.take(allowed(e, one))
		},
		"not creates": func(s suite) {
			e := usual()
			s.take(allowed(e, one))
			s.take(allowed(e, one))
		},
		"not without a limit": func(s suite) {
			e := usual()
			s.reserve(e)
			s.wrong(e, 2)
			s.take(allowed(e, one))
		},
		"not when it was given up": func(s suite) {
			e := usual()
			s.reserve(e)
			_, err := s.Store.Check(gone(), codes.Check{Name: e.Name, Code: Fresh(), Op: codes.NewOp(), Guesses: one})
			s.unavailable("Check", err)
			s.take(allowed(e, one))
		},
	}, tests{
		"in parallel": func(s suite) {
			const guesses = 12
			e := entry(2*guesses, time.Minute, 0)
			s.reserve(e)
			windows := Windows(s, "12/1h", "13/2h")
			together(guesses, func(i int) {
				_, err := s.store(i).Check(context.Background(), codes.Check{Name: e.Name, Code: Fresh(), Op: codes.NewOp(), Guesses: windows})
				if err != nil {
					s.Errorf("Check: %v", err)
				}
			})
			s.refused(allowed(e, windows[:1]), "GUESS_LIMITS 12/1h")
			s.take(allowed(e, windows[1:]))
		},
	})
}
