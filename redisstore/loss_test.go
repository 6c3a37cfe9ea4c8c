package redisstore_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/redisstore"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// runLostReply: when the replies to a script are lost, the store sends it again as
// the same operation, which has one effect and gets its first answer, whatever
// happened in between. codestest.RunRepetition shows more of what can happen.
func runLostReply(t *testing.T, _ string, instance *redistest.Instance) {
	for name, run := range map[string]func(lossTest){
		"right":         lostRight,
		"wrong":         lostWrong,
		"guess":         lostGuess,
		"reserve":       lostReserve,
		"release":       lostRelease,
		"refund":        lostRefund,
		"turn":          lostTurn,
		"cancel":        lostCancel,
		"both secrets":  lostMove,
		"claim":         lostClaim,
		"settle":        lostSettle,
		"receipt":       lostReceipt,
		"early receipt": lostEarlyReceipt,
		"sent":          lostSent,
	} {
		t.Run(name, func(t *testing.T) { run(openLossTest(t, instance, 2, redisstore.Options{})) })
	}
}

func lostRight(l lossTest) {
	r := newReservation(3)
	l.reserve(r)
	l.losing(func() { l.reserve(again(r)) }, func() { l.expect(l.Store, r, r.Entry.Code, right) })
	l.expect(l.clean, r, r.Entry.Code, right) // of the reservation in between
	l.expect(l.clean, r, r.Entry.Code, unknown)
}

func lostWrong(l lossTest) {
	r := newReservation(3)
	r.Entry.Recipient = codes.Digest{'\n', 0, ' ', 0xff, '%', '\r', '\n'}
	l.reserve(r)
	l.losing(nil, func() { l.expect(l.Store, r, codestest.Fresh(), wrongLeft(r, 2)) })
	l.losing(func() { l.reserve(again(r)) }, func() { l.expect(l.Store, r, codestest.Fresh(), wrongLeft(r, 1)) })
	l.expect(l.clean, r, codestest.Fresh(), wrongLeft(r, 2)) // the reservation in between lost no attempt
}

func lostGuess(l lossTest) {
	r := newReservation(9, guesses(l, "2/1h"))
	l.reserve(r)
	guess := func(s *redisstore.Store) {
		if _, err := s.Check(l.Context(), guessOf(r, codestest.Fresh(), r.Limits[0].Windows)); err != nil {
			l.Errorf("Check: %v", err)
		}
	}
	l.losing(nil, func() { guess(l.Store) })
	l.limited(l.clean, again(r), "")
	guess(l.clean)
	l.limited(l.clean, again(r), "GUESS_LIMITS 2/1h")
}

func lostReserve(l lossTest) {
	for _, limit := range []codes.Limit{sends(l, "2/1h"), total(l, "2/1h")} {
		r := newReservation(3, limit)
		l.losing(nil, func() { l.limited(l.Store, r, "") })
		r = again(r) // the last place, which is its own when it is sent again
		l.losing(nil, func() { l.limited(l.Store, r, "") })
		l.limited(l.clean, again(r), limit.Kind.Setting()+" 2/1h")
		l.expect(l.clean, r, codestest.Fresh(), wrongLeft(r, 2))
	}
}

func (l lossTest) release(s *redisstore.Store, r codes.Reservation) {
	l.Helper()
	if removed, err := s.Release(l.Context(), r); err != nil || !removed {
		l.Errorf("Release = %v, %v", removed, err)
	}
}

func lostRelease(l lossTest) {
	first := newReservation(3, sends(l, "2/1h"))
	second, third := again(first), again(first)
	third.Entry.Code = codestest.Fresh()
	l.reserve(first)
	l.reserve(second)
	l.losing(func() { l.release(l.clean, second) }, func() { l.release(l.Store, second) })
	l.limited(l.clean, third, "") // its place is free, once
	l.limited(l.clean, again(third), "SEND_LIMITS 2/1h")
	l.expect(l.clean, third, third.Entry.Code, right)
}

// lostRefund: a message is refunded once, and the refund is counted once.
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
	first := time.Now()
	turn := func(s *redisstore.Store) time.Duration {
		turn, err := s.NextTurn(l.Context(), newTurn())
		if err != nil {
			l.Errorf("NextTurn: %v", err)
		}
		return turn.Begin.Sub(first)
	}
	for range 2 {
		l.losing(nil, func() { turn(l.Store) })
	}
	if third := turn(l.clean); third > 2*codestest.TurnSpan+opTimeout {
		l.Errorf("the third turn comes %v after the first", third)
	}
}

func lostCancel(l lossTest) {
	r := newReservation(3)
	l.reserve(r)
	l.losing(func() { l.reserve(again(r)) }, func() {
		if _, err := l.Cancel(l.Context(), codes.Cancel{Name: r.Entry.Name, Op: codes.NewOp()}); err != nil {
			l.Errorf("Cancel: %v", err)
		}
	})
	l.expect(l.clean, r, codestest.Fresh(), wrongLeft(r, 2)) // the later one stays
}

