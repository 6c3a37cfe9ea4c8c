package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"syscall"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/redisstore"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// runLostReply: a reply that is lost after its script ran changes nothing,
// whatever somebody else does before the script runs again.
func runLostReply(t *testing.T, _ string, instance *redistest.Instance) {
	for _, test := range []struct {
		name   string
		limits codes.Limits
		run    func(lossTest)
	}{
		{"right", codes.Limits{}, lostRight},
		{"wrong", codes.Limits{}, lostWrong},
		{"last wrong", codes.Limits{}, lostLastWrong},
		{"unknown", codes.Limits{}, lostUnknown},
		{"expired", codes.Limits{}, lostExpired},
		{"put", codes.Limits{}, lostPut},
		{"delete", codes.Limits{}, lostDelete},
		{"take", codes.Limits{Sends: codestest.Windows(t, "2/1h")}, lostTake},
		{"take of all", codes.Limits{Total: codestest.Windows(t, "2/1h")}, lostTotal},
		{"return", codes.Limits{Sends: codestest.Windows(t, "1/1h")}, lostReturn},
		{"return of a paid one", codes.Limits{Sends: codestest.Windows(t, "1/1h")}, lostReturnPaid},
		{"turn", codes.Limits{Rate: 1, MaxWait: time.Minute}, lostTurn},
		{"count", codes.Limits{Guesses: codestest.Windows(t, "2/1h")}, lostCount},
		{"claim", codes.Limits{}, lostClaim},
		{"receipt", codes.Limits{}, lostReceipt},
		{"early receipt", codes.Limits{}, lostEarly},
		{"sent", codes.Limits{}, lostSent},
	} {
		for _, losses := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s %d", test.name, losses), func(t *testing.T) {
				test.run(openLossTest(t, instance, losses, test.limits))
			})
		}
	}
}

func lostRight(l lossTest) {
	e, later := newEntry(3), newEntry(3)
	later.ID, later.Code = e.ID, e.Code
	l.put(e)
	l.losing(nil, func() { l.try(l.Store, e.ID, e.Code, right) })
	l.try(l.clean, e.ID, e.Code, unknown)

	l.put(later)
	l.losing(func() { l.put(madeAgain(later)) }, func() { l.try(l.Store, e.ID, e.Code, right) })
	l.try(l.clean, e.ID, e.Code, right) // of the put that came between
}

// madeAgain is the same entry, made by another put.
func madeAgain(e codes.Entry) codes.Entry {
	e.Op = codes.NewOp()
	return e
}

func lostWrong(l lossTest) {
	e := newEntry(3)
	e.Recipient = codes.Digest{'\n', 0, ' ', 0xff, '%', '\r', '\n'}
	l.put(e)
	l.losing(nil, func() { l.try(l.Store, e.ID, codestest.Fresh(), wrongLeft(e, 2)) })
	l.try(l.clean, e.ID, codestest.Fresh(), wrongLeft(e, 1))

	next := madeAgain(e)
	l.losing(func() { l.put(next) }, func() { l.try(l.Store, e.ID, codestest.Fresh(), wrongLeft(e, 0)) })
	l.try(l.clean, e.ID, codestest.Fresh(), wrongLeft(e, 2)) // the put that came between is not charged
}

func lostLastWrong(l lossTest) {
	e := newEntry(1)
	l.put(e)
	l.losing(nil, func() { l.try(l.Store, e.ID, codestest.Fresh(), wrongLeft(e, 0)) })
	l.try(l.clean, e.ID, e.Code, unknown)
}

func lostUnknown(l lossTest) {
	l.losing(nil, func() { l.try(l.Store, codestest.Fresh(), codestest.Fresh(), unknown) })
}

func lostExpired(l lossTest) {
	e := newEntry(3)
	e.Expiration = time.Second
	l.put(e)
	l.advance(1100 * time.Millisecond)
	l.losing(nil, func() { l.try(l.Store, e.ID, e.Code, expired) })
	l.try(l.clean, e.ID, e.Code, unknown)
}

func lostPut(l lossTest) {
	put := func(e codes.Entry) func() {
		return func() {
			if _, err := l.Put(l.Context(), e); err != nil {
				l.Errorf("Put: %v", err)
			}
		}
	}
	e := newEntry(3)
	l.losing(nil, put(e))
	l.try(l.clean, e.ID, codestest.Fresh(), wrongLeft(e, 2))

	again := madeAgain(e)
	l.losing(func() { l.try(l.clean, e.ID, e.Code, right) }, put(again))
	l.try(l.clean, e.ID, e.Code, unknown) // a used code does not come back
}

