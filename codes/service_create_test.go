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
	f := newFixture(t).open()
	got, err := f.Create(context.Background(), request("id", seattle))
	want := codes.Created{Lifetime: time.Hour, Attempts: 3, Recipient: f.options.Secret.Phone(seattle)}
	if err != nil || got != want {
		t.Fatalf("Create = %+v, %v; want %+v", got, err, want)
	}
	code := f.sent()
	if m := f.sender.Messages(); len(m) != 1 || m[0].To != seattle || m[0].Text != codes.Text("Org: "+code) || len(code) != 6 {
		t.Fatalf("sent %d messages, the first to …%s with a code of %d digits", len(m), m[0].To.LastTwo(), len(code))
	}
	f.check("id", "0"+code, right)
}

func TestCreateReplaces(t *testing.T) {
	f := newFixture(t)
	f.options.Policy.CodeLength = 30 // never twice the same
	f.open()
	first := f.create("id", seattle)
	f.check("id", notThis(first), f.wrong(2, seattle))
	f.model.Advance(59 * time.Minute)
	second := f.create("id", toronto)
	f.model.Advance(59 * time.Minute) // the first would be over
	f.check("id", first, f.wrong(2, toronto))
	f.check("id", second, right)
}

// failedSends are the ways in which a message does not go out.
var failedSends = map[string]struct {
	err   error
	stays bool // the entry, and the places in the limits
}{
	"rejected":       {fmt.Errorf("carrier: %w", codes.ErrRejected), false},
	"sender refused": {fmt.Errorf("carrier: %w", codes.ErrSenderRefused), false},
	"busy":           {&codes.UnavailableError{RetryAfter: time.Minute, Cause: "carrier"}, false},
	"unconfirmed":    {fmt.Errorf("carrier: %w", codes.ErrUnconfirmed), true},
	"unforeseen":     {errors.New("a sender that breaks its contract"), true},
}

func TestCreateFailedSend(t *testing.T) {
	for name, test := range failedSends {
		for _, limit := range []string{"SEND_LIMITS 2/1h", "SEND_LIMITS_TOTAL 2/1h"} {
			t.Run(name+" under "+limit, func(t *testing.T) {
				f := newFixture(t)
				f.options.Policy.CodeLength = 30 // never twice the same
				if strings.Contains(limit, "TOTAL") {
					f.limits().Total = codestest.Windows(t, "2/1h")
				} else {
					f.limits().Sends = codestest.Windows(t, "2/1h")
				}
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
					f.limited("other", seattle, limit)
					f.check("id", before, f.wrong(2, seattle))
					return
				}
				// The code that the person has is as it was.
				f.status("id", codes.Progress{Stage: codes.StagePending, AttemptsLeft: 2, TTLLeft: 59 * time.Minute})
				f.check("id", before, right)
				f.create("other", seattle)
				f.limited("third", seattle, limit)
			})
		}
	}
}

// TestCreateDuringARefusedSend: a create that is refused removes its own entry,
// not that of a newer create.
func TestCreateDuringARefusedSend(t *testing.T) {
	for name, test := range failedSends {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.limits().Sends = codestest.Windows(t, "2/1h")
			f.open()
			var newer codes.Code
			older := f.sending(senderFunc(func(context.Context, codes.Message) (string, error) {
				newer = f.create("id", seattle)
				return "", test.err
			}))
			if _, err := older.Create(context.Background(), request("id", seattle)); !errors.Is(err, test.err) {
				t.Fatalf("Create = %v", err)
			}
			f.check("id", newer, right)
			if !test.stays {
				f.create("id", seattle)
			}
			f.limited("id", seattle, "SEND_LIMITS 2/1h")
		})
	}
}

// reserveAndFail reserves, and loses the reply.
type reserveAndFail struct{ codes.Store }

func (s reserveAndFail) Reserve(ctx context.Context, r codes.Reservation) (codes.Reserved, error) {
	_, _ = s.Store.Reserve(ctx, r)
	return codes.Reserved{}, codes.ErrUnavailable
}

// TestCreateNotReserved: nothing is sent without a reservation, and one that
// was made all the same is released.
func TestCreateNotReserved(t *testing.T) {
	f := newFixture(t)
	f.limits().Sends, f.limits().Total = codestest.Windows(t, "1/1h"), codestest.Windows(t, "1/1h")
	f.open()
	f.store.reserveErr = fmt.Errorf("store: %w", codes.ErrUnavailable)
	for range 2 {
		if _, err := f.Create(context.Background(), request("id", seattle)); !errors.Is(err, codes.ErrUnavailable) {
			t.Fatalf("Create = %v, want ErrUnavailable", err)
		}
		f.check("id", "000000", unknown)
		f.store.reserveErr, f.store.Store = nil, reserveAndFail{f.model}
	}
	if n := len(f.sender.Messages()); n != 0 {
		t.Fatalf("%d messages sent without a reservation", n)
	}
	f.store.Store = f.model
	f.create("id", seattle)
}

