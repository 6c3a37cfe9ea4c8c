package codestest

import (
	"context"
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/flowroute/sms-verification/codes"
)

// RunStoreModel runs random operations on a store and on the Model, side by
// side, and compares every answer. Advance must take no time.
func RunStoreModel(t *testing.T, open func(testing.TB) Backend) {
	b := open(t)
	compared := 0
	rapid.Check(t, func(r *rapid.T) {
		s := &storePair{Backend: b, model: NewModel(codes.Limits{}), pace: newPace(250 * time.Millisecond), compared: &compared}
		for i := range s.ids {
			s.ids[i] = Fresh()
		}
		r.Repeat(map[string]func(*rapid.T){
			"put": s.put, "put more": s.put,
			"try": s.try, "try more": s.try, "try most": s.try,
			"delete":   s.remove,
			"again":    s.again,
			"given up": s.givenUp,
			"pass":     s.pass,
		})
		for _, id := range s.ids { // what is left
			s.both(r, tryOf(codes.Try{ID: id, Code: Fresh(), Op: codes.NewOp()}))
		}
	})
	enough(t, compared)
}

// pace keeps the clock of a backend, which may run on by itself, near the
// Model's, which stands still.
type pace struct {
	most time.Duration // by which one clock may differ from the other
	last time.Time     // when they were together
	lost bool
}

func newPace(most time.Duration) pace { return pace{most: most, last: time.Now()} }

// over tells whether the clocks were ever too far apart: what the backend
// answers from then on cannot be compared.
func (p *pace) over() bool {
	p.lost = p.lost || time.Since(p.last) > p.most
	return p.lost
}

// pass lets the time d pass for both, less what the backend's has run ahead.
func (p *pace) pass(d time.Duration, model *Model, advance func(time.Duration)) {
	if p.over() {
		return
	}
	now := time.Now()
	advance(d - now.Sub(p.last))
	p.last = now
	model.Advance(d)
}

func enough(t *testing.T, compared int) {
	t.Helper()
	if compared < 500 {
		t.Errorf("only %d answers were in time to be compared", compared)
	}
}

// storePair is a store and the model of it.
type storePair struct {
	Backend
	model    *Model
	pace     pace
	compared *int

	ids    [3]codes.Digest
	made   [3][]codes.Op // the puts of each id
	now    time.Duration
	ends   []time.Duration // when an entry or its notice ends
	recent []storeCall     // what may be sent again
}

type storeCall func(codes.Store) (codes.Outcome, error)

func tryOf(t codes.Try) storeCall {
	return func(s codes.Store) (codes.Outcome, error) { return s.Try(context.Background(), t) }
}

// rested is what a put or a delete tells, as an outcome.
func rested(rest time.Duration, err error) (codes.Outcome, error) {
	return codes.Outcome{Rest: rest}, err
}

// both makes a call on the model and on the store.
func (s *storePair) both(t *rapid.T, call storeCall) codes.Outcome {
	want, wantErr := call(s.model)
	got, err := call(s.Store)
	if s.pace.over() {
		return want
	}
	// The clocks differ a little, so of the life that an entry had left only
	// whether there was any is compared.
	same := (got.Rest > 0) == (want.Rest > 0)
	got.Rest = want.Rest
	if got != want || !same || (err == nil) != (wantErr == nil) || err != nil && !errors.Is(err, codes.ErrUnavailable) {
		t.Fatalf("at %v: %+v, %v; want %+v, %v", s.now, got, err, want, wantErr)
	}
	*s.compared++
	return want
}

var (
	anyID      = rapid.IntRange(0, 2)
	anyDigest  = rapid.Map(rapid.ByteRange(1, 3), func(b byte) codes.Digest { return codes.Digest{1, 9: b} })
	anySeconds = rapid.Map(rapid.IntRange(1, 60), func(n int) time.Duration { return time.Duration(n) * time.Second })
)

func (s *storePair) put(t *rapid.T) {
	i := anyID.Draw(t, "id")
	e := codes.Entry{
		ID: s.ids[i], Code: anyDigest.Draw(t, "code"), Recipient: anyDigest.Draw(t, "recipient"),
		Attempts:   rapid.Int64Range(1, 3).Draw(t, "attempts"),
		Area:       codes.Area(rapid.Uint8Range(0, codes.Areas-1).Draw(t, "area")),
		Expiration: anySeconds.Draw(t, "expiration"),
		Notice:     rapid.OneOf(rapid.Just(time.Duration(0)), anySeconds).Draw(t, "notice"),
		Op:         codes.NewOp(),
	}
	s.made[i] = append(s.made[i], e.Op)
	s.ends = append(s.ends, s.now+e.Expiration, s.now+e.Expiration+e.Notice)
	call := func(store codes.Store) (codes.Outcome, error) {
		return rested(store.Put(context.Background(), e))
	}
	s.both(t, call)
	s.recent = append(s.recent, call)
}

func (s *storePair) try(t *rapid.T) {
	call := tryOf(codes.Try{ID: s.ids[anyID.Draw(t, "id")], Code: anyDigest.Draw(t, "code"), Op: codes.NewOp()})
	if s.both(t, call).Status != codes.Unknown { // which changed nothing, and may change until it is asked again
		s.recent = append(s.recent, call)
	}
}

// remove deletes whatever an id has, or what one put made, be it the latest or not.
func (s *storePair) remove(t *rapid.T) {
	i := anyID.Draw(t, "id")
	d := codes.Deletion{ID: s.ids[i], Op: codes.NewOp()}
	if made := s.made[i]; len(made) > 0 && rapid.Bool().Draw(t, "one") {
		d.Made = made[rapid.IntRange(max(0, len(made)-2), len(made)-1).Draw(t, "made")]
	}
	call := func(store codes.Store) (codes.Outcome, error) {
		return rested(store.Delete(context.Background(), d))
	}
	s.both(t, call)
	s.recent = append(s.recent, call)
}

// again repeats an operation.
func (s *storePair) again(t *rapid.T) {
	if len(s.recent) > 0 {
		s.both(t, s.recent[rapid.IntRange(0, len(s.recent)-1).Draw(t, "operation")])
	}
}

// givenUp makes a call whose caller does not wait any more.
func (s *storePair) givenUp(t *rapid.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	id, op := s.ids[anyID.Draw(t, "id")], codes.NewOp()
	s.both(t, rapid.SampledFrom([]storeCall{
		func(store codes.Store) (codes.Outcome, error) {
			return rested(store.Put(ctx, codes.Entry{ID: id, Attempts: 1, Expiration: time.Minute, Op: op}))
		},
		func(store codes.Store) (codes.Outcome, error) {
			return store.Try(ctx, codes.Try{ID: id, Code: codes.Digest{1}, Op: op})
		},
		func(store codes.Store) (codes.Outcome, error) {
			return rested(store.Delete(ctx, codes.Deletion{ID: id, Op: op}))
		},
	}).Draw(t, "call"))
}

// pass lets time pass, to a moment at which nothing is about to end or has just ended.
func (s *storePair) pass(t *rapid.T) {
	d := time.Duration(rapid.IntRange(10, 700).Draw(t, "tenths")) * time.Second / 10
	for s.near(s.now + d) {
		d += time.Second / 10
	}
	s.now += d
	s.recent = nil
	s.pace.pass(d, s.model, s.Advance)
}

func (s *storePair) near(at time.Duration) bool {
	for _, end := range s.ends {
		if (at - end).Abs() < 300*time.Millisecond {
			return true
		}
	}
	return false
}
