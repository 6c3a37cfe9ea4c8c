package codestest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// RunStore checks what codes.Entries demands of entries that nothing else
// concerns. open returns a store that holds nothing, as for each suite here.
func RunStore(t *testing.T, open func(testing.TB) Backend) {
	run(t, open, tests{
		"no entry": func(s suite) {
			e := usual()
			s.unknown(e)
			if view := s.peek(e.Name); view != (codes.EntryView{}) {
				s.Errorf("Peek = %+v", view)
			}
		},
		"right once": func(s suite) {
			e := usual()
			s.reserve(e)
			s.right(e)
			s.unknown(e)
		},
		"wrong down to none": func(s suite) {
			e := usual()
			s.reserve(e)
			for left := int64(2); left >= 0; left-- {
				s.wrong(e, left)
			}
			s.unknown(e)
		},
		"the largest numbers": func(s suite) {
			const attempts = 1<<53 - 1
			e := entry(attempts, 9_000_000_000*time.Second, 86400*time.Second)
			s.reserve(e)
			s.wrong(e, attempts-1)
			s.wrong(e, attempts-2)
			s.right(e)
		},
		"digests of any bytes": func(s suite) {
			e := usual()
			e.Recipient = codes.Digest{0, '\r', '\n', ' ', '%', 0xff, 0}
			e.Code = codes.Digest{}
			s.reserve(e)
			s.wrong(e, 2)
			s.right(e)
		},
		"a new entry replaces code, attempts and end": replaced,
		"ids that are much alike":                     alike,
		"peek":                                        peeked,
		"what a check ended":                          ended,
		"cancelled":                                   cancelled,
		"an ended context":                            endedContext,
		"expired, reported once": func(s suite) {
			e := entry(3, time.Second, 2*time.Second)
			s.reserve(e)
			s.Advance(1100 * time.Millisecond)
			for range 3 { // which reports nothing
				if view := s.peek(e.Name); view != (codes.EntryView{Stage: codes.StageExpired}) {
					s.Errorf("Peek = %+v", view)
				}
			}
			s.expired(e)
			s.unknown(e)
		},
		"expired, forgotten in time": func(s suite) {
			e := entry(3, time.Second, time.Second)
			s.reserve(e)
			s.Advance(2100 * time.Millisecond)
			s.unknown(e)
		},
		"no notice, no report": func(s suite) {
			first := entry(3, time.Hour, time.Hour)
			s.reserve(first)
			second := entry(3, time.Second, 0)
			second.Name = first.Name
			s.reserve(second) // takes the notice of the first away too
			s.Advance(1100 * time.Millisecond)
			s.unknown(second)
		},
		"used up is not expired": func(s suite) {
			e := entry(1, time.Second, time.Hour)
			s.reserve(e)
			s.wrong(e, 0)
			s.Advance(1100 * time.Millisecond)
			s.unknown(e)
		},
	}, tests{
		"parallel wrong codes": func(s suite) {
			e := usual()
			s.reserve(e)
			s.crowd(codes.Check{Name: e.Name, Code: Fresh()}, map[codes.Status]int{codes.Wrong: 3, codes.Unknown: crowd - 3})
		},
		"parallel right codes": func(s suite) {
			e := usual()
			s.reserve(e)
			s.crowd(codes.Check{Name: e.Name, Code: e.Code}, map[codes.Status]int{codes.Right: 1, codes.Unknown: crowd - 1})
		},
		"one check in parallel": func(s suite) {
			e := usual()
			s.reserve(e)
			s.crowd(codes.Check{Name: e.Name, Code: Fresh(), Op: codes.NewOp()}, map[codes.Status]int{codes.Wrong: crowd})
			s.live(e, 2)
		},
	})
}

func replaced(s suite) {
	first := entry(2, time.Second, time.Minute)
	s.reserve(first)
	s.wrong(first, 1)
	second := next(first)
	s.about("replaced", s.take(unlimited(second)).Replaced, time.Second)
	s.Advance(1100 * time.Millisecond) // the first would be over
	s.check(codes.Check{Name: first.Name, Code: first.Code}, wrongFor(second, 2))
	s.right(second)
	short := entry(2, time.Second, 0)
	if replaced := s.take(unlimited(short)).Replaced; replaced != 0 {
		s.Errorf("the first entry replaced one with %v left", replaced)
	}
	s.Advance(1100 * time.Millisecond)
	if replaced := s.take(unlimited(next(short))).Replaced; replaced != 0 {
		s.Errorf("replaced one that was over, with %v left", replaced)
	}
}

