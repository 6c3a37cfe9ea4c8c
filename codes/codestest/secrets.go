package codestest

import (
	"context"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// named returns an entry as a caller with other secrets sees it.
func named(e codes.Entry, n codes.EntryName) codes.Entry {
	e.Name = n
	return e
}

func swap(n codes.EntryName) codes.EntryName {
	return codes.EntryName{Current: n.Previous, Previous: n.Current}
}

func releasedUnderNewSecret(s suite) {
	before := s.newEntry()
	s.wrong(before, 2)
	names := codes.EntryName{Current: Fresh(), Previous: before.Name.Current}
	r := reservationOf(named(anyEntry(), names))
	s.about("replaced", s.reserve(r).Replaced, time.Minute)
	s.wrong(r.Entry, 2)
	s.release(r, true)
	s.live(named(before, names), 2)
	// Its code is still that of the previous secret.
	s.check(codes.Check{Name: names, Code: Fresh(), PreviousCode: before.Code}, rightFor(before))
	s.unknown(named(before, names))
}

// swappedSecrets: two callers see the same entry if each has the other's secret as its
// previous one.
func swappedSecrets(s suite) {
	names := codes.EntryName{Current: Fresh(), Previous: Fresh()}
	for range 3 {
		first := named(anyEntry(), names)
		second := named(anyEntry(), swap(names))
		s.create(first)
		s.live(second, 3)
		s.create(second)
		s.check(codes.Check{Name: names, Code: Fresh(), PreviousCode: first.Code}, wrongFor(second, 2))
		s.check(codes.Check{Name: names, Code: Fresh(), PreviousCode: second.Code}, rightFor(second))
		s.unknown(first)
		s.unknown(second)
	}
	e := s.create(named(anyEntry(), names)).Entry
	s.about("cancelled", s.cancel(named(e, swap(names))), time.Minute)
	s.unknown(e)
}

// movedAndReleased: when a create fails, another one has moved its entry to the other
// secret.
func movedAndReleased(s suite) {
	if s.Split {
		s.Skip("a cluster reserves under two secrets in two steps")
	}
	names := codes.EntryName{Current: Fresh(), Previous: Fresh()}
	before := s.create(named(anyEntry(), names)).Entry
	s.wrong(before, 2)
	first := s.create(named(anyEntry(), names))
	second := s.create(named(anyEntry(), swap(names)))
	s.release(first, true)
	s.live(second.Entry, 3)
	s.release(second, true)
	s.live(before, 2)
	s.live(named(before, swap(names)), 2)
	s.right(before)
	s.unknown(first.Entry)
	s.unknown(second.Entry)
}

func swappedInParallel(s suite) {
	if s.Split {
		s.Skip("a cluster reserves under two secrets in two steps")
	}
	for range 10 {
		names := codes.EntryName{Current: Fresh(), Previous: Fresh()}
		all := make([]codes.Reservation, codes.MaxPredecessors)
		parallel(len(all), func(i int) {
			all[i] = reservationOf(named(entry(99, time.Minute, 0), names))
			if i%2 == 1 {
				all[i].Entry.Name = swap(names)
			}
			s.on(i).reserve(all[i])
			if i%4 > 1 {
				if _, err := s.store(i).Release(context.Background(), all[i]); err != nil {
					s.Errorf("Release: %v", err)
				}
			}
		})
		right := 0
		for _, r := range all {
			c := codes.Check{Name: r.Entry.Name, Code: r.Entry.Code, Op: codes.NewOp()}
			checked, err := s.Store.Check(context.Background(), c)
			if err != nil {
				s.Fatalf("Check: %v", err)
			}
			if checked.Status == codes.Right {
				right++
			}
		}
		if right != 1 {
			s.Errorf("%d codes were right, want one", right)
		}
	}
}
