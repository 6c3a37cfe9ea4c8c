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
		s.Errorf("Check = %+v, %v; want a wrong code", checked, err)
	}
}

// RunGuesses checks that a check counts a wrong code for its number.
func RunGuesses(t *testing.T, open func(testing.TB) Backend) {
	one, two := Windows(t, "1/1h"), Windows(t, "2/3s")
	allowed := func(e codes.Entry, windows []codes.Window) codes.Reservation {
		return messageTo(e.Recipient, guesses(e.Recipient, windows))
	}
	run(t, open, tests{
		"once, for its number": func(s suite) {
			e, op := anyEntry(), codes.NewOp()
			s.create(e)
			s.guess(e, two, op)
			s.guess(e, two, op) // repeated
			s.reserve(allowed(e, two))
			s.about("clear", s.refused(allowed(e, one), "GUESS_LIMITS 1/1h"), time.Hour)
			s.reserve(allowed(anyEntry(), one))
		},
		"only wrong codes under a limit": func(s suite) {
			e := s.newEntry()
			s.reserve(allowed(e, one))
			s.wrong(e, 2) // without a limit
			_, err := s.Store.Check(cancelledContext(), codes.Check{Name: e.Name, Code: Fresh(), Op: codes.NewOp(), Guesses: one})
			s.unavailable("Check", err)
			s.check(codes.Check{Name: e.Name, Code: e.Code, Guesses: one}, rightFor(e))
			s.check(codes.Check{Name: e.Name, Code: e.Code, Guesses: one}, codes.Outcome{Status: codes.Unknown})
			s.reserve(allowed(e, one))
		},
		"for the number of the valid entry": func(s suite) {
			first := anyEntry()
			second := successor(first)
			s.create(first)
			s.create(second)
			s.guess(second, one, codes.NewOp())
			s.reserve(allowed(first, one))
			s.refused(allowed(second, one), "GUESS_LIMITS 1/1h")
		},
		"when the limit is reached": func(s suite) {
			e := s.create(entry(9, time.Minute, 0)).Entry
			s.guess(e, two, codes.NewOp())
			s.guess(e, two, codes.NewOp())
			s.Advance(2 * time.Second)
			s.guess(e, two, codes.NewOp())
			s.guess(e, two, codes.NewOp())
			s.Advance(1100 * time.Millisecond) // the first two no longer count
			clear := s.refused(allowed(e, two), "GUESS_LIMITS 2/3s")
			s.Advance(clear)
			s.reserve(allowed(e, two))
		},
		"the last attempt too": func(s suite) {
			e := s.create(entry(1, time.Minute, 0)).Entry
			s.guess(e, one, codes.NewOp())
			s.unknown(e)
			s.refused(allowed(e, one), "GUESS_LIMITS 1/1h")
		},
		"under the previous secret": func(s suite) {
			e := s.newEntry()
			s.guess(named(e, codes.EntryName{Current: Fresh(), Previous: e.Name.Current}), one, codes.NewOp())
			s.refused(allowed(e, one), "GUESS_LIMITS 1/1h")
		},
		"counted later": func(s suite) {
			e := anyEntry()
			for range 2 {
				op := codes.NewOp()
				s.reserve(allowed(e, two))
				for range 2 { // repeated
					if err := s.Store.CountGuess(context.Background(), e.Recipient, op, two); err != nil {
						s.Fatal(err)
					}
				}
			}
			s.refused(allowed(e, two), "GUESS_LIMITS 2/3s")
		},
	}, tests{
		"in parallel": func(s suite) {
			const guesses = 12
			e := s.create(entry(2*guesses, time.Minute, 0)).Entry
			windows := Windows(s, "12/1h", "13/2h")
			parallel(guesses, func(i int) { s.on(i).guess(e, windows, codes.NewOp()) })
			s.refused(allowed(e, windows[:1]), "GUESS_LIMITS 12/1h")
			s.reserve(allowed(e, windows[1:]))
		},
	})
}
