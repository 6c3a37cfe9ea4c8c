package codestest

import (
	"context"
	"errors"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// repeated: an operation that is sent again because its reply was lost.
func repeated(s storeTest) {
	e := entry(3, time.Minute, time.Minute)
	wrong, right, gone := codes.NewOp(), codes.NewOp(), codes.NewOp()
	s.put(e)
	s.tryAs(wrong, e.ID, Fresh(), codes.Outcome{Status: codes.Wrong, Left: 2, Recipient: e.Recipient})
	s.try(e.ID, Fresh(), codes.Outcome{Status: codes.Wrong, Left: 1, Recipient: e.Recipient})
	s.tryAs(wrong, e.ID, Fresh(), codes.Outcome{Status: codes.Wrong, Left: 2, Recipient: e.Recipient})
	s.put(e)
	s.tryAs(right, e.ID, e.Code, codes.Outcome{Status: codes.Right})
	s.put(e) // a used code does not come back
	s.tryAs(right, e.ID, e.Code, codes.Outcome{Status: codes.Right})
	s.try(e.ID, e.Code, codes.Outcome{Status: codes.Unknown})

	again := entry(1, time.Minute, time.Minute)
	again.ID = e.ID
	s.remove(codes.Deletion{ID: e.ID, Op: gone})
	s.put(again)
	s.tryAs(right, e.ID, e.Code, codes.Outcome{Status: codes.Right}) // and costs the new entry nothing
	s.remove(codes.Deletion{ID: e.ID, Op: gone})                     // nor takes it away
	s.put(again)
	next := entry(1, time.Minute, time.Minute)
	next.ID = e.ID
	s.put(next)
	s.put(again) // nor does what was replaced come back
	last := codes.NewOp()
	s.tryAs(last, e.ID, Fresh(), codes.Outcome{Status: codes.Wrong, Recipient: next.Recipient})
	s.tryAs(last, e.ID, Fresh(), codes.Outcome{Status: codes.Wrong, Recipient: next.Recipient})
}

// repeatedAfterTheEnd: the entry's time runs out between the two.
func repeatedAfterTheEnd(s storeTest) {
	for _, notice := range []time.Duration{0, time.Minute} {
		e, wrong := entry(3, time.Second, notice), codes.NewOp()
		s.put(e)
		other := entry(3, time.Second, notice) // whose answer is kept, and no note beside it
		s.put(other)
		s.Advance(700 * time.Millisecond)
		s.tryAs(wrong, e.ID, Fresh(), codes.Outcome{Status: codes.Wrong, Left: 2, Recipient: e.Recipient})
		kept := codes.Try{ID: other.ID, Code: Fresh(), Op: codes.NewOp(), Keep: time.Minute}
		if got, err := s.Store.Try(context.Background(), kept); err != nil || got.Status != codes.Wrong {
			s.Errorf("Try = %+v, %v", got, err)
		}
		s.Advance(400 * time.Millisecond)
		s.tryAs(wrong, e.ID, Fresh(), codes.Outcome{Status: codes.Wrong, Left: 2, Recipient: e.Recipient})
		over, stage := codes.Outcome{Status: codes.Unknown}, codes.Gone
		if notice > 0 {
			over.Status, stage = codes.Expired, codes.Over
		}
		if got, err := s.Store.Look(context.Background(), e.ID); err != nil || got != (codes.Sight{Stage: stage}) {
			s.Errorf("Look = %+v, %v; want stage %v", got, err, stage)
		}
		s.try(e.ID, e.Code, over)
		s.try(other.ID, other.Code, over)
	}
}

// told: each operation tells of the entry that it ended, and again the same.
func told(s storeTest) {
	ctx := context.Background()
	lived := func(what string, rest, most time.Duration, err error) {
		s.Helper()
		if err != nil || rest > most || most > 0 && rest < most-20*time.Second {
			s.Errorf("%s: %v of life left, %v; want %v", what, rest, err, most)
		}
	}
	put := func(e codes.Entry, most time.Duration) {
		s.Helper()
		first, err := s.Store.Put(ctx, e)
		lived("put", first, most, err)
		if again, err := s.Store.Put(ctx, e); err != nil || again != first {
			s.Errorf("put again: %v, %v; first %v", again, err, first)
		}
	}
	remove := func(d codes.Deletion, most time.Duration) {
		s.Helper()
		first, err := s.Store.Delete(ctx, d)
		lived("delete", first, most, err)
		if again, err := s.Store.Delete(ctx, d); err != nil || again != first {
			s.Errorf("delete again: %v, %v; first %v", again, err, first)
		}
	}
	try := func(t codes.Try, e codes.Entry, status codes.Status, left int64, most time.Duration) {
		s.Helper()
		first, err := s.Store.Try(ctx, t)
		lived("try", first.Rest, most, err)
		want := codes.Outcome{Status: status, Left: left, Recipient: e.Recipient, Area: e.Area, Rest: first.Rest}
		if again, err := s.Store.Try(ctx, t); err != nil || first != want || again != first {
			s.Errorf("Try = %+v, then %+v, %v; want %+v", first, again, err, want)
		}
	}
	e := entry(2, time.Minute, time.Minute)
	e.Area = codes.AreaCaribbean
	put(e, 0)
	try(codes.Try{ID: e.ID, Code: Fresh(), Op: codes.NewOp()}, e, codes.Wrong, 1, 0)
	next := entry(2, time.Hour, 0)
	next.ID, next.Area = e.ID, codes.AreaPremium
	put(next, time.Minute)
	try(codes.Try{ID: e.ID, Code: next.Code, Op: codes.NewOp()}, next, codes.Right, 0, time.Hour)

	put(again(e), 0)
	try(codes.Try{ID: e.ID, Code: Fresh(), Op: codes.NewOp()}, e, codes.Wrong, 1, 0)
	try(codes.Try{ID: e.ID, Code: Fresh(), Op: codes.NewOp()}, e, codes.Wrong, 0, time.Minute)
	remove(codes.Deletion{ID: e.ID, Op: codes.NewOp()}, 0)

	last := again(e)
	put(last, 0)
	remove(codes.Deletion{ID: e.ID, Made: codes.NewOp(), Op: codes.NewOp()}, 0)
	remove(codes.Deletion{ID: e.ID, Made: last.Op, Op: codes.NewOp()}, time.Minute)

	short := again(e)
	short.Expiration = time.Second
	put(short, 0)
	s.Advance(1100 * time.Millisecond)
	put(again(e), 0) // what is over is not replaced
}

// again is the same entry, made by another put.
func again(e codes.Entry) codes.Entry {
	e.Op = codes.NewOp()
	return e
}

// ended: what its caller has given up has no effect.
func ended(s storeTest) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	e := entry(1, time.Minute, time.Minute)
	if _, err := s.Store.Put(ctx, e); !errors.Is(err, codes.ErrUnavailable) {
		s.Errorf("Put = %v, want ErrUnavailable", err)
	}
	s.try(e.ID, e.Code, codes.Outcome{Status: codes.Unknown})
	s.put(e)
	if _, err := s.Store.Try(ctx, codes.Try{ID: e.ID, Code: Fresh(), Op: codes.NewOp()}); !errors.Is(err, codes.ErrUnavailable) {
		s.Errorf("Try = %v, want ErrUnavailable", err)
	}
	if _, err := s.Store.Delete(ctx, codes.Deletion{ID: e.ID, Op: codes.NewOp()}); !errors.Is(err, codes.ErrUnavailable) {
		s.Errorf("Delete = %v, want ErrUnavailable", err)
	}
	s.try(e.ID, e.Code, codes.Outcome{Status: codes.Right})
}
