package codestest

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// RunRepetition checks that a call that is sent again, because its reply was
// lost, changes nothing and gets its first answer, whatever happened since.
func RunRepetition(t *testing.T, open func(testing.TB) Backend) {
	run(t, open, tests{
		"reserve": func(s suite) {
			e := usual()
			s.reserve(e)
			limit := sends(e.Recipient, Windows(s, "2/1h"))
			r := within(unlimited(next(e)), limit, total(Windows(s, "9/1h")))
			first := s.take(r)
			s.wrong(r.Entry, 2)
			if again := s.take(r); again.Replaced != first.Replaced {
				s.Errorf("replaced %v, then %v", first.Replaced, again.Replaced)
			}
			s.live(r.Entry, 2)
			s.take(within(unlimited(usual()), limit)) // it took one place
			s.release(r, true)
			s.live(e, 3) // and there was one of it
		},
		"reserve, after its entry ended": func(s suite) {
			for _, end := range append(s.ends(), nil) {
				r := s.reserve(usual())
				if end != nil {
					end(r.Entry)
				} else {
					s.release(r, true)
				}
				s.take(r)
				s.unknown(r.Entry)
			}
		},
		"reserve, after it was replaced": func(s suite) {
			r := s.reserve(usual())
			e := next(r.Entry)
			s.reserve(e)
			s.take(r)
			s.right(e)
		},
		"reserve, waiting for its turn": apart(func(s suite) {
			all := s.waiting(2)
			s.take(all[1])
			s.release(all[1], true)
			s.Advance(TurnSpan)
			s.right(all[0].Entry)
		}),
		"release": func(s suite) {
			e := usual()
			r := s.reserve(e)
			s.release(r, true)
			after := s.reserve(next(e))
			s.release(r, true)
			s.live(after.Entry, 3)
		},
		"wrong code":                     repeatedWrong,
		"right code":                     repeatedRight,
		"wrong code, when it is over":    repeatedOver,
		"wrong code, as long as desired": repeatedKept,
		"wrong code, when it is released": func(s suite) {
			all := s.chain(2)
			c := codes.Check{Name: all[1].Entry.Name, Code: Fresh(), Op: codes.NewOp()}
			s.check(c, wrongFor(all[1].Entry, 2))
			s.release(all[1], true)
			s.check(c, wrongFor(all[1].Entry, 2))
			s.live(all[0].Entry, 3)
		},
		"the last wrong code": func(s suite) {
			e := entry(1, time.Minute, time.Minute)
			s.reserve(e)
			c := codes.Check{Name: e.Name, Code: Fresh(), Op: codes.NewOp()}
			first := s.check(c, wrongFor(e, 0))
			s.reserve(next(e))
			if again := s.check(c, wrongFor(e, 0)); again != first {
				s.Errorf("%+v, then %+v", first, again)
			}
			s.live(e, 3)
		},
		"expired": func(s suite) {
			e := entry(1, time.Second, time.Minute)
			s.reserve(e)
			s.Advance(1100 * time.Millisecond)
			c := codes.Check{Name: e.Name, Code: e.Code, Op: codes.NewOp()}
			for range 2 {
				s.check(c, codes.Outcome{Status: codes.Expired})
			}
			s.unknown(e)
		},
		"cancel": func(s suite) {
			e := usual()
			s.reserve(e)
			c := codes.Cancel{Name: e.Name, Op: codes.NewOp()}
			first, err := s.Store.Cancel(context.Background(), c)
			s.about("cancelled", first, time.Minute)
			s.reserve(next(e))
			again, errAgain := s.Store.Cancel(context.Background(), c)
			if err != nil || errAgain != nil || again != first {
				s.Errorf("Cancel = %v, %v, then %v, %v", first, err, again, errAgain)
			}
			s.live(e, 3)
		},
	}, tests{
		"reserve in parallel": func(s suite) {
			e := usual()
			s.reserve(e)
			limit := sends(e.Recipient, Windows(s, "2/1h"))
			r := within(unlimited(next(e)), limit)
			together(crowd, func(i int) {
				if _, err := s.store(i).Reserve(context.Background(), r); err != nil {
					s.Errorf("Reserve: %v", err)
				}
			})
			s.take(within(unlimited(usual()), limit))
			s.release(r, true)
			s.right(e)
		},
		"release in parallel": func(s suite) {
			all := s.chain(3)
			together(crowd, func(i int) {
				if removed, err := s.store(i).Release(context.Background(), all[2]); err != nil || !removed {
					s.Errorf("Release = %v, %v", removed, err)
				}
			})
			s.right(all[1].Entry)
		},
		"cancel in parallel": func(s suite) {
			e, c := usual(), codes.Cancel{Op: codes.NewOp()}
			c.Name = e.Name
			s.reserve(e)
			var found atomic.Int64
			together(crowd, func(i int) {
				if ttlLeft, err := s.store(i).Cancel(context.Background(), c); err == nil && ttlLeft > 0 {
					found.Add(1)
				}
			})
			if found.Load() != crowd {
				s.Errorf("%d of %d repetitions had the first answer", found.Load(), crowd)
			}
		},
	})
}

func repeatedWrong(s suite) {
	e := usual()
	s.reserve(e)
	c := codes.Check{Name: e.Name, Code: Fresh(), Op: codes.NewOp()}
	s.check(c, wrongFor(e, 2))
	s.wrong(e, 1)
	s.check(c, wrongFor(e, 2))
	s.live(e, 1)
	s.right(e)
	s.check(c, wrongFor(e, 2))
	after := next(e)
	s.reserve(after)
	s.check(c, wrongFor(e, 2)) // and costs the new entry nothing
	s.live(after, 3)
}

func repeatedRight(s suite) {
	e := usual()
	s.reserve(e)
	c := codes.Check{Name: e.Name, Code: e.Code, Op: codes.NewOp()}
	want := codes.Outcome{Status: codes.Right, Recipient: e.Recipient}
	first := s.check(c, want)
	s.unknown(e)
	if again := s.check(c, want); again != first {
		s.Errorf("%+v, then %+v", first, again)
	}
	after := next(e)
	s.reserve(after)
	s.check(c, want)
	s.live(after, 3)
}

// repeatedOver: the entry's time runs out between the two.
func repeatedOver(s suite) {
	for _, notice := range []time.Duration{0, time.Minute} {
		e := entry(3, time.Second, notice)
		s.reserve(e)
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
}

// repeatedKept: the answer under a claim is kept beyond the end of the entry.
func repeatedKept(s suite) {
	e := entry(3, time.Second, 0)
	s.reserve(e)
	c := codes.Check{Name: e.Name, Code: Fresh(), Op: codes.NewOp(), Claim: Fresh()}
	s.check(c, wrongFor(e, 2))
	s.Advance(3 * time.Second)
	s.check(c, wrongFor(e, 2))
	s.unknown(e)
}
