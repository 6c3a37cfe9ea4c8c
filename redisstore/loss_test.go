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
	for name, run := range map[string]func(lossTest){
		"right":            lostRight,
		"wrong":            lostWrong,
		"last wrong":       lostLastWrong,
		"unknown":          lostUnknown,
		"expired":          lostExpired,
		"reserve":          lostReserve,
		"reserve, limited": lostLimited,
		"release":          lostRelease,
		"refund":           lostRefund,
		"turn":             lostTurn,
		"guess":            lostGuess,
		"cancel":           lostCancel,
		"both secrets":     lostMove,
		"claim":            lostClaim,
		"receipt":          lostReceipt,
		"early receipt":    lostEarly,
		"sent":             lostSent,
	} {
		for _, losses := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s %d", name, losses), func(t *testing.T) {
				run(openLossTest(t, instance, losses, redisstore.Options{}))
			})
		}
	}
}

func lostRight(l lossTest) {
	r := newReservation(3)
	l.reserve(r)
	l.losing(nil, func() { l.expect(l.Store, r, r.Entry.Code, right) })
	l.expect(l.clean, r, r.Entry.Code, unknown)

	l.reserve(again(r))
	l.losing(func() { l.reserve(again(r)) }, func() { l.expect(l.Store, r, r.Entry.Code, right) })
	l.expect(l.clean, r, r.Entry.Code, right) // of the reservation that came between
}

func lostWrong(l lossTest) {
	r := newReservation(3)
	r.Entry.Recipient = codes.Digest{'\n', 0, ' ', 0xff, '%', '\r', '\n'}
	l.reserve(r)
	l.losing(nil, func() { l.expect(l.Store, r, codestest.Fresh(), wrongLeft(r, 2)) })
	l.expect(l.clean, r, codestest.Fresh(), wrongLeft(r, 1))

	l.losing(func() { l.reserve(again(r)) }, func() { l.expect(l.Store, r, codestest.Fresh(), wrongLeft(r, 0)) })
	l.expect(l.clean, r, codestest.Fresh(), wrongLeft(r, 2)) // the reservation that came between is not charged
}

func lostLastWrong(l lossTest) {
	r := newReservation(1)
	l.reserve(r)
	l.losing(nil, func() { l.expect(l.Store, r, codestest.Fresh(), wrongLeft(r, 0)) })
	l.expect(l.clean, r, r.Entry.Code, unknown)
}

func lostUnknown(l lossTest) {
	r := newReservation(1)
	l.losing(nil, func() { l.expect(l.Store, r, codestest.Fresh(), unknown) })
}

func lostExpired(l lossTest) {
	r := withLifetime(newReservation(3), time.Second)
	l.reserve(r)
	l.advance(1100 * time.Millisecond)
	l.losing(nil, func() { l.expect(l.Store, r, r.Entry.Code, expired) })
	l.expect(l.clean, r, r.Entry.Code, unknown)
}

func lostReserve(l lossTest) {
	r := newReservation(3)
	l.losing(nil, func() { l.limited(l.Store, r, "") })
	l.expect(l.clean, r, codestest.Fresh(), wrongLeft(r, 2))

	next := again(r)
	l.losing(func() { l.expect(l.clean, r, r.Entry.Code, right) }, func() { l.limited(l.Store, next, "") })
	if l.clean.Split() { // the last of several steps is the one that stores
		return
	}
	l.expect(l.clean, r, r.Entry.Code, unknown) // a used code does not come back
}

func lostLimited(l lossTest) {
	for _, limit := range []codes.Limit{sends(l, "2/1h"), total(l, "2/1h")} {
		r := newReservation(3, limit)
		l.losing(nil, func() { l.limited(l.Store, r, "") })
		r = again(r) // the last place, which is the reservation's own
		l.losing(nil, func() { l.limited(l.Store, r, "") })
		l.limited(l.clean, again(r), limit.Kind.Setting()+" 2/1h")
	}
}

func (l lossTest) release(s *redisstore.Store, r codes.Reservation, want bool) {
	l.Helper()
	if removed, err := s.Release(l.Context(), r); err != nil || removed != want {
		l.Errorf("Release = %v, %v; want %v", removed, err, want)
	}
}

