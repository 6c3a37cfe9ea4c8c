package codestest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// RunRelease checks that a create that sent nothing changes nothing: a release removes
// its entry and restores the previous one.
func RunRelease(t *testing.T, open func(testing.TB) Backend) {
	run(t, open, tests{
		"nothing before": func(s suite) {
			e := entry(3, time.Second, time.Minute)
			s.release(s.create(e), true)
			s.unknown(e)
			s.Advance(1100 * time.Millisecond)
			s.unknown(e) // nor is it expired
		},
		"nothing to release": func(s suite) {
			e := s.newEntry()
			s.release(reservationOf(successor(e)), false)
			s.live(e, 3)
		},
		"code and attempts are restored": func(s suite) {
			before := s.newEntry()
			s.wrong(before, 2)
			after := entry(9, time.Hour, 0)
			after.Name = before.Name
			r := s.create(after)
			s.wrong(after, 8)
			s.release(r, true)
			s.live(before, 2)
			s.check(codes.Check{Name: after.Name, Code: after.Code}, wrongFor(before, 1))
			s.right(before)
			s.unknown(before)
		},
		"expiry and notice are restored": func(s suite) {
			short, mute, long := entry(3, time.Second, time.Minute), entry(3, time.Second, 0), entry(3, time.Minute, 0)
			replace := func(before codes.Entry, lifetime, notice time.Duration) {
				s.create(before)
				s.release(s.create(named(entry(3, lifetime, notice), before.Name)), true)
			}
			replace(short, time.Minute, 0)
			replace(mute, time.Minute, time.Minute)
			replace(long, time.Second, time.Minute)
			s.Advance(1100 * time.Millisecond)
			s.expired(short)
			s.unknown(short)
			s.unknown(mute)
			s.right(long)
		},
		"the previous entry expired meanwhile": func(s suite) {
			before := s.create(entry(3, time.Second, time.Minute)).Entry
			r := s.create(successor(before))
			s.Advance(1100 * time.Millisecond)
			s.release(r, true)
			s.expired(before)
			s.unknown(before)
		},
		// An expired entry can be released, so that the one before it is restored.
		"released after it expired": func(s suite) {
			first := s.create(entry(3, time.Minute, 0)).Entry
			short := successor(first)
			short.Lifetime, short.Notice = time.Second, 0
			second, third := s.create(short), s.create(successor(first))
			s.Advance(1100 * time.Millisecond)
			s.release(third, true)
			s.unknown(first) // the second replaced it, and has expired
			if _, err := s.Store.Release(context.Background(), second); err != nil {
				s.Fatal(err)
			}
			s.right(first)
		},
		// An entry whose message was sent has replaced those before it for good.
		"replaced by an entry that expired": func(s suite) {
			first := s.newEntry()
			sent := successor(first)
			sent.Lifetime, sent.Notice = time.Second, 0
			s.create(sent)
			s.Advance(1100 * time.Millisecond)
			r := reservationOf(successor(first))
			s.about("replaced", s.reserve(r).Replaced, 0)
			s.release(r, true)
			s.unknown(first)
		},
		// Of several creates of one id in progress some fail, in every order. The newest of the
		// others is valid, and none of those before it.
		"creates that overlap": func(s suite) {
			orders := [][]int{{1, 2, 3}, {1, 3, 2}, {2, 1, 3}, {2, 3, 1}, {3, 1, 2}, {3, 2, 1}}
			for _, order := range orders {
				for failures := range len(order) + 1 {
					e := anyEntry()
					all := make([]codes.Reservation, 0, len(order)+1)
					for i := range len(order) + 1 {
						e = successor(e)
						e.Attempts = int64(i + 3) // identifies it
						all = append(all, s.create(e))
						s.wrong(e, e.Attempts-1)
					}
					standing := []int{0, 1, 2, 3}
					for _, i := range order[:failures] {
						s.release(all[i], true)
						standing = slices.DeleteFunc(standing, func(other int) bool { return other == i })
						newest := all[standing[len(standing)-1]].Entry
						s.live(newest, newest.Attempts-1)
					}
					s.right(all[standing[len(standing)-1]].Entry)
					for _, r := range all {
						s.unknown(r.Entry)
					}
					if s.Failed() {
						s.Fatalf("the first %d of %v failed", failures, order)
					}
				}
			}
		},
		"failures that repeat": func(s suite) {
			before := s.newEntry()
			s.wrong(before, 2)
			limit := sends(Fresh(), Windows(s, "1/1h"))
			for range 3 * codes.MaxPredecessors {
				r := withLimits(reservationOf(successor(before)), limit)
				s.about("replaced", s.reserve(r).Replaced, time.Minute)
				s.release(r, true)
				s.live(before, 2)
			}
			s.right(before)
			s.unknown(before)
		},
		"once it was ended, nothing is restored": func(s suite) {
			for _, end := range s.ends() {
				before := s.newEntry()
				after := successor(before)
				r := s.create(after)
				end(after)
				s.release(r, false)
				s.unknown(before)
				s.about("ended", s.peek(before.Name).TTLLeft, 0)
			}
		},
		"a previous entry that ended is not restored": func(s suite) {
			for _, end := range append(s.ends(), s.useUp) {
				before := s.newEntry()
				end(before)
				r := reservationOf(successor(before))
				s.about("replaced", s.reserve(r).Replaced, 0)
				s.release(r, true)
				s.unknown(before)
			}
		},
		"an entry that was used up can be released": func(s suite) {
			before := s.newEntry()
			r := s.create(successor(before))
			s.useUp(r.Entry)
			s.unknown(before)
			if _, err := s.Store.Release(context.Background(), r); err != nil {
				s.Fatal(err)
			}
			s.live(before, 3)
			s.right(before)
		},
		"a previous entry that was reported stays so": func(s suite) {
			before := s.create(entry(3, time.Second, time.Minute)).Entry
			s.Advance(1100 * time.Millisecond)
			s.expired(before)
			s.release(s.create(successor(before)), true)
			s.unknown(before)
		},
		"more predecessors than are kept": func(s suite) {
			all := s.chain(2*codes.MaxPredecessors + 1)
			s.live(all[0].Entry, 3)
			kept := all[codes.MaxPredecessors:]
			for _, r := range slices.Backward(kept[1:]) {
				s.release(r, true)
			}
			s.right(kept[0].Entry)
			s.unknown(kept[0].Entry)
		},
		"expired while another waits": isolated(func(s suite) {
			s.waiting(2) // so that the next turn is two spans off
			short := s.create(entry(3, time.Second, 0)).Entry
			late := successor(short)
			s.reserve(paced(reservationOf(late), 1, time.Minute))
			s.Advance(1500 * time.Millisecond)
			s.unknown(short) // it has no notice, although the waiting one has
			s.Advance(2 * TurnSpan)
			s.right(late)
		}),
		"several that wait": isolated(func(s suite) {
			all := s.waiting(4)
			s.release(all[2], true)
			s.wrong(all[0].Entry, 2)
			s.Advance(TurnSpan)
			s.wrong(all[1].Entry, 2)
			s.Advance(2 * TurnSpan)
			s.live(all[3].Entry, 3)
			s.release(all[3], true)
			s.live(all[1].Entry, 2)
			s.release(all[1], true)
			s.live(all[0].Entry, 2)
			s.right(all[0].Entry)
		}),
		// A right code or a cancel ends the valid entry. The waiting one becomes valid at its
		// turn, and when it is released nothing is restored.
		"ended while it waits": isolated(func(s suite) {
			for _, end := range s.ends() {
				s.Advance(TurnSpan)
				all := s.waiting(2)
				first, second := all[0].Entry, all[1].Entry
				end(first)
				s.unknown(first)
				s.Advance(TurnSpan)
				s.live(second, 3)
				s.release(all[1], true)
				s.unknown(first)
			}
		}),
		"under a new secret":               releasedUnderNewSecret,
		"callers with the secrets swapped": swappedSecrets,
		"expired under the other secret": func(s suite) {
			names := codes.EntryName{Current: Fresh(), Previous: Fresh()}
			s.create(named(entry(3, time.Second, time.Minute), names))
			s.Advance(1100 * time.Millisecond)
			e := s.create(named(anyEntry(), swap(names))).Entry
			s.live(named(e, names), 3)
			s.check(codes.Check{Name: names, Code: Fresh(), PreviousCode: e.Code}, rightFor(e))
		},
		"moved and released": movedAndReleased,
	}, tests{
		// Of parallel creates of one id, all or all but one fail.
		"in parallel": func(s suite) {
			for _, sent := range []int{-1, 0, codes.MaxPredecessors - 1} {
				before := s.newEntry()
				s.wrong(before, 2)
				want, attempts := before, int64(2)
				all := make([]codes.Reservation, codes.MaxPredecessors)
				for i := range all {
					all[i] = reservationOf(successor(before))
					if i == sent {
						want, attempts = all[i].Entry, 3
					}
				}
				parallel(len(all), func(i int) {
					s.on(i).reserve(all[i])
					if i != sent {
						s.on(i).release(all[i], true)
					}
				})
				s.live(want, attempts)
				s.right(want)
				s.unknown(want)
			}
		},
		"parallel creates with the secrets swapped": swappedInParallel,
	})
}

// chain stores entries of one name, one after the other.
func (s suite) chain(n int) []codes.Reservation {
	all := make([]codes.Reservation, 0, n)
	e := anyEntry()
	for range n {
		e = successor(e)
		all = append(all, s.create(e))
	}
	return all
}

// waiting reserves entries of one name. The first has its turn at once, and each of the
// others waits for its turn longer than the one before.
func (s suite) waiting(n int) []codes.Reservation {
	all := make([]codes.Reservation, 0, n)
	e := anyEntry()
	for range n {
		e = successor(e)
		r := paced(reservationOf(e), 1, time.Minute)
		s.reserve(r)
		all = append(all, r)
	}
	return all
}
