package codestest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// RunStore checks codes.Entries. For each suite, open must return an empty store.
func RunStore(t *testing.T, open func(testing.TB) Backend) {
	run(t, open, tests{
		"the largest numbers": func(s suite) {
			const attempts = 1<<53 - 1
			e := s.create(entry(attempts, 9_000_000_000*time.Second, 86400*time.Second)).Entry
			s.wrong(e, attempts-1)
			s.wrong(e, attempts-2)
			s.right(e)
		},
		"digests of any bytes": func(s suite) {
			e := anyEntry()
			e.Recipient = codes.Digest{0, '\r', '\n', ' ', '%', 0xff, 0}
			e.Code = codes.Digest{}
			s.create(e)
			s.wrong(e, 2)
			s.right(e)
		},
		"a new entry replaces code, attempts and end": func(s suite) {
			first := s.create(entry(2, time.Second, time.Minute)).Entry
			s.wrong(first, 1)
			second := successor(first)
			s.about("replaced", s.reserve(reservationOf(second)).Replaced, time.Second)
			s.Advance(1100 * time.Millisecond) // the first would have expired
			s.check(codes.Check{Name: first.Name, Code: first.Code}, wrongFor(second, 2))
			s.right(second)
		},
		// Entries do not affect others whose ids begin with the same bytes.
		"ids with a common prefix": func(s suite) {
			like := anyEntry()
			made := func(last byte, lifetime, notice time.Duration) codes.Entry {
				e := entry(2, lifetime, notice)
				e.Name.Current = like.Name.Current
				e.Name.Current[len(e.Name.Current)-1] += last
				s.create(e)
				return e
			}
			forgotten := made(7, time.Second, time.Second) // the first, whose notice ends before those of the others
			right, removed, again := made(1, time.Second, time.Minute), made(2, time.Second, time.Hour), made(3, time.Second, time.Minute)
			over, wrong, mute := made(4, time.Second, time.Minute), made(5, time.Minute, time.Second), made(6, time.Second, 0)
			late := made(8, time.Second, time.Hour)
			s.right(right)
			s.cancel(removed)
			s.wrong(wrong, 1)
			again = successor(again)
			s.create(again)
			s.Advance(1100 * time.Millisecond)
			s.expired(over)
			for _, e := range []codes.Entry{right, removed, over, mute, like} {
				s.unknown(e)
			}
			s.wrong(again, 2)
			s.right(again)
			s.Advance(2500 * time.Millisecond)
			s.unknown(forgotten)
			made(9, time.Second, time.Second)
			s.Advance(2100 * time.Millisecond) // the newest expires first
			s.expired(late)
			s.right(wrong)
		},
		// A check that ends an entry returns its area and the lifetime it had left.
		"the entry that a check ended": func(s suite) {
			e := entry(2, time.Minute, time.Minute)
			e.Area = codes.AreaCaribbean
			expect := func(code codes.Digest, want codes.Outcome, ttl time.Duration) {
				s.Helper()
				got := s.check(codes.Check{Name: e.Name, Code: code}, want)
				s.about("TTL", got.TTLLeft, ttl)
				if got.Area != e.Area {
					s.Errorf("area %v, want %v", got.Area, e.Area)
				}
			}
			s.create(e)
			expect(Fresh(), wrongFor(e, 1), 0)
			expect(Fresh(), wrongFor(e, 0), time.Minute)
			s.create(e)
			expect(e.Code, rightFor(e), time.Minute)
		},
		"cancelled": func(s suite) {
			e := s.newEntry()
			s.about("cancelled", s.cancel(e), time.Minute)
			s.about("cancelled again", s.cancel(e), 0)
			s.unknown(e)

			over := s.create(entry(3, time.Second, time.Minute)).Entry
			s.Advance(1100 * time.Millisecond)
			s.about("cancelled late", s.cancel(over), 0)
			s.unknown(over)

			for range 50 {
				s.cancel(e)
			}
			s.create(e)
			s.right(e)
		},
		// A call whose context has ended has no effect.
		"an ended context": func(s suite) {
			ctx := cancelledContext()
			e := entry(1, time.Minute, time.Minute)
			_, err := s.Store.Reserve(ctx, reservationOf(e))
			s.unavailable("Reserve", err)
			s.unknown(e)
			r := s.create(e)
			_, err = s.Store.Check(ctx, codes.Check{Name: e.Name, Code: Fresh(), Op: codes.NewOp()})
			s.unavailable("Check", err)
			_, err = s.Store.Cancel(ctx, codes.Cancel{Name: e.Name, Op: codes.NewOp()})
			s.unavailable("Cancel", err)
			_, err = s.Store.Release(ctx, r)
			s.unavailable("Release", err)
			_, err = s.Store.NextTurn(ctx, paced(codes.Reservation{Op: codes.NewOp()}, 1, time.Minute))
			s.unavailable("NextTurn", err)
			s.right(e)
		},
		"expired, reported once": func(s suite) {
			e := s.create(entry(3, time.Second, 2*time.Second)).Entry
			s.Advance(1100 * time.Millisecond)
			for range 3 { // Peek does not report it
				if view := s.peek(e.Name); view != (codes.EntryView{Stage: codes.StageExpired}) {
					s.Errorf("Peek = %+v", view)
				}
			}
			s.expired(e)
			s.unknown(e)
		},
		"expired, not reported": func(s suite) {
			usedUp, first := entry(1, time.Second, time.Hour), entry(3, time.Hour, time.Hour)
			s.create(usedUp)
			s.wrong(usedUp, 0)
			s.create(first)
			second := named(entry(3, time.Second, 0), first.Name)
			s.create(second) // removes the notice of the first too
			s.Advance(1100 * time.Millisecond)
			s.unknown(usedUp)
			s.unknown(second)
		},
	}, tests{
		"parallel wrong codes": func(s suite) {
			e := s.newEntry()
			s.checkInParallel(codes.Check{Name: e.Name, Code: Fresh()}, map[codes.Status]int{codes.Wrong: 3, codes.Unknown: parallelCalls - 3})
		},
		"parallel right codes": func(s suite) {
			e := s.newEntry()
			s.checkInParallel(codes.Check{Name: e.Name, Code: e.Code}, map[codes.Status]int{codes.Right: 1, codes.Unknown: parallelCalls - 1})
		},
		"one check in parallel": func(s suite) {
			e := s.newEntry()
			s.checkInParallel(codes.Check{Name: e.Name, Code: Fresh(), Op: codes.NewOp()}, map[codes.Status]int{codes.Wrong: parallelCalls})
			s.live(e, 2)
		},
	})
}

// checkInParallel makes the same check many times at once, each under its own op
// if c has none.
func (s suite) checkInParallel(c codes.Check, want map[codes.Status]int) {
	s.Helper()
	var mu sync.Mutex
	counts := map[codes.Status]int{}
	parallel(parallelCalls, func(i int) {
		c := c
		if c.Op == (codes.Op{}) {
			c.Op = codes.NewOp()
		}
		checked, err := s.store(i).Check(context.Background(), c)
		if err != nil {
			s.Errorf("Check: %v", err)
		}
		mu.Lock()
		defer mu.Unlock()
		counts[checked.Status]++
	})
	for _, status := range []codes.Status{codes.Unknown, codes.Right, codes.Wrong} {
		if counts[status] != want[status] {
			s.Errorf("%d parallel checks: %v, want %v", parallelCalls, counts, want)
		}
	}
}