func lostRelease(l lossTest) {
	first := newReservation(3, sends(l, "2/1h"))
	second, third := again(first), again(first)
	second.Entry.Code, third.Entry.Code = codestest.Fresh(), codestest.Fresh()
	l.reserve(first)
	l.reserve(second)
	l.losing(nil, func() { l.release(l.Store, second, true) })
	l.expect(l.clean, first, codestest.Fresh(), wrongLeft(first, 2))

	second = again(second)
	l.reserve(second)
	l.losing(func() { l.release(l.clean, second, true) }, func() { l.release(l.Store, second, true) })
	l.limited(l.clean, third, "") // its place is free, once
	l.limited(l.clean, again(third), "SEND_LIMITS 2/1h")
	l.expect(l.clean, third, third.Entry.Code, right)
}

// lostRefund: one place is freed, and counted as freed once.
func lostRefund(l lossTest) {
	r := newReservation(3, sends(l, "1/1h"))
	refund := func(s *redisstore.Store, r codes.Reservation) {
		l.Helper()
		if err := s.Refund(l.Context(), r.Op, r.Limits[:1]); err != nil {
			l.Errorf("Refund: %v", err)
		}
	}
	l.reserve(r)
	l.losing(func() { refund(l.clean, r) }, func() { refund(l.Store, r) })
	second := again(r)
	l.reserve(second)
	l.losing(nil, func() { refund(l.Store, second) }) // one too many
	l.limited(l.clean, again(r), "SEND_LIMITS 1/1h")
}

func lostTurn(l lossTest) {
	pace := codes.Pace{Rate: 1, MaxWait: time.Minute}
	turn := func(s *redisstore.Store) time.Duration {
		turn, err := s.NextTurn(l.Context(), codes.Reservation{Op: codes.NewOp(), Pace: pace, WaitLeft: pace.MaxWait})
		if err != nil {
			l.Errorf("NextTurn: %v", err)
		}
		return time.Until(turn.Begin)
	}
	first := time.Now()
	l.losing(nil, func() {
		if wait := turn(l.Store); wait > 0 {
			l.Errorf("wait %v for the first turn", wait)
		}
	})
	l.losing(nil, func() { turn(l.Store) })
	if wait := turn(l.clean); time.Since(first)+wait > 2*codestest.TurnSpan+opTimeout {
		l.Errorf("the third turn comes %v after the first", time.Since(first)+wait)
	}
}

func lostGuess(l lossTest) {
	r := newReservation(9, guesses(l, "2/1h"))
	l.reserve(r)
	guess := func(s *redisstore.Store) {
		c := checkOf(r, codestest.Fresh())
		c.Guesses = r.Limits[0].Windows
		if _, err := s.Check(l.Context(), c); err != nil {
			l.Errorf("Check: %v", err)
		}
	}
	l.losing(nil, func() { guess(l.Store) })
	l.limited(l.clean, again(r), "")
	guess(l.clean)
	l.limited(l.clean, again(r), "GUESS_LIMITS 2/1h")
}

func lostCancel(l lossTest) {
	r := newReservation(3)
	l.reserve(r)
	cancel := func() {
		if _, err := l.Cancel(l.Context(), codes.Cancel{Name: r.Entry.Name, Op: codes.NewOp()}); err != nil {
			l.Errorf("Cancel: %v", err)
		}
	}
	l.losing(func() { l.reserve(again(r)) }, cancel)
	l.expect(l.clean, r, codestest.Fresh(), wrongLeft(r, 2)) // the later one stays
}

