package codestest

import (
	"context"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// under returns an entry as a caller with other secrets sees it.
func under(e codes.Entry, n codes.EntryName) codes.Entry {
	e.Name = n
	return e
}

func swap(n codes.EntryName) codes.EntryName {
	return codes.EntryName{Current: n.Previous, Previous: n.Current}
}

func releasedUnderNewSecret(s suite) {
	before := usual()
	s.reserve(before)
	s.wrong(before, 2)
	names := codes.EntryName{Current: Fresh(), Previous: before.Name.Current}
	r := unlimited(under(usual(), names))
	s.about("replaced", s.take(r).Replaced, time.Minute)
	s.wrong(r.Entry, 2)
	s.release(r, true)
	s.live(under(before, names), 2)
	// Its code is still that of the previous secret.
	s.check(codes.Check{Name: names, Code: Fresh(), PreviousCode: before.Code}, codes.Outcome{Status: codes.Right, Recipient: before.Recipient})
	s.unknown(under(before, names))
}

// swappedSecrets: two callers of which each has the other's secret as its
// previous one see the same entry.
func swappedSecrets(s suite) {
	names := codes.EntryName{Current: Fresh(), Previous: Fresh()}
	for range 3 {
		first := under(usual(), names)
		second := under(usual(), swap(names))
		s.reserve(first)
		s.live(second, 3)
		s.reserve(second)
		s.check(codes.Check{Name: names, Code: Fresh(), PreviousCode: first.Code}, wrongFor(second, 2))
		s.check(codes.Check{Name: names, Code: Fresh(), PreviousCode: second.Code}, codes.Outcome{Status: codes.Right, Recipient: second.Recipient})
		s.unknown(first)
		s.unknown(second)
	}
	e := under(usual(), names)
	s.reserve(e)
	s.about("cancelled", s.cancel(under(e, swap(names))), time.Minute)
	s.unknown(e)
}

// movedAndReleased: the entry of a create is under the other secret by the time
// that it fails.
func movedAndReleased(s suite) {
	if s.Split {
		s.Skip("two steps")
	}
	names := codes.EntryName{Current: Fresh(), Previous: Fresh()}
	before := under(usual(), names)
	s.reserve(before)
	s.wrong(before, 2)
	first := s.reserve(under(usual(), names))
	second := s.reserve(under(usual(), swap(names)))
	s.release(first, true)
	s.live(second.Entry, 3)
	s.release(second, true)
	s.live(before, 2)
	s.live(under(before, swap(names)), 2)
	s.right(before)
	s.unknown(first.Entry)
	s.unknown(second.Entry)
}

func swappedInParallel(s suite) {
	if s.Split {
		s.Skip("two steps")
	}
	for range 10 {
		names := codes.EntryName{Current: Fresh(), Previous: Fresh()}
		all := make([]codes.Reservation, codes.MaxPredecessors)
		together(len(all), func(i int) {
			all[i] = unlimited(under(entry(99, time.Minute, 0), names))
			if i%2 == 1 {
				all[i].Entry.Name = swap(names)
			}
			if _, err := s.store(i).Reserve(context.Background(), all[i]); err != nil {
				s.Errorf("Reserve: %v", err)
			}
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
