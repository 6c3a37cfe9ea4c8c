package codes_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
)

func TestCreate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // so that no time passes
		f := newFixture(t)
		f.limits().Sends = codestest.Windows(t, "1/1m")
		f.open()
		f.created(request("id", seattle), codes.Created{Lifetime: time.Hour, Attempts: 3, ResendAfter: time.Minute})
		code := f.sent()
		if m := f.sender.Messages(); len(m) != 1 || m[0].To != seattle || m[0].Text != codes.Text("Org: "+code) || len(code) != 6 {
			t.Fatalf("sent %d messages, the first to …%s with a code of %d digits", len(m), m[0].To.LastTwo(), len(code))
		}
		f.check("id", "0"+code, right)
	})
}

func TestCreateFailedSend(t *testing.T) {
	for name, test := range map[string]struct {
		err   error
		stays bool // the entry and its counts
	}{
		"rejected":       {fmt.Errorf("carrier: %w", codes.ErrRejected), false},
		"sender refused": {fmt.Errorf("carrier: %w", codes.ErrSenderRefused), false},
		"busy":           {&codes.UnavailableError{RetryAfter: time.Minute, Cause: "carrier"}, false},
		"unconfirmed":    {fmt.Errorf("carrier: %w", codes.ErrUnconfirmed), true},
		"unforeseen":     {errors.New("a sender that breaks its contract"), true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.options.Policy.CodeLength = 30 // never twice the same
			f.limits().Sends = codestest.Windows(t, "2/1h")
			f.open()
			before := f.create("id", seattle)
			f.check("id", notThis(before), f.wrong(2, seattle))
			f.model.Advance(time.Minute)
			f.sender.FailWith(test.err)
			if _, err := f.Create(context.Background(), request("id", seattle)); !errors.Is(err, test.err) {
				t.Fatalf("Create = %v; want the sender's error", err)
			}
			f.sender.FailWith(nil)
			if test.stays {
				f.limited("other", seattle, "SEND_LIMITS 2/1h")
				f.check("id", before, f.wrong(2, seattle))
				return
			}
			// The previous code is as it was.
			f.status("id", codes.Progress{Stage: codes.StagePending, AttemptsLeft: 2, TTLLeft: 59 * time.Minute})
			f.check("id", before, right)
			f.create("other", seattle)
			f.limited("third", seattle, "SEND_LIMITS 2/1h")
		})
	}
}

// hanging never answers a release.
type hanging struct{ codes.Store }

func (hanging) Release(ctx context.Context, _ codes.Reservation) (bool, error) {
	<-ctx.Done()
	return false, fmt.Errorf("no release: %w", codes.ErrUnavailable)
}

// TestCreateNotReleased: a store that hangs does not block the caller. The error contains
// the pending cleanup, which does not change the answer.
func TestCreateNotReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t).open()
		f.store.Store = hanging{f.model}
		f.sender.FailWith(codes.ErrRejected)
		start := time.Now()
		_, err := f.Create(context.Background(), request("id", seattle))
		if took := time.Since(start); took > 500*time.Millisecond {
			t.Errorf("Create took %v", took)
		}
		if !errors.Is(err, codes.ErrRejected) || errors.Is(err, codes.ErrUnavailable) || !strings.Contains(err.Error(), "no release") {
			t.Errorf("Create = %v, want ErrRejected alone, with the cleanup that is pending", err)
		}
	})
}

// TestCreateIsFinished: a caller that hangs up, before or during a create, does not
// change its effect.
func TestCreateIsFinished(t *testing.T) {
	f := newFixture(t)
	f.limits().Sends = codestest.Windows(t, "2/1h")
	f.open()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := f.Create(ctx, request("id", seattle)); err != nil {
		t.Fatalf("Create = %v under a cancelled context", err)
	}
	f.check("id", f.sent(), right)

	ctx, cancel = context.WithCancel(context.Background())
	defer cancel()
	refusing := f.sending(senderFunc(func(inner context.Context, _ codes.Message) (string, error) {
		cancel()
		if inner.Err() != nil {
			t.Error("the sender's context ended with the caller's")
		}
		return "", codes.ErrRejected
	}))
	if _, err := refusing.Create(ctx, request("id", seattle)); !errors.Is(err, codes.ErrRejected) || strings.Contains(err.Error(), "pending") {
		t.Fatalf("Create = %v, want ErrRejected, cleaned up", err)
	}
	f.check("id", "000000", unknown)
	f.create("id", seattle)
	f.limited("id", seattle, "SEND_LIMITS 2/1h")
}
