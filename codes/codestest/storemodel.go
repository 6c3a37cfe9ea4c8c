package codestest

import (
	"context"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/flowroute/sms-verification/codes"
)

// RunStoreModel runs random operations on entries, on a store and on the Model side
// by side, and compares every answer. Backend.Advance must return at once.
func RunStoreModel(t *testing.T, open func(testing.TB) Backend) {
	compared := 0
	rapid.Check(t, func(r *rapid.T) {
		s := &storePair{Backend: open(t), model: NewModel(), clocks: newClocks(250 * time.Millisecond), compared: &compared}
		for i := range s.ids {
			s.ids[i] = codes.EntryName{Current: Fresh(), Previous: Fresh()}
		}
		r.Repeat(map[string]func(*rapid.T){
			"reserve": s.reserve, "reserve more": s.reserve, "reserve most": s.reserve,
			"check": s.check, "check more": s.check, "check most": s.check,
			"release": s.release, "release more": s.release,
			"cancel":    s.cancel,
			"peek":      s.peek,
			"next turn": s.nextTurn,
			"sent":      s.sent,
			"again":     s.again,
			"cancelled": s.cancelled,
			"pass":      s.pass,
		})
		for _, id := range s.ids {
			s.both(r, peekAt(id))
			s.both(r, checkWith(codes.Check{Name: id, Op: codes.NewOp()}))
		}
	})
	enough(t, compared)
}

// storePair is a store and its model.
type storePair struct {
	Backend
	model    *Model
	clocks   clocks
	compared *int

	ids    [3]codes.EntryName // callers have either of the two secrets as the current one
	made   []codes.Reservation
	recent []storeCall // calls that may be retried
}

// storeCall makes a call on a store.
type storeCall func(codes.Store) (answer any, err error)

func reserveAs(ctx context.Context, r codes.Reservation) storeCall {
	return func(s codes.Store) (any, error) { return s.Reserve(ctx, r) }
}

func releaseOf(r codes.Reservation) storeCall {
	return func(s codes.Store) (any, error) {
		_, err := s.Release(context.Background(), r)
		return true, err // of an entry that was used up, either answer is right
	}
}

func checkWith(c codes.Check) storeCall {
	return func(s codes.Store) (any, error) { return s.Check(context.Background(), c) }
}

func peekAt(n codes.EntryName) storeCall {
	return func(s codes.Store) (any, error) { return s.Peek(context.Background(), n) }
}

func turnUnder(p codes.Pace, waitLeft time.Duration) storeCall {
	r := codes.Reservation{Op: codes.NewOp(), Pace: p, WaitLeft: waitLeft}
	return func(s codes.Store) (any, error) { return s.NextTurn(context.Background(), r) }
}

// both makes a call on the model and on the store.
func (s *storePair) both(t *rapid.T, call storeCall) {
	want, wantErr := call(s.model)
	got, err := call(s.Store)
	if s.clocks.lost() {
		return
	}
	if !sameError(err, wantErr) {
		t.Fatalf("at %v: %+v, %v; want %+v, %v", s.model.now, got, err, want, wantErr)
	}
	if err == nil {
		if difference := s.clocks.difference(got, want); difference != "" {
			t.Fatalf("at %v: %s", s.model.now, difference)
		}
		if !reflect.ValueOf(got).IsZero() { // a retry of a call without effect may have one
			s.recent = append(s.recent, call)
		}
	}
	*s.compared++
}

var (
	anyID      = rapid.IntRange(0, 2)
	anyDigest  = rapid.Map(rapid.ByteRange(1, 3), func(b byte) codes.Digest { return codes.Digest{1, 9: b} })
	anySeconds = rapid.Map(rapid.IntRange(1, 60), func(n int) time.Duration { return time.Duration(n) * time.Second })
)

// caller draws an id, with the digests of a code under both secrets, as one of two
// callers sees it. The callers have the secrets swapped.
func (s *storePair) caller(t *rapid.T) (n codes.EntryName, code, previous codes.Digest) {
	n, code = s.ids[anyID.Draw(t, "id")], anyDigest.Draw(t, "code")
	previous = code
	previous[1] = 1
	if s.Split {
		n.Previous = codes.Digest{}
	} else if rapid.Bool().Draw(t, "swapped") {
		n.Current, n.Previous = n.Previous, n.Current
		code, previous = previous, code
	}
	return n, code, previous
}

func (s *storePair) reserve(t *rapid.T) {
	n, code, _ := s.caller(t)
	r := codes.Reservation{Op: codes.NewOp(), Entry: codes.Entry{
		Name: n, Code: code, Recipient: anyDigest.Draw(t, "recipient"),
		Attempts: rapid.Int64Range(1, 3).Draw(t, "attempts"),
		Area:     codes.Area(rapid.Uint8Range(0, codes.Areas-1).Draw(t, "area")),
		Lifetime: anySeconds.Draw(t, "lifetime"),
		Notice:   rapid.OneOf(rapid.Just(time.Duration(0)), anySeconds).Draw(t, "notice"),
	}}
	if r.SameCode = rapid.Bool().Draw(t, "same code"); r.SameCode {
		r.Entry.Digits = rapid.SampledFrom([]int{0, 4}).Draw(t, "digits")
		r.PreviousRecipient = anyDigest.Draw(t, "previous recipient")
	}
	r = paced(r, rapid.IntRange(0, 2).Draw(t, "rate"), time.Hour)
	if versions := s.model.versions(n); len(versions) > 0 && versions[len(versions)-1].isHalfOver(s.model.nextTurn(r.Pace)) {
		r.SameCode = false // the store may see more or less than half
	}
	s.made = append(s.made, r)
	s.both(t, reserveAs(context.Background(), r))
}