func lostDelete(l lossTest) {
	e := newEntry(3)
	l.put(e)
	later := madeAgain(e)
	for _, made := range []codes.Op{{}, later.Op} {
		l.losing(func() { l.put(later) }, func() {
			if _, err := l.Delete(l.Context(), codes.Deletion{ID: e.ID, Made: made, Op: codes.NewOp()}); err != nil {
				l.Errorf("Delete: %v", err)
			}
		})
		later.Op = codes.NewOp()
		l.try(l.clean, e.ID, codestest.Fresh(), wrongLeft(e, 2))
	}
}

func lostTake(l lossTest) {
	one := codestest.Fresh()
	l.losing(nil, func() { l.take(l.Store, one, "") })
	l.losing(nil, func() { l.take(l.Store, one, "") }) // the last place: it is the caller's own
	l.take(l.clean, one, "SEND_LIMITS 2/1h")
}

func lostTotal(l lossTest) {
	l.losing(nil, func() { l.take(l.Store, codestest.Fresh(), "") })
	l.losing(nil, func() { l.take(l.Store, codestest.Fresh(), "") })
	l.take(l.clean, codestest.Fresh(), "SEND_LIMITS_TOTAL 2/1h")
}

func lostReturn(l lossTest) {
	p := codes.Place{Recipient: codestest.Fresh(), Op: codes.NewOp()}
	if _, err := l.Take(l.Context(), p); err != nil {
		l.Fatal(err)
	}
	l.losing(func() { l.take(l.clean, p.Recipient, "") }, func() {
		if err := l.Return(l.Context(), p); err != nil {
			l.Errorf("Return: %v", err)
		}
	})
	l.take(l.clean, p.Recipient, "SEND_LIMITS 1/1h") // the place that was taken between stays
}

func lostTurn(l lossTest) {
	turn := func(s *redisstore.Store) (wait time.Duration) {
		wait, err := s.Take(l.Context(), codes.Place{Recipient: codestest.Fresh(), Op: codes.NewOp()})
		if err != nil {
			l.Errorf("Take: %v", err)
		}
		return wait
	}
	first := time.Now()
	l.losing(nil, func() {
		if wait := turn(l.Store); wait != 0 {
			l.Errorf("wait %v for the first turn", wait)
		}
	})
	l.losing(nil, func() { turn(l.Store) })
	if wait := turn(l.clean); time.Since(first)+wait > 2*codestest.TurnSpan+opTimeout {
		l.Errorf("the third turn comes %v after the first", time.Since(first)+wait)
	}
}

func lostCount(l lossTest) {
	one := codestest.Fresh()
	l.losing(nil, func() {
		if err := l.CountWrong(l.Context(), codes.Place{Recipient: one, Op: codes.NewOp()}); err != nil {
			l.Errorf("CountWrong: %v", err)
		}
	})
	l.take(l.clean, one, "")
	if err := l.clean.CountWrong(l.Context(), codes.Place{Recipient: one, Op: codes.NewOp()}); err != nil {
		l.Errorf("CountWrong: %v", err)
	}
	l.take(l.clean, one, "GUESS_LIMITS 2/1h")
}

func lostClaim(l lossTest) {
	c := codes.Claim{Key: codestest.Fresh(), Arguments: codestest.Fresh(), Op: codes.NewOp(), Lease: time.Minute}
	other := c
	other.Op = codes.NewOp()
	running := func(s *redisstore.Store) {
		l.Helper()
		var busy *codes.InProgressError
		if _, _, err := s.Claim(l.Context(), other); !errors.As(err, &busy) {
			l.Errorf("Claim = %v, want in progress", err)
		}
	}
	l.losing(func() { running(l.clean) }, func() {
		if answer, op, err := l.Claim(l.Context(), c); err != nil || answer != "" || op != c.Op {
			l.Errorf("Claim = %q, %v, %v; want its own op", answer, op, err)
		}
	})
	l.losing(nil, func() { running(l.Store) })
	// Dropped, claimed by somebody else, and dropped once more by repetition.
	l.losing(func() {
		if _, op, err := l.clean.Claim(l.Context(), other); err != nil || op != other.Op {
			l.Errorf("Claim = %v, %v", op, err)
		}
	}, func() {
		if _, err := l.Settle(l.Context(), c, ""); err != nil {
			l.Errorf("Settle: %v", err)
		}
	})
	third := other
	third.Op = codes.NewOp()
	var busy *codes.InProgressError
	if _, _, err := l.clean.Claim(l.Context(), third); !errors.As(err, &busy) {
		l.Errorf("Claim = %v, want in progress", err)
	}
}

