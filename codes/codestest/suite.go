package codestest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// suite wraps a backend so that a test reads as a list of steps.
type suite struct {
	testing.TB
	Backend
	open func(testing.TB) Backend
}

// tests are the cases of a suite, by name.
type tests map[string]func(suite)

// run runs tests on one backend, on which they use different names. Tests that make
// many parallel calls run one after the other.
func run(t *testing.T, open func(testing.TB) Backend, sequential, concurrent tests) {
	b := open(t)
	for name, test := range concurrent {
		t.Run(name, func(t *testing.T) { test(suite{t, b, open}) })
	}
	for name, test := range sequential {
		t.Run(name, func(t *testing.T) {
			if b.Parallel {
				t.Parallel()
			}
			test(suite{t, b, open})
		})
	}
}

// isolated gives a test its own store, because it uses what tests otherwise share:
// turns, or counts of all messages.
func isolated(test func(suite)) func(suite) {
	return func(s suite) {
		s.Backend = s.open(s.TB)
		test(s)
	}
}

// store returns one of the stores over the same data.
func (s suite) store(i int) codes.Store {
	if i %= len(s.Peers) + 1; i > 0 {
		return s.Peers[i-1]
	}
	return s.Store
}

// on returns the suite for a call from a goroutine of its own; see store.
func (s suite) on(i int) suite {
	s.Store = s.store(i)
	return s
}

func name() codes.EntryName { return codes.EntryName{Current: Fresh()} }

// entry returns an entry with a new name.
func entry(attempts int64, lifetime, notice time.Duration) codes.Entry {
	return codes.Entry{
		Name: name(), Code: Fresh(), Recipient: Fresh(),
		Attempts: attempts, Lifetime: lifetime, Notice: notice,
	}
}

// anyEntry returns an entry for tests that need no particular one.
func anyEntry() codes.Entry { return entry(3, time.Minute, time.Minute) }

// successor returns an entry that replaces another.
func successor(e codes.Entry) codes.Entry {
	n := anyEntry()
	n.Name = e.Name
	return n
}

// reservationOf returns the reservation of an entry, without limits or a turn.
func reservationOf(e codes.Entry) codes.Reservation {
	return codes.Reservation{Op: codes.NewOp(), Entry: e}
}

// withLimits adds limits to a reservation.
func withLimits(r codes.Reservation, limits ...codes.Limit) codes.Reservation {
	r.Limits = append(r.Limits, limits...)
	return r
}

// paced adds a turn to a reservation.
func paced(r codes.Reservation, rate int, wait time.Duration) codes.Reservation {
	r.Pace, r.WaitLeft = codes.Pace{Rate: rate, MaxWait: wait}, wait
	return r
}

func (s suite) reserve(r codes.Reservation) codes.Reserved {
	s.Helper()
	reserved, err := s.Store.Reserve(context.Background(), r)
	if err != nil {
		s.Errorf("Reserve: %v", err)
	}
	return reserved
}

func (s suite) create(e codes.Entry) codes.Reservation {
	s.Helper()
	r := reservationOf(e)
	s.reserve(r)
	return r
}

func (s suite) release(r codes.Reservation, want bool) {
	s.Helper()
	if removed, err := s.Store.Release(context.Background(), r); err != nil || removed != want {
		s.Errorf("Release = %v, %v; want %v", removed, err, want)
	}
}

func (s suite) check(c codes.Check, want codes.Outcome) codes.Checked {
	s.Helper()
	if c.Op == (codes.Op{}) {
		c.Op = codes.NewOp()
	}
	got, err := s.Store.Check(context.Background(), c)
	if err != nil || got.Outcome != want {
		s.Errorf("Check = %+v, %v; want %+v", got, err, want)
	}
	return got
}

// newEntry stores an entry that has no predecessor.
func (s suite) newEntry() codes.Entry {
	s.Helper()
	return s.create(anyEntry()).Entry
}

// right checks the code of a valid entry.
func (s suite) right(e codes.Entry) {
	s.Helper()
	s.check(codes.Check{Name: e.Name, Code: e.Code}, rightFor(e))
}

// wrong checks a wrong code against a valid entry.
func (s suite) wrong(e codes.Entry, left int64) {
	s.Helper()
	s.check(codes.Check{Name: e.Name, Code: Fresh()}, wrongFor(e, left))
}

func rightFor(e codes.Entry) codes.Outcome {
	return codes.Outcome{Status: codes.Right, Recipient: e.Recipient}
}

func wrongFor(e codes.Entry, left int64) codes.Outcome {
	return codes.Outcome{Status: codes.Wrong, AttemptsLeft: left, Recipient: e.Recipient}
}

func (s suite) unknown(e codes.Entry) {
	s.Helper()
	s.check(codes.Check{Name: e.Name, Code: e.Code}, codes.Outcome{Status: codes.Unknown})
}