// TestCreateNotReleased: pending cleanup is in the error, and does not change
// what the caller is told.
func TestCreateNotReleased(t *testing.T) {
	f := newFixture(t).open()
	f.store.releaseErr = fmt.Errorf("no release: %w", codes.ErrUnavailable)
	f.sender.FailWith(fmt.Errorf("carrier: %w", codes.ErrRejected))
	_, err := f.Create(context.Background(), request("id", seattle))
	if !errors.Is(err, codes.ErrRejected) || errors.Is(err, codes.ErrUnavailable) || !strings.Contains(err.Error(), "no release") {
		t.Fatalf("Create = %v, want ErrRejected alone, with the cleanup that is pending", err)
	}
}

// hanging never answers a release.
type hanging struct{ codes.Store }

func (hanging) Release(ctx context.Context, _ codes.Reservation) (bool, error) {
	<-ctx.Done()
	return false, codes.ErrUnavailable
}

// TestCreateReleaseIsBounded: a store that hangs does not hold the caller up.
func TestCreateReleaseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t).open()
		f.store.Store = hanging{f.model}
		f.sender.FailWith(codes.ErrRejected)
		start := time.Now()
		_, err := f.Create(context.Background(), request("id", seattle))
		if took := time.Since(start); !errors.Is(err, codes.ErrRejected) || took > 500*time.Millisecond {
			t.Errorf("Create = %v after %v", err, took)
		}
	})
}

// TestCreateLimited: a refusal leaves everything as it was.
func TestCreateLimited(t *testing.T) {
	for name, test := range map[string]struct {
		limits func(*codes.Limits)
		want   error
	}{
		"sends":   {func(l *codes.Limits) { l.Sends = codestest.Windows(t, "1/1h") }, &codes.LimitError{Limit: "SEND_LIMITS 1/1h", RetryAfter: time.Hour}},
		"total":   {func(l *codes.Limits) { l.Total = codestest.Windows(t, "1/1h") }, &codes.LimitError{Kind: codes.TotalLimit, Limit: "SEND_LIMITS_TOTAL 1/1h", RetryAfter: time.Hour}},
		"guesses": {func(l *codes.Limits) { l.Guesses = codestest.Windows(t, "1/1h") }, &codes.LimitError{Kind: codes.GuessLimit, Limit: "GUESS_LIMITS 1/1h", RetryAfter: time.Hour}},
		"pace":    {func(l *codes.Limits) { l.Pace = codes.Pace{Rate: 1} }, &codes.UnavailableError{RetryAfter: 2 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			test.limits(f.limits())
			f.open()
			code := f.create("id", seattle)
			f.check("id", notThis(code), f.wrong(2, seattle))

			_, err := f.Create(context.Background(), request("id", seattle))
			var limit, wantLimit *codes.LimitError
			var busy, wantBusy *codes.UnavailableError
			switch {
			case errors.As(test.want, &wantLimit):
				if !errors.As(err, &limit) || *limit != *wantLimit || errors.Is(err, codes.ErrUnavailable) {
					t.Errorf("Create = %v, want %v", err, wantLimit)
				}
			case errors.As(test.want, &wantBusy):
				if !errors.As(err, &busy) || busy.RetryAfter != wantBusy.RetryAfter || !errors.Is(err, codes.ErrUnavailable) {
					t.Errorf("Create = %v, want unavailable for %v", err, wantBusy.RetryAfter)
				}
			}
			if f.store.releases != 0 || len(f.sender.Messages()) != 1 {
				t.Errorf("after the refusal: %d releases, %d messages", f.store.releases, len(f.sender.Messages()))
			}
			f.check("id", notThis(code), f.wrong(1, seattle))
			f.check("id", code, right)
		})
	}
}

// TestCreateWaitsForItsTurn: the message goes out at its turn, and the lifetime
// of the entry begins then.
func TestCreateWaitsForItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.limits().Pace.Rate = 1
		f.open()
		for i, want := range []time.Duration{0, codestest.TurnSpan} {
			start := time.Now()
			f.create("id", seattle)
			if waited := time.Since(start); waited != want {
				t.Errorf("message %d waited %v, want %v", i, waited, want)
			}
		}
	})
}

func TestCreateNotAllowed(t *testing.T) {
	f := newFixture(t)
	var err error
	if f.options.Numbers.Allowed, err = codes.ParseRecipients([]string{"1206"}, nil); err != nil {
		t.Fatal(err)
	}
	f.open()
	if _, err := f.Create(context.Background(), request("id", toronto)); !errors.Is(err, codes.ErrRecipientNotAllowed) {
		t.Errorf("Create = %v, want ErrRecipientNotAllowed", err)
	}
	if f.store.reserves != 0 || len(f.sender.Messages()) != 0 {
		t.Errorf("%d reservations, %d messages for a number that is not allowed", f.store.reserves, len(f.sender.Messages()))
	}
	f.check("id", f.create("id", seattle), right)
}

// TestCreateIsFinished: a caller that hangs up, before or in the middle,
// changes nothing of what a create does.
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