// alike: what becomes of an entry is nothing to others whose ids begin the same.
func alike(s suite) {
	like := usual()
	made := func(last byte, lifetime, notice time.Duration) codes.Entry {
		e := entry(2, lifetime, notice)
		e.Name.Current = like.Name.Current
		e.Name.Current[len(e.Name.Current)-1] += last
		s.reserve(e)
		return e
	}
	forgotten := made(7, time.Second, time.Second) // the first, whose notice is over before the others'
	right, removed, again := made(1, time.Second, time.Minute), made(2, time.Second, time.Hour), made(3, time.Second, time.Minute)
	over, wrong, mute := made(4, time.Second, time.Minute), made(5, time.Minute, time.Second), made(6, time.Second, 0)
	late := made(8, time.Second, time.Hour)
	s.right(right)
	s.cancel(removed)
	s.wrong(wrong, 1)
	again = next(again)
	s.reserve(again)
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
	s.Advance(2100 * time.Millisecond) // the one that was made last is over first
	s.expired(late)
	s.right(wrong)
}

func peeked(s suite) {
	e := usual()
	s.reserve(e)
	for range 3 { // it spends nothing
		s.live(e, 3)
	}
	s.wrong(e, 2)
	if view := s.peek(e.Name); view.Stage != codes.StagePending || view.AttemptsLeft != 2 || view.Message != (codes.Digest{}) {
		s.Errorf("Peek = %+v", view)
	}
	s.right(e)
	if view := s.peek(e.Name); view != (codes.EntryView{}) {
		s.Errorf("Peek = %+v", view)
	}
}

// ended: a check that ends an entry says whose it was, and what it had left.
func ended(s suite) {
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
	s.reserve(e)
	expect(Fresh(), wrongFor(e, 1), 0)
	expect(Fresh(), wrongFor(e, 0), time.Minute)
	s.reserve(e)
	expect(e.Code, codes.Outcome{Status: codes.Right, Recipient: e.Recipient}, time.Minute)
}

func cancelled(s suite) {
	e := usual()
	s.reserve(e)
	s.about("cancelled", s.cancel(e), time.Minute)
	s.about("cancelled again", s.cancel(e), 0)
	s.unknown(e)

	over := entry(3, time.Second, time.Minute)
	s.reserve(over)
	s.Advance(1100 * time.Millisecond)
	s.about("cancelled late", s.cancel(over), 0)
	s.unknown(over)

	for range 50 {
		s.cancel(e)
	}
	s.reserve(e)
	s.right(e)
}

// endedContext: a call whose caller has given up has no effect.
func endedContext(s suite) {
	ctx := gone()
	e := entry(1, time.Minute, time.Minute)
	_, err := s.Store.Reserve(ctx, unlimited(e))
	s.unavailable("Reserve", err)
	s.unknown(e)
	r := s.reserve(e)
	_, err = s.Store.Check(ctx, codes.Check{Name: e.Name, Code: Fresh(), Op: codes.NewOp()})
	s.unavailable("Check", err)
	_, err = s.Store.Cancel(ctx, codes.Cancel{Name: e.Name, Op: codes.NewOp()})
	s.unavailable("Cancel", err)
	_, err = s.Store.Release(ctx, r)
	s.unavailable("Release", err)
	_, err = s.Store.NextTurn(ctx, paced(codes.Reservation{Op: codes.NewOp()}, 1, time.Minute))
	s.unavailable("NextTurn", err)
	s.right(e)
}

// crowd makes the same check many times at once, each under an op of its own
// if c has none.
func (s suite) crowd(c codes.Check, want map[codes.Status]int) {
	s.Helper()
	var mu sync.Mutex
	counts := map[codes.Status]int{}
	together(crowd, func(i int) {
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
			s.Errorf("of %d parallel checks %v came to %v; want %v", crowd, counts, status, want)
		}
	}
}