func (s *storePair) check(t *rapid.T) {
	n, code, previous := s.caller(t)
	s.both(t, checkWith(codes.Check{Name: n, Code: code, PreviousCode: previous, Op: codes.NewOp()}))
}

func (s *storePair) cancel(t *rapid.T) {
	n, _, _ := s.caller(t)
	c := codes.Cancel{Name: n, Op: codes.NewOp()}
	s.both(t, func(s codes.Store) (any, error) { return s.Cancel(context.Background(), c) })
}

func (s *storePair) peek(t *rapid.T) {
	n, _, _ := s.caller(t)
	s.both(t, peekAt(n))
}

func (s *storePair) nextTurn(t *rapid.T) {
	s.both(t, turnUnder(codes.Pace{Rate: rapid.IntRange(1, 2).Draw(t, "rate"), MaxWait: time.Hour}, time.Hour))
}

// anyMade draws a reservation whose entry has not expired and whose message was not
// sent.
func (s *storePair) anyMade(t *rapid.T) (r codes.Reservation, waits, ok bool) {
	s.made = slices.DeleteFunc(s.made, func(r codes.Reservation) bool {
		v := s.model.find(r)
		_, isSent := s.model.answers[call{"record sent", r.Op}]
		return v == nil || v.end <= s.model.now || isSent
	})
	if len(s.made) == 0 {
		return codes.Reservation{}, false, false
	}
	r = s.made[rapid.IntRange(0, len(s.made)-1).Draw(t, "reservation")]
	return r, s.model.find(r).start > s.model.now, true
}

// find returns the version that a reservation stored or sent again, if there is one.
func (m *Model) find(r codes.Reservation) *version {
	for _, v := range m.versions(r.Entry.Name) {
		if slices.Contains(v.senders, r.Op) {
			return v
		}
	}
	return nil
}

func (s *storePair) release(t *rapid.T) {
	if r, _, ok := s.anyMade(t); ok {
		s.both(t, releaseOf(r))
	}
}

func (s *storePair) sent(t *rapid.T) {
	if r, waits, ok := s.anyMade(t); ok && !waits {
		m := message(r)
		s.both(t, func(s codes.Store) (any, error) { return s.RecordSent(context.Background(), m) })
	}
}

// again retries a call.
func (s *storePair) again(t *rapid.T) {
	if len(s.recent) > 0 {
		s.both(t, s.recent[rapid.IntRange(0, len(s.recent)-1).Draw(t, "operation")])
	}
}

// cancelled makes a call whose context was cancelled.
func (s *storePair) cancelled(t *rapid.T) {
	n, code, _ := s.caller(t)
	op := codes.NewOp()
	ctx := cancelledContext()
	s.both(t, rapid.SampledFrom([]storeCall{
		reserveAs(ctx, codes.Reservation{Op: op, Entry: codes.Entry{Name: n, Attempts: 1, Lifetime: time.Minute}}),
		func(s codes.Store) (any, error) { return s.Check(ctx, codes.Check{Name: n, Code: code, Op: op}) },
		func(s codes.Store) (any, error) { return s.Cancel(ctx, codes.Cancel{Name: n, Op: op}) },
	}).Draw(t, "call"))
}

// pass advances to a moment at which nothing is about to change or has just changed.
func (s *storePair) pass(t *rapid.T) {
	d := time.Duration(rapid.OneOf(rapid.IntRange(1, 30), rapid.IntRange(10, 700)).Draw(t, "tenths")) * time.Second / 10
	for s.changes(s.model.now + d) {
		d += time.Second / 10
	}
	s.recent = nil
	s.clocks.advance(d, s.model, s.Advance)
}

func isNear(at, change time.Duration) bool { return (at - change).Abs() < 300*time.Millisecond }

// isHalfOver reports whether a version has about half of its lifetime left at a time.
func (v *version) isHalfOver(at time.Duration) bool { return isNear(at, v.end-v.Lifetime/2) }

func (s *storePair) changes(at time.Duration) bool {
	near := func(change time.Duration) bool { return isNear(at, change) }
	for _, turn := range s.model.turns {
		if near(turn.at + TurnSpan) { // when there is another
			return true
		}
	}
	for _, versions := range s.model.entries {
		for _, v := range versions {
			if near(v.start) || near(v.end) || near(v.noticeEnd) || v.isHalfOver(at) {
				return true
			}
		}
	}
	return false
}