func (s suite) expired(e codes.Entry) {
	s.Helper()
	s.check(codes.Check{Name: e.Name, Code: e.Code}, codes.Outcome{Status: codes.Expired})
}

func (s suite) cancel(e codes.Entry) (ttlLeft time.Duration) {
	s.Helper()
	ttlLeft, err := s.Store.Cancel(context.Background(), codes.Cancel{Name: e.Name, Op: codes.NewOp()})
	if err != nil {
		s.Fatalf("Cancel: %v", err)
	}
	return ttlLeft
}

// useUp enters wrong codes until none is left.
func (s suite) useUp(e codes.Entry) {
	s.Helper()
	for left := e.Attempts - 1; left >= 0; left-- {
		s.wrong(e, left)
	}
}

// ends are the ways to end an entry for good.
func (s suite) ends() []func(codes.Entry) {
	return []func(codes.Entry){s.right, func(e codes.Entry) { s.cancel(e) }}
}

func (s suite) peek(n codes.EntryName) codes.EntryView {
	s.Helper()
	view, err := s.Store.Peek(context.Background(), n)
	if err != nil {
		s.Fatalf("Peek: %v", err)
	}
	return view
}

// live expects a live entry with so many attempts, which was stored a moment ago with
// a lifetime of a minute, as anyEntry has.
func (s suite) live(e codes.Entry, attempts int64) {
	s.Helper()
	view := s.peek(e.Name)
	if view.Stage < codes.StagePending || view.AttemptsLeft != attempts {
		s.Fatalf("Peek = %+v; want a live entry with %d attempts", view, attempts)
	}
	s.about("lifetime", view.TTLLeft, time.Minute)
}

// resendable returns the reservation of an entry whose code may be sent again.
func resendable(e codes.Entry) codes.Reservation {
	r := reservationOf(e)
	r.SameCode, r.Entry.Digits = true, 6
	return r
}

// newResendable stores an entry whose code may be sent again.
func (s suite) newResendable() codes.Reservation {
	s.Helper()
	r := resendable(anyEntry())
	s.reserve(r)
	return r
}

// another returns a reservation for the same recipient. Its own code is sent only if
// no other is sent again.
func another(r codes.Reservation) codes.Reservation {
	r.Op, r.Entry.Code = codes.NewOp(), Fresh()
	return r
}

// resent expects that r sends the code of first again.
func (s suite) resent(r, first codes.Reservation, attempts int64) codes.Reserved {
	s.Helper()
	reserved := s.reserve(r)
	if got := reserved.Resent; got == nil || got.Code != first.Entry.Code || got.Op != first.Op || got.AttemptsLeft != attempts {
		s.Fatalf("Reserve = %+v; want the code of %v again, with %d attempts left", got, first.Op, attempts)
	}
	return reserved
}

// newCode expects that r stores a new entry.
func (s suite) newCode(r codes.Reservation) {
	s.Helper()
	if resent := s.reserve(r).Resent; resent != nil {
		s.Fatalf("Reserve sends a code again: %+v", resent)
	}
	if view := s.peek(r.Entry.Name); view.AttemptsLeft != r.Entry.Attempts {
		s.Fatalf("Peek = %+v; want %d attempts", view, r.Entry.Attempts)
	}
}

// slack is how long a step may take on a busy machine.
const slack = 20 * time.Second

// about expects a remaining time that was most a moment ago, or 0.
func (s suite) about(what string, got, most time.Duration) {
	s.Helper()
	if got > most || got < most-slack || most > 0 && got <= 0 {
		s.Fatalf("%s: %v left, want %v", what, got, most)
	}
}

// cancelledContext returns a context that has ended.
func cancelledContext() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func (s suite) unavailable(call string, err error) {
	s.Helper()
	if !errors.Is(err, codes.ErrUnavailable) {
		s.Errorf("%s = %v, want ErrUnavailable", call, err)
	}
}

// parallelCalls is how many calls the suites make at the same time. It is more than any
// limit in them allows. It is few enough that the slowest backend, miniredis under the
// race detector, answers the last of them in time: the longest script takes it some
// 4 ms on a quiet machine.
const parallelCalls = 24

// parallel runs n calls that all start at once, and waits for them.
func parallel(n int, call func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			call(i)
		})
	}
	close(start)
	wg.Wait()
}

// Suites returns every suite by its name.
func Suites() map[string]func(t *testing.T, open func(testing.TB) Backend) {
	return map[string]func(*testing.T, func(testing.TB) Backend){
		"entries": RunStore, "reservations": RunReservations, "release": RunRelease, "repetition": RunRepetition,
		"claims": RunClaims, "receipts": RunReceipts, "guesses": RunGuesses, "neighbours": RunNeighbours,
		"callers": RunCallers, "resend": RunResend, "unverified": RunUnverified,
	}
}
