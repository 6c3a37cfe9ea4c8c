package codestest

import (
	"context"
	"crypto/rand"
	"sync"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// Backend is a store under test.
type Backend struct {
	Store   codes.Store
	Advance func(time.Duration) // lets so much time pass, by whatever clock the store has

	// Parallel: time passes by itself and Advance waits for it, so the tests
	// may run side by side.
	Parallel bool
}

// Fresh returns a random digest: a name that no other test uses.
func Fresh() codes.Digest {
	var d codes.Digest
	_, _ = rand.Read(d[:])
	return d
}

func entry(attempts int64, expiration, notice time.Duration) codes.Entry {
	return codes.Entry{
		ID: Fresh(), Code: Fresh(), Recipient: Fresh(),
		Attempts: attempts, Expiration: expiration, Notice: notice, Op: codes.NewOp(),
	}
}

// Answer is the part of an outcome that a caller may be told; the rest of it
// is for figures.
func Answer(o codes.Outcome) codes.Outcome {
	answer := codes.Outcome{Status: o.Status, Left: o.Left}
	if o.Status == codes.Wrong {
		answer.Recipient = o.Recipient
	}
	return answer
}

// storeTest wraps a backend so that a test reads as a list of steps.
type storeTest struct {
	testing.TB
	Backend
}

func (s storeTest) put(e codes.Entry) {
	s.Helper()
	if _, err := s.Store.Put(context.Background(), e); err != nil {
		s.Fatalf("Put: %v", err)
	}
}

func (s storeTest) remove(d codes.Deletion) {
	s.Helper()
	if _, err := s.Store.Delete(context.Background(), d); err != nil {
		s.Fatalf("Delete: %v", err)
	}
}

func (s storeTest) try(id, code codes.Digest, want codes.Outcome) {
	s.Helper()
	s.tryAs(codes.NewOp(), id, code, want)
}

func (s storeTest) tryAs(op codes.Op, id, code codes.Digest, want codes.Outcome) {
	s.Helper()
	got, err := s.Store.Try(context.Background(), codes.Try{ID: id, Code: code, Op: op})
	if err != nil || Answer(got) != want {
		s.Fatalf("Try = %+v, %v; want %+v", got, err, want)
	}
}

// RunStore checks what the interface codes.Store demands, one call after
// another. open returns a store; the tests share none of their names.
func RunStore(t *testing.T, open func(testing.TB) Backend) {
	b := open(t)
	for name, test := range map[string]func(storeTest){
		"right once": func(s storeTest) {
			e := entry(3, time.Minute, time.Minute)
			s.put(e)
			s.try(e.ID, e.Code, codes.Outcome{Status: codes.Right})
			s.try(e.ID, e.Code, codes.Outcome{Status: codes.Unknown})
		},
		"wrong down to none": func(s storeTest) {
			e := entry(3, time.Minute, time.Minute)
			s.put(e)
			for left := int64(2); left >= 0; left-- {
				s.try(e.ID, Fresh(), codes.Outcome{Status: codes.Wrong, Left: left, Recipient: e.Recipient})
			}
			s.try(e.ID, e.Code, codes.Outcome{Status: codes.Unknown})
		},
		"right after wrong": func(s storeTest) {
			e := entry(2, time.Minute, time.Minute)
			s.put(e)
			s.try(e.ID, Fresh(), codes.Outcome{Status: codes.Wrong, Left: 1, Recipient: e.Recipient})
			s.try(e.ID, e.Code, codes.Outcome{Status: codes.Right})
		},
		"unknown":            func(s storeTest) { s.try(Fresh(), Fresh(), codes.Outcome{Status: codes.Unknown}) },
		"the largest limits": largest,
		"digests of any bytes": func(s storeTest) {
			e := entry(3, time.Minute, 0)
			e.Recipient = codes.Digest{0, '\r', '\n', ' ', '%', 0xff, 0}
			e.Code = codes.Digest{}
			s.put(e)
			s.try(e.ID, Fresh(), codes.Outcome{Status: codes.Wrong, Left: 2, Recipient: e.Recipient})
			s.try(e.ID, e.Code, codes.Outcome{Status: codes.Right})
		},
		"a put replaces code, attempts and lifetime": replaced,
		"expired is told once": func(s storeTest) {
			e := entry(3, time.Second, 2*time.Second)
			s.put(e)
			s.Advance(1100 * time.Millisecond)
			s.try(e.ID, e.Code, codes.Outcome{Status: codes.Expired})
			s.try(e.ID, e.Code, codes.Outcome{Status: codes.Unknown})
		},
		"expired is forgotten in time": func(s storeTest) {
			e := entry(3, time.Second, time.Second)
			s.put(e)
			s.Advance(2100 * time.Millisecond)
			s.try(e.ID, e.Code, codes.Outcome{Status: codes.Unknown})
		},
		"no notice, no word of expiry": func(s storeTest) {
			e := entry(3, time.Hour, time.Hour)
			s.put(e)
			e.Expiration, e.Notice, e.Op = time.Second, 0, codes.NewOp()
			s.put(e) // takes the notice of the first away too
			s.Advance(1100 * time.Millisecond)
			s.try(e.ID, e.Code, codes.Outcome{Status: codes.Unknown})
		},
		"delete":                   deleted,
		"repetition":               repeated,
		"repetition after the end": repeatedAfterTheEnd,
		"what an entry was":        told,
		"an ended context":         ended,
		"ids that are much alike":  alike,
		"used is not expired": func(s storeTest) {
			e := entry(1, time.Second, time.Hour)
			s.put(e)
			s.try(e.ID, Fresh(), codes.Outcome{Status: codes.Wrong, Recipient: e.Recipient})
			s.Advance(1100 * time.Millisecond)
			s.try(e.ID, e.Code, codes.Outcome{Status: codes.Unknown})
		},
	} {
		t.Run(name, func(t *testing.T) {
			if b.Parallel {
				t.Parallel()
			}
			test(storeTest{t, b})
		})
	}
}

// alike: what becomes of an entry is nothing to others whose ids begin the same.
func alike(s storeTest) {
	like := entry(1, time.Second, time.Minute)
	made := func(last byte, expiration, notice time.Duration) codes.Entry {
		e := entry(2, expiration, notice)
		e.ID = like.ID
		e.ID[len(e.ID)-1] += last
		s.put(e)
		return e
	}
	forgotten := made(7, time.Second, time.Second) // the first, whose notice is over before the others'
	right, removed, again := made(1, time.Second, time.Minute), made(2, time.Second, time.Hour), made(3, time.Second, time.Minute)
	over, wrong, mute := made(4, time.Second, time.Minute), made(5, time.Minute, time.Second), made(6, time.Second, 0)
	late := made(8, time.Second, time.Hour)
	s.try(right.ID, right.Code, codes.Outcome{Status: codes.Right})
	s.remove(codes.Deletion{ID: removed.ID, Op: codes.NewOp()})
	s.try(wrong.ID, Fresh(), codes.Outcome{Status: codes.Wrong, Left: 1, Recipient: wrong.Recipient})
	again.Op, again.Expiration = codes.NewOp(), time.Minute
	s.put(again)
	s.Advance(1100 * time.Millisecond)
	s.try(over.ID, over.Code, codes.Outcome{Status: codes.Expired})
	for _, id := range []codes.Digest{right.ID, removed.ID, over.ID, mute.ID, like.ID} {
		s.try(id, Fresh(), codes.Outcome{Status: codes.Unknown})
	}
	s.try(again.ID, Fresh(), codes.Outcome{Status: codes.Wrong, Left: 1, Recipient: again.Recipient})
	s.try(again.ID, again.Code, codes.Outcome{Status: codes.Right})
	s.Advance(2500 * time.Millisecond) // what was noted of all these is not wanted any more
	s.try(forgotten.ID, forgotten.Code, codes.Outcome{Status: codes.Unknown})
	made(9, time.Second, time.Second)
	s.Advance(2100 * time.Millisecond) // what was made last is over first
	s.try(late.ID, late.Code, codes.Outcome{Status: codes.Expired})
	s.try(wrong.ID, wrong.Code, codes.Outcome{Status: codes.Right})
}

func largest(s storeTest) {
	const attempts = 1<<53 - 1
	e := entry(attempts, 9_000_000_000*time.Second, 86400*time.Second)
	s.put(e)
	s.try(e.ID, Fresh(), codes.Outcome{Status: codes.Wrong, Left: attempts - 1, Recipient: e.Recipient})
	s.try(e.ID, Fresh(), codes.Outcome{Status: codes.Wrong, Left: attempts - 2, Recipient: e.Recipient})
	s.try(e.ID, e.Code, codes.Outcome{Status: codes.Right})
}

func replaced(s storeTest) {
	first := entry(2, time.Second, time.Minute)
	s.put(first)
	s.try(first.ID, Fresh(), codes.Outcome{Status: codes.Wrong, Left: 1, Recipient: first.Recipient})
	second := entry(3, time.Minute, time.Minute)
	second.ID = first.ID
	s.put(second)
	s.Advance(1100 * time.Millisecond) // the first would be over
	s.try(first.ID, first.Code, codes.Outcome{Status: codes.Wrong, Left: 2, Recipient: second.Recipient})
	s.try(first.ID, second.Code, codes.Outcome{Status: codes.Right})
}

func deleted(s storeTest) {
	e := entry(3, time.Minute, time.Minute)
	s.put(e)
	s.remove(codes.Deletion{ID: e.ID, Made: codes.NewOp(), Op: codes.NewOp()}) // of another put: not this one
	s.try(e.ID, Fresh(), codes.Outcome{Status: codes.Wrong, Left: 2, Recipient: e.Recipient})
	s.remove(codes.Deletion{ID: e.ID, Made: e.Op, Op: codes.NewOp()})
	s.try(e.ID, e.Code, codes.Outcome{Status: codes.Unknown})

	e.Op = codes.NewOp()
	s.put(e)
	s.remove(codes.Deletion{ID: e.ID, Op: codes.NewOp()})
	s.remove(codes.Deletion{ID: e.ID, Op: codes.NewOp()}) // nothing there
	s.try(e.ID, e.Code, codes.Outcome{Status: codes.Unknown})

	late := entry(3, time.Minute, time.Minute)
	for range 50 {
		s.remove(codes.Deletion{ID: late.ID, Op: codes.NewOp()})
	}
	s.put(late)
	s.try(late.ID, late.Code, codes.Outcome{Status: codes.Right})
}

// RunStoreConcurrency checks what codes.Store demands of parallel calls, from
// several stores over the same data.
func RunStoreConcurrency(t *testing.T, stores ...codes.Store) {
	const rounds = 10
	for range rounds {
		e := entry(3, time.Minute, time.Minute)
		storeTest{t, Backend{Store: stores[0]}}.put(e)
		got := parallel(t, func() codes.Try { return codes.Try{ID: e.ID, Code: Fresh(), Op: codes.NewOp()} }, stores)
		if got[codes.Wrong] != 3 || got[codes.Unknown] != crowd-3 {
			t.Errorf("%d parallel wrong codes at 3 attempts: %d compared, %d unknown", crowd, got[codes.Wrong], got[codes.Unknown])
		}

		e.Op = codes.NewOp()
		storeTest{t, Backend{Store: stores[0]}}.put(e)
		got = parallel(t, func() codes.Try { return codes.Try{ID: e.ID, Code: e.Code, Op: codes.NewOp()} }, stores)
		if got[codes.Right] != 1 || got[codes.Unknown] != crowd-1 {
			t.Errorf("%d parallel right codes: %d right, %d unknown", crowd, got[codes.Right], got[codes.Unknown])
		}

		e.Op = codes.NewOp()
		storeTest{t, Backend{Store: stores[0]}}.put(e)
		op := codes.NewOp()
		got = parallel(t, func() codes.Try { return codes.Try{ID: e.ID, Code: Fresh(), Op: op} }, stores)
		if got[codes.Wrong] != crowd {
			t.Errorf("one wrong code repeated %d times in parallel: %v", crowd, got)
		}
		storeTest{t, Backend{Store: stores[0]}}.try(e.ID, Fresh(), codes.Outcome{Status: codes.Wrong, Left: 1, Recipient: e.Recipient})
	}
}

func parallel(t *testing.T, try func() codes.Try, stores []codes.Store) map[codes.Status]int {
	t.Helper()
	var mu sync.Mutex
	counts := map[codes.Status]int{}
	together(func(i int) {
		outcome, err := stores[i%len(stores)].Try(context.Background(), try())
		if err != nil {
			t.Errorf("Try: %v", err)
		}
		mu.Lock()
		defer mu.Unlock()
		counts[outcome.Status]++
	})
	return counts
}