// lostMove: an entry under the previous secret comes back when the one in its
// place is released.
func lostMove(l lossTest) {
	old := newReservation(3)
	l.reserve(old)
	r := newReservation(3)
	r.Entry.Name.Previous = old.Entry.Name.Current
	l.losing(nil, func() { l.limited(l.Store, r, "") })
	l.expect(l.clean, old, old.Entry.Code, unknown)
	l.release(l.clean, r, true)
	c := checkOf(r, codestest.Fresh())
	c.PreviousCode = old.Entry.Code
	if got, err := l.clean.Check(l.Context(), c); err != nil || got.Status != codes.Right {
		l.Errorf("Check = %+v, %v", got, err)
	}
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
			l.Errorf("Claim = %q, %v, %v", answer, op, err)
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

// runEveryReplyLost: the caller is answered in time, and at most one attempt is spent.
func runEveryReplyLost(t *testing.T, _ string, instance *redistest.Instance) {
	l := openLossTest(t, instance, math.MaxInt, redisstore.Options{})
	r := newReservation(3)
	l.reserve(r)
	l.wire.lose(l.losses, nil)
	began := time.Now()
	_, err := l.Check(t.Context(), checkOf(r, codestest.Fresh()))
	if took := time.Since(began); !errors.Is(err, codes.ErrUnavailable) || took > opTimeout+slack {
		t.Errorf("Check = %v after %v", err, took)
	}
	if lost := l.wire.count(); lost < 2 {
		t.Errorf("%d replies lost: it did not go on trying", lost)
	}
	l.expect(l.clean, r, codestest.Fresh(), wrongLeft(r, 1))
}

// runFreshOp shows what the ops are for: a caller whose reply is lost and who
// asks again is charged once under the same op, twice under another.
func runFreshOp(t *testing.T, _ string, instance *redistest.Instance) {
	for _, test := range []struct {
		name  string
		again func(codes.Op) codes.Op
		left  int64
	}{
		{"same op", func(op codes.Op) codes.Op { return op }, 2},
		{"fresh op", func(codes.Op) codes.Op { return codes.NewOp() }, 1},
	} {
		l := openLossTest(t, instance, 1, redisstore.Options{})
		r := newReservation(3)
		l.reserve(r)
		ctx, cancel := context.WithCancel(t.Context())
		c := checkOf(r, codestest.Fresh())
		l.losing(cancel, func() { // the store does not repeat it by itself then
			if _, err := l.Check(ctx, c); !errors.Is(err, codes.ErrUnavailable) {
				t.Errorf("%s: Check = %v", test.name, err)
			}
		})
		c.Op = test.again(c.Op)
		if got, err := l.Check(t.Context(), c); err != nil || got.Outcome != wrongLeft(r, test.left) {
			t.Errorf("%s: Check = %+v, %v; want %d left", test.name, got, err, test.left)
		}
	}
}

// TestLostReplyOnSockets loses replies between two real sockets.
func TestLostReplyOnSockets(t *testing.T) {
	instance := redistest.Server(t)
	proxy := redistest.NewProxy(t, instance.Addr)
	store := openURL(t, "redis://"+proxy.Addr()+"/0", instance.Mode, redisstore.Options{Prefix: freshPrefix()})
	prepare(t, store)
	r := newReservation(3)
	mustReserve(t, store, r)
	for _, step := range []struct {
		code codes.Digest
		want codes.Outcome
	}{
		{codestest.Fresh(), wrongLeft(r, 2)},
		{codestest.Fresh(), wrongLeft(r, 1)},
		{r.Entry.Code, right},
		{r.Entry.Code, unknown},
	} {
		before := proxy.Dropped()
		proxy.DropReplies(2, "evalsha")
		expect(t, store, r, step.code, step.want)
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
	l := openLossTest(t, instance, 1, redisstore.Options{MinReplicas: 1})
	r := newReservation(3)
	l.reserve(r)
	replicasHeard(t, instance.Nodes[:1])
	c := checkOf(r, r.Entry.Code)
	instance.Nodes[1].Signal(syscall.SIGSTOP)
	l.losing(nil, func() {
		if got, err := l.Check(t.Context(), c); !errors.Is(err, codes.ErrUnavailable) {
			t.Errorf("Check = %+v, %v while no replica acknowledges", got, err)
		}
	})
	instance.Nodes[1].Signal(syscall.SIGCONT)
	if got, err := l.Check(t.Context(), c); err != nil || got.Status != codes.Right {
		t.Errorf("Check = %+v, %v", got, err)
	}
}
