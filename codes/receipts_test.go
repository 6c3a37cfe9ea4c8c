package codes_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
)

var (
	buffered = codes.Receipt{MessageID: codestest.MessageID(1), Content: "2:message buffered:1003", Stage: codes.Delivered}
	rejected = codes.Receipt{MessageID: codestest.MessageID(1), Content: "2:smsc reject:1110", Stage: codes.Failed, Failure: codes.ByPhone}
)

// tracked is a fixture that keeps receipts.
func tracked(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t)
	f.limits = codes.Limits{Sends: codestest.Windows(t, "1/1h"), Total: codestest.Windows(t, "2/1h")}
	f.open()
	f.WithReceipts(f.model)
	return f
}

func (f *fixture) receive(r codes.Receipt, want codes.Result, news codes.News) {
	f.t.Helper()
	got, err := f.Receive(context.Background(), r)
	if err != nil || got.Result != want || got.News != news {
		f.t.Fatalf("Receive = %+v, %v; want %s, %+v", got, err, want, news)
	}
}

func (f *fixture) progress(id codes.ID, want codes.Progress) {
	f.t.Helper()
	if got, err := f.Progress(context.Background(), id); err != nil || got != want {
		f.t.Fatalf("Progress = %+v, %v; want %+v", got, err, want)
	}
}

func TestReceipts(t *testing.T) {
	f := tracked(t)
	f.progress("id", codes.Progress{})
	ctx := codes.WithCaller(context.Background(), "shop")
	if got, err := f.Create(ctx, "id", toronto); err != nil || got.NoteErr != nil || got.News != (codes.News{Area: "ca", Caller: "shop"}) {
		t.Fatalf("Create = %+v, %v", got, err)
	}
	f.progress("id", codes.Progress{Stage: codes.Sent, Left: 3, Remaining: time.Hour})
	f.receive(buffered, codes.Joined, codes.News{Delivered: true, Area: "ca", Caller: "shop"})
	f.receive(buffered, codes.Duplicate, codes.News{Area: "ca", Caller: "shop"})
	f.progress("id", codes.Progress{Stage: codes.Delivered, Left: 3, Remaining: time.Hour})
	f.verify("id", notThis(f.sent()), f.wrong(2, toronto))
	f.model.Advance(time.Minute)
	f.progress("id", codes.Progress{Stage: codes.Delivered, Left: 2, Remaining: 59 * time.Minute})
	f.verify("id", f.sent(), right)
	f.progress("id", codes.Progress{})
	f.limited("id", toronto, "SEND_LIMITS 1/1h") // what arrived stays counted
}

// TestRejectedGivesBack: the number may have another message, but what the
// service spent stays spent, however often the receipt comes.
func TestRejectedGivesBack(t *testing.T) {
	f := tracked(t)
	f.create("id", seattle)
	f.limited("id", seattle, "SEND_LIMITS 1/1h")
	f.receive(rejected, codes.Joined, codes.News{Failed: true, Area: "us"})
	f.progress("id", codes.Progress{Stage: codes.Failed, Failure: codes.ByPhone, Left: 3, Remaining: time.Hour})
	f.receive(rejected, codes.Duplicate, codes.News{Area: "us"})
	f.create("id", seattle)
	f.limited("other", toronto, "SEND_LIMITS_TOTAL 2/1h")
}

// TestRejectedBeforeTheAnswer: the create itself gives back what its message took.
func TestRejectedBeforeTheAnswer(t *testing.T) {
	f := tracked(t)
	f.receive(rejected, codes.Early, codes.News{})
	got, err := f.Create(context.Background(), "id", seattle)
	if err != nil || got.NoteErr != nil || got.News != (codes.News{Failed: true, Area: "us"}) {
		t.Fatalf("Create = %+v, %v", got, err)
	}
	f.receive(rejected, codes.Duplicate, codes.News{Area: "us"})
	f.create("id", seattle)
	f.limited("other", toronto, "SEND_LIMITS_TOTAL 2/1h")
}

// TestReturnFails: the news are told all the same, and what was not given back
// is when the receipt comes again.
func TestReturnFails(t *testing.T) {
	f := tracked(t)
	f.create("id", seattle)
	f.limiter.returnErr = codes.ErrUnavailable
	got, err := f.Receive(context.Background(), rejected)
	if !errors.Is(err, codes.ErrUnavailable) || !got.News.Failed {
		t.Fatalf("Receive = %+v, %v", got, err)
	}
	f.limited("id", seattle, "SEND_LIMITS 1/1h")
	f.limiter.returnErr = nil
	f.receive(rejected, codes.Duplicate, codes.News{Area: "us"})
	f.create("id", seattle)
}

// TestNoteFails: the SMS went out, so the create is answered as one that did.
func TestNoteFails(t *testing.T) {
	f := tracked(t)
	f.WithReceipts(noReceipts{f.model})
	got, err := f.Create(context.Background(), "id", seattle)
	if err != nil || !errors.Is(got.NoteErr, codes.ErrUnavailable) {
		t.Fatalf("Create = %+v, %v", got, err)
	}
	f.progress("id", codes.Progress{Stage: codes.Made, Left: 3, Remaining: time.Hour})
	if _, err := f.Receive(context.Background(), buffered); !errors.Is(err, codes.ErrUnavailable) {
		t.Errorf("Receive = %v", err)
	}
	f.verify("id", f.sent(), right)
}

// noReceipts are receipts that cannot be kept.
type noReceipts struct{ codes.Receipts }

func (noReceipts) Sent(context.Context, codes.SentMessage) (codes.News, error) {
	return codes.News{}, codes.ErrUnavailable
}

func (noReceipts) Receive(context.Context, codes.Note) (codes.Received, error) {
	return codes.Received{}, codes.ErrUnavailable
}

// TestProgressTellsNoExpiry: it is left for the check to be told of it.
func TestProgressTellsNoExpiry(t *testing.T) {
	f := newFixture(t).open() // without receipts
	code := f.create("id", seattle)
	f.progress("id", codes.Progress{Stage: codes.Made, Left: 3, Remaining: time.Hour})
	f.model.Advance(time.Hour)
	f.progress("id", codes.Progress{Stage: codes.Over})
	f.progress("id", codes.Progress{Stage: codes.Over})
	f.verify("id", code, codes.Outcome{Status: codes.Expired})
	f.progress("id", codes.Progress{})
}

// TestRotationReceipts: a message is found under either secret, also by a
// receipt that came first.
func TestRotationReceipts(t *testing.T) {
	before, after := rotated(t)
	before.WithReceipts(before.model)
	after.WithReceipts(before.model)
	after.receive(buffered, codes.Early, codes.News{})
	got, err := before.Create(context.Background(), "id", seattle)
	if err != nil || !got.News.Delivered {
		t.Fatalf("Create = %+v, %v", got, err)
	}
	after.receive(rejected, codes.Joined, codes.News{Failed: true, Area: "us"})
	after.progress("id", codes.Progress{Stage: codes.Failed, Failure: codes.ByPhone, Left: 3, Remaining: time.Hour})
}

func TestAreaOf(t *testing.T) {
	for number, want := range map[codes.Phone]string{
		seattle: "us", toronto: "ca", "18765551234": "caribbean", "18005551234": "tollfree", "19005551234": "premium",
		"15005551234": "other", "12": "other", "": "other", "19395551234": "us",
	} {
		if got := codes.AreaOf(number); got != want {
			t.Errorf("AreaOf(%s…) = %s, want %s", string(number[:min(4, len(number))]), got, want)
		}
	}
}