// runEveryReplyLost: the caller is told in time, and at most one attempt is spent.
func runEveryReplyLost(t *testing.T, _ string, instance *redistest.Instance) {
	l := openLossTest(t, instance, math.MaxInt, codes.Limits{})
	e := newEntry(3)
	l.put(e)
	l.wire.lose(l.losses, nil)
	began := time.Now()
	_, err := l.Try(t.Context(), codes.Try{ID: e.ID, Code: codestest.Fresh(), Op: codes.NewOp()})
	if took := time.Since(began); !errors.Is(err, codes.ErrUnavailable) || took > opTimeout+slack {
		t.Errorf("Try = %v after %v", err, took)
	}
	if lost := l.wire.count(); lost < 2 {
		t.Errorf("%d replies lost: it did not go on trying", lost)
	}
	l.try(l.clean, e.ID, codestest.Fresh(), wrongLeft(e, 1))
}

// runFreshOp shows what the ops are for: a caller whose reply is
// lost and who asks again is charged once under the same op, twice under
// another.
func runFreshOp(t *testing.T, _ string, instance *redistest.Instance) {
	for _, test := range []struct {
		name  string
		again func(codes.Op) codes.Op
		left  int64
	}{
		{"same op", func(op codes.Op) codes.Op { return op }, 2},
		{"fresh op", func(codes.Op) codes.Op { return codes.NewOp() }, 1},
	} {
		l := openLossTest(t, instance, 1, codes.Limits{})
		e := newEntry(3)
		l.put(e)
		ctx, cancel := context.WithCancel(t.Context())
		try := codes.Try{ID: e.ID, Code: codestest.Fresh(), Op: codes.NewOp()}
		l.losing(cancel, func() { // the store does not repeat it by itself then
			if _, err := l.Try(ctx, try); !errors.Is(err, codes.ErrUnavailable) {
				t.Errorf("%s: Try = %v", test.name, err)
			}
		})
		try.Op = test.again(try.Op)
		if got, err := l.Try(t.Context(), try); err != nil || got != wrongLeft(e, test.left) {
			t.Errorf("%s: Try = %+v, %v; want %d left", test.name, got, err, test.left)
		}
	}
}

// TestLostReplyOnSockets loses replies between two real sockets.
func TestLostReplyOnSockets(t *testing.T) {
	instance := redistest.Server(t)
	proxy := redistest.NewProxy(t, instance.Addr)
	store := openURL(t, "redis://"+proxy.Addr()+"/0", instance.Mode, freshPrefix(), codes.Limits{})
	prepare(t, store)
	e := newEntry(3)
	if _, err := store.Put(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		code codes.Digest
		want codes.Outcome
	}{
		{codestest.Fresh(), wrongLeft(e, 2)},
		{codestest.Fresh(), wrongLeft(e, 1)},
		{e.Code, right},
		{e.Code, unknown},
	} {
		before := proxy.Dropped()
		proxy.DropReplies(2, "evalsha")
		got, err := store.Try(t.Context(), codes.Try{ID: e.ID, Code: step.code, Op: codes.NewOp()})
		if err != nil || codestest.Answer(got) != step.want {
			t.Errorf("Try = %+v, %v; want %+v", got, err, step.want)
		}
		if lost := proxy.Dropped() - before; lost != 2 {
			t.Errorf("%d replies lost", lost)
		}
	}
}

// TestLostReplyWaits: a right answer that is repeated on another connection
// counts no more than the first: only when a replica has it.
func TestLostReplyWaits(t *testing.T) {
	t.Parallel()
	instance := redistest.Sentinel(t)
	l := openLossTest(t, instance, 1, codes.Limits{})
	l.WaitForReplicas(1)
	e := newEntry(3)
	l.put(e)
	replicasHeard(t, instance.Nodes[:1])
	op := codes.NewOp()
	try := func() (codes.Outcome, error) {
		return l.Try(t.Context(), codes.Try{ID: e.ID, Code: e.Code, Op: op})
	}
	instance.Nodes[1].Signal(syscall.SIGSTOP)
	l.losing(nil, func() {
		if got, err := try(); !errors.Is(err, codes.ErrUnavailable) {
			t.Errorf("Try = %+v, %v while no replica takes note", got, err)
		}
	})
	instance.Nodes[1].Signal(syscall.SIGCONT)
	if got, err := try(); err != nil || got.Status != codes.Right {
		t.Errorf("Try = %+v, %v", got, err)
	}
}