// lostMove: an entry under the previous secret comes back when the one in its
// place is released.
func lostMove(l lossTest) {
	old, r := newReservation(3), newReservation(3)
	l.reserve(old)
	r.Entry.Name.Previous = old.Entry.Name.Current
	l.losing(nil, func() { l.limited(l.Store, r, "") })
	l.expect(l.clean, old, old.Entry.Code, unknown)
	l.release(l.clean, r)
	c := checkOf(r, codestest.Fresh())
	c.PreviousCode = old.Entry.Code
	if got, err := l.clean.Check(l.Context(), c); err != nil || got.Status != codes.Right {
		l.Errorf("Check = %+v, %v", got, err)
	}
}

func newClaim() codes.Claim {
	return codes.Claim{Key: codestest.Fresh(), Arguments: codestest.Fresh(), Op: codes.NewOp(), Lease: time.Minute}
}

// claim expects that c is running for another op, or that it may run.
func (l lossTest) claim(s *redisstore.Store, c codes.Claim, running bool) {
	l.Helper()
	var busy *codes.InProgressError
	answer, op, err := s.Claim(l.Context(), c)
	if running && !errors.As(err, &busy) || !running && (err != nil || answer != "" || op != c.Op) {
		l.Errorf("Claim = %q, %v, %v", answer, op, err)
	}
}

func lostClaim(l lossTest) {
	c := newClaim()
	other := c
	other.Op = codes.NewOp()
	l.losing(func() { l.claim(l.clean, other, true) }, func() { l.claim(l.Store, c, false) })
	l.losing(nil, func() { l.claim(l.Store, other, true) })
}

// lostSettle: a request is dropped and claimed by another op before it is dropped
// again, which must not drop the other one's claim.
func lostSettle(l lossTest) {
	c := newClaim()
	other, third := c, c
	other.Op, third.Op = codes.NewOp(), codes.NewOp()
	l.claim(l.clean, c, false)
	l.losing(func() { l.claim(l.clean, other, false) }, func() {
		if _, err := l.Settle(l.Context(), c, ""); err != nil {
			l.Errorf("Settle: %v", err)
		}
	})
	l.claim(l.clean, third, true)
}

func (l lossTest) message() codes.SentMessage {
	r := newReservation(3)
	l.reserve(r)
	return codes.SentMessage{
		Message: codestest.Fresh(), Entry: r.Entry.Name, Op: r.Op, Recipient: r.Entry.Recipient, Keep: time.Hour,
	}
}

func (l lossTest) sent(s *redisstore.Store, m codes.SentMessage, want codes.DeliveryEvents) {
	l.Helper()
	if got, err := s.RecordSent(l.Context(), m); err != nil || got != want {
		l.Errorf("RecordSent = %+v, %v; want %+v", got, err, want)
	}
}

// receive records the receipt of a message that was delivered or failed.
func (l lossTest) receive(s *redisstore.Store, m codes.SentMessage, stage codes.Stage, want codes.ReceiptResult, events codes.DeliveryEvents) {
	l.Helper()
	got, err := s.Receive(l.Context(), receiptOf(m, stage))
	if err != nil || got.Result != want || got.Events != events {
		l.Errorf("Receive = %+v, %v; want %s, %+v", got, err, want, events)
	}
}

// lostReceipt: the same receipt that arrives in between is the duplicate.
func lostReceipt(l lossTest) {
	m := l.message()
	l.sent(l.clean, m, codes.DeliveryEvents{})
	l.losing(func() { l.receive(l.clean, m, codes.StageDelivered, codes.Duplicate, codes.DeliveryEvents{}) }, func() {
		l.receive(l.Store, m, codes.StageDelivered, codes.Joined, codes.DeliveryEvents{Delivered: true})
	})
}

// lostEarlyReceipt: the message that is recorded in between counts the receipt.
func lostEarlyReceipt(l lossTest) {
	m := l.message()
	l.losing(func() { l.sent(l.clean, m, codes.DeliveryEvents{Failed: true}) }, func() {
		l.receive(l.Store, m, codes.StageFailed, codes.Joined, codes.DeliveryEvents{})
	})
}

func lostSent(l lossTest) {
	m := l.message()
	l.receive(l.clean, m, codes.StageDelivered, codes.Early, codes.DeliveryEvents{})
	l.losing(func() { l.receive(l.clean, m, codes.StageFailed, codes.Joined, codes.DeliveryEvents{Failed: true}) }, func() {
		l.sent(l.Store, m, codes.DeliveryEvents{Delivered: true})
	})
	if got, err := l.clean.Peek(l.Context(), m.Entry); err != nil || got.Message != m.Message {
		l.Errorf("Peek = %+v, %v", got, err)
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
		t.Errorf("%d replies lost: the store did not retry", lost)
	}
	l.expect(l.clean, r, codestest.Fresh(), wrongLeft(r, 1))
}
