package codestest

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// RunRepetition checks that a call that is retried, because its reply was lost,
// changes nothing and returns its first answer, whatever happened since.
func RunRepetition(t *testing.T, open func(testing.TB) Backend) {
	run(t, open, tests{
		"reserve": func(s suite) {
			e := s.newEntry()
			limit := sends(e.Recipient, Windows(s, "2/1h"))
			r := withLimits(reservationOf(successor(e)), limit, total(Windows(s, "9/1h")))
			first := s.reserve(r)
			s.wrong(r.Entry, 2)
			if again := s.reserve(r); again.Replaced != first.Replaced {
				s.Errorf("replaced %v, then %v", first.Replaced, again.Replaced)
			}
			s.live(r.Entry, 2)
			s.reserve(withLimits(reservationOf(anyEntry()), limit)) // it counted once
			s.reserve(r)                                            // the limit is reached, by itself too
			s.release(r, true)
			s.live(e, 3) // and it was stored once
		},
		"reserve, after its entry ended": func(s suite) {
			for _, end := range append(s.ends(), nil) {
				r := s.create(anyEntry())
				if end != nil {
					end(r.Entry)
				} else {
					s.release(r, true)
				}
				s.reserve(r)
				s.unknown(r.Entry)
			}
		},
		"reserve, after it was replaced": func(s suite) {
			r := s.create(anyEntry())
			e := s.create(successor(r.Entry)).Entry
			s.reserve(r)
			s.right(e)
		},
		"reserve, waiting for its turn": isolated(func(s suite) {
			all := s.waiting(2)
			s.reserve(all[1])
			s.release(all[1], true)
			s.Advance(TurnSpan)
			s.right(all[0].Entry)
		}),
		"release": func(s suite) {
			e := anyEntry()
			r := s.create(e)
			s.release(r, true)
			after := s.create(successor(e))
			s.release(r, true)
			s.live(after.Entry, 3)
		},
		"wrong code": func(s suite) {
			e := s.newEntry()
			c := codes.Check{Name: e.Name, Code: Fresh(), Op: codes.NewOp()}
			s.check(c, wrongFor(e, 2))
			s.wrong(e, 1)
			s.check(c, wrongFor(e, 2))
			s.live(e, 1)
			s.repeatedLater(e, c, wrongFor(e, 2))
		},
		"right code, last wrong code": func(s suite) {
			e := s.newEntry()
			s.repeatedLater(e, codes.Check{Name: e.Name, Code: e.Code, Op: codes.NewOp()}, rightFor(e))
			e = entry(1, time.Minute, time.Minute)
			s.create(e)
			s.repeatedLater(e, codes.Check{Name: e.Name, Code: Fresh(), Op: codes.NewOp()}, wrongFor(e, 0))
		},
		// The entry expires between the two.
		"wrong code, after its expiry": func(s suite) {
			for _, notice := range []time.Duration{0, time.Minute} {
				e := s.create(entry(3, time.Second, notice)).Entry
				s.Advance(700 * time.Millisecond)
				c := codes.Check{Name: e.Name, Code: Fresh(), Op: codes.NewOp()}
				s.check(c, wrongFor(e, 2))
				s.Advance(400 * time.Millisecond)
				s.check(c, wrongFor(e, 2))
				if notice > 0 {
					s.expired(e)
				}
				s.unknown(e)
			}
		},
		// The answer under a claim is kept after the entry has expired.
		"wrong code, under a claim": func(s suite) {
			e := s.create(entry(3, time.Second, 0)).Entry
			c := codes.Check{Name: e.Name, Code: Fresh(), Op: codes.NewOp(), Claim: Fresh()}
			s.check(c, wrongFor(e, 2))
			s.Advance(3 * time.Second)
			s.check(c, wrongFor(e, 2))
			s.unknown(e)
		},
		"wrong code, after its release": func(s suite) {
			all := s.chain(2)
			c := codes.Check{Name: all[1].Entry.Name, Code: Fresh(), Op: codes.NewOp()}
			s.check(c, wrongFor(all[1].Entry, 2))
			s.release(all[1], true)
			s.check(c, wrongFor(all[1].Entry, 2))
			s.live(all[0].Entry, 3)
		},
		"expired": func(s suite) {
			e := s.create(entry(1, time.Second, time.Minute)).Entry
			s.Advance(1100 * time.Millisecond)
			c := codes.Check{Name: e.Name, Code: e.Code, Op: codes.NewOp()}
			for range 2 {
				s.check(c, codes.Outcome{Status: codes.Expired})
			}
			s.unknown(e)
		},
		"cancel": func(s suite) {
			e := s.newEntry()
			c := codes.Cancel{Name: e.Name, Op: codes.NewOp()}
			first, err := s.Store.Cancel(context.Background(), c)
			s.about("cancelled", first, time.Minute)
			s.create(successor(e))
			again, errAgain := s.Store.Cancel(context.Background(), c)
			if err != nil || errAgain != nil || again != first {
				s.Errorf("Cancel = %v, %v, then %v, %v", first, err, again, errAgain)
			}
			s.live(e, 3)
		},
	}, tests{
		"reserve in parallel": func(s suite) {
			e := s.newEntry()
			limit := sends(e.Recipient, Windows(s, "2/1h"))
			r := withLimits(reservationOf(successor(e)), limit)
			parallel(parallelCalls, func(i int) { s.on(i).reserve(r) })
			s.reserve(withLimits(reservationOf(anyEntry()), limit))
			s.release(r, true)
			s.right(e)
		},
		"release in parallel": func(s suite) {
			all := s.chain(3)
			parallel(parallelCalls, func(i int) { s.on(i).release(all[2], true) })
			s.right(all[1].Entry)
		},
		"cancel in parallel": func(s suite) {
			e, c := anyEntry(), codes.Cancel{Op: codes.NewOp()}
			c.Name = e.Name
			s.create(e)
			var found atomic.Int64
			parallel(parallelCalls, func(i int) {
				if ttlLeft, err := s.store(i).Cancel(context.Background(), c); err == nil && ttlLeft > 0 {
					found.Add(1)
				}
			})
			if found.Load() != parallelCalls {
				s.Errorf("%d of %d repetitions had the first answer", found.Load(), parallelCalls)
			}
		},
	})
}

// repeatedLater: a check has its first answer after its entry has ended, and after
// another was stored, of which it uses no attempt.
func (s suite) repeatedLater(e codes.Entry, c codes.Check, want codes.Outcome) {
	s.Helper()
	first := s.check(c, want)
	s.cancel(e)
	for range 2 {
		if again := s.check(c, want); again != first {
			s.Errorf("%+v, then %+v", first, again)
		}
		s.create(successor(e))
	}
	s.live(e, 3)
}
