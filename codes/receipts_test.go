package codes_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
)

var (
	buffered = codes.Receipt{MessageID: codestest.MessageID(1), Content: "2:message buffered:1003", Stage: codes.StageDelivered}
	rejected = codes.Receipt{MessageID: codestest.MessageID(1), Content: "2:smsc reject:1110", Stage: codes.StageFailed, Failure: codes.ByPhone}
)

// tracked is a fixture that tracks receipts.
func tracked(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t)
	f.limits().Sends, f.limits().Total = codestest.Windows(t, "1/1h"), codestest.Windows(t, "2/1h")
	f.options.TrackReceipts = true
	return f.open()
}

// receive takes a receipt, which must cause these events.
func (f *fixture) receive(r codes.Receipt, want codes.ReceiptResult, events ...codes.DeliveryEvents) {
	f.t.Helper()
	f.events.delivery = nil
	got, err := f.Receive(context.Background(), r)
	if err != nil || got != want || !slices.Equal(f.events.delivery, events) {
		f.t.Fatalf("Receive = %v, %v, and %+v; want %s, %+v", got, err, f.events.delivery, want, events)
	}
}

func (f *fixture) status(id codes.ID, want codes.Progress) {
	f.t.Helper()
	if got, err := f.Status(context.Background(), codes.StatusRequest{ID: id}); err != nil || got != want {
		f.t.Fatalf("Status = %+v, %v; want %+v", got, err, want)
	}
}

func TestReceipts(t *testing.T) {
	f := tracked(t)
	f.status("id", codes.Progress{})
	f.createAs(codes.CreateRequest{ID: "id", Recipient: toronto, Caller: "shop"})
	f.status("id", codes.Progress{Stage: codes.StageSent, AttemptsLeft: 3, TTLLeft: time.Hour})
	f.receive(buffered, codes.Joined, codes.DeliveryEvents{Delivered: true, Area: codes.AreaCA, Caller: "shop"})
	f.receive(buffered, codes.Duplicate)
	f.status("id", codes.Progress{Stage: codes.StageDelivered, AttemptsLeft: 3, TTLLeft: time.Hour})
	f.check("id", notThis(f.sent()), f.wrong(2, toronto))
	f.model.Advance(time.Minute)
	f.status("id", codes.Progress{Stage: codes.StageDelivered, AttemptsLeft: 2, TTLLeft: 59 * time.Minute})
	f.check("id", f.sent(), right)
	f.status("id", codes.Progress{})
	f.limited("id", toronto, "SEND_LIMITS 1/1h") // a delivered message stays counted
}

// TestRejectedIsRefunded: the number may have another message, but the rejected one
// still counts in the total, however often the receipt comes.
func TestRejectedIsRefunded(t *testing.T) {
	f := tracked(t)
	f.create("id", seattle)
	f.limited("id", seattle, "SEND_LIMITS 1/1h")
	f.receive(rejected, codes.Joined, codes.DeliveryEvents{Failed: true, Area: codes.AreaUS})
	f.status("id", codes.Progress{Stage: codes.StageFailed, Failure: codes.ByPhone, AttemptsLeft: 3, TTLLeft: time.Hour})
	f.receive(rejected, codes.Duplicate)
	f.create("id", seattle)
	f.limited("other", toronto, "SEND_LIMITS_TOTAL 2/1h")
}

// TestRejectedBeforeTheAnswer: the create itself refunds a message whose receipt came
// first.
func TestRejectedBeforeTheAnswer(t *testing.T) {
	f := tracked(t)
	f.receive(rejected, codes.Early)
	f.create("id", seattle)
	if want := []codes.DeliveryEvents{{Failed: true, Area: codes.AreaUS}}; !slices.Equal(f.events.delivery, want) {
		t.Fatalf("events %+v, want %+v", f.events.delivery, want)
	}
	f.receive(rejected, codes.Duplicate)
	f.create("id", seattle)
	f.limited("other", toronto, "SEND_LIMITS_TOTAL 2/1h")
}

// TestRefundFails: the event is reported, and the message is refunded when the receipt
// comes again.
func TestRefundFails(t *testing.T) {
	f := tracked(t)
	f.create("id", seattle)
	f.store.fail["Refund"] = codes.ErrUnavailable
	_, err := f.Receive(context.Background(), rejected)
	if !errors.Is(err, codes.ErrUnavailable) || len(f.events.delivery) != 1 || !f.events.delivery[0].Failed {
		t.Fatalf("Receive = %v, and %+v", err, f.events.delivery)
	}
	f.limited("id", seattle, "SEND_LIMITS 1/1h")
	f.store.fail["Refund"] = nil
	f.receive(rejected, codes.Duplicate)
	f.create("id", seattle)
}

// TestRecordFails: the create succeeds, since its SMS was sent.
func TestRecordFails(t *testing.T) {
	f := tracked(t)
	f.store.fail["RecordSent"], f.store.fail["Receive"] = codes.ErrUnavailable, codes.ErrUnavailable
	f.create("id", seattle)
	if e := f.events.created; len(e) != 1 || !e[0].Sent || !errors.Is(e[0].TrackingErr, codes.ErrUnavailable) {
		t.Fatalf("events %+v", e)
	}
	f.status("id", codes.Progress{Stage: codes.StagePending, AttemptsLeft: 3, TTLLeft: time.Hour})
	if _, err := f.Receive(context.Background(), buffered); !errors.Is(err, codes.ErrUnavailable) || len(f.events.delivery) != 0 {
		t.Errorf("Receive = %v, with %d events", err, len(f.events.delivery))
	}
	f.check("id", f.sent(), right)
}

// TestRotationReceipts: a receipt finds its message under either secret, even if the
// receipt came first.
func TestRotationReceipts(t *testing.T) {
	before, after := rotated(t)
	for _, f := range []*fixture{before, after} {
		f.options.TrackReceipts = true
		f.open()
	}
	after.receive(buffered, codes.Early)
	before.create("id", seattle)
	if e := before.events.delivery; len(e) != 1 || !e[0].Delivered {
		t.Fatalf("events %+v", e)
	}
	after.receive(rejected, codes.Joined, codes.DeliveryEvents{Failed: true, Area: codes.AreaUS})
	after.status("id", codes.Progress{Stage: codes.StageFailed, Failure: codes.ByPhone, AttemptsLeft: 3, TTLLeft: time.Hour})
}
