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
	got, err := f.Create(context.Background(), "id", seattle)
	want := codes.Created{Expiration: time.Hour, Attempts: 3, MessageID: codestest.MessageID(1)}
	if err != nil || got != want {
		t.Fatalf("Create = %+v, %v; want %+v", got, err, want)
	}
	code := f.sent()
	if m := f.sender.Messages(); len(m) != 1 || m[0].To != seattle || m[0].Text != codes.Text("Org: "+code) || len(code) != 6 {
		t.Fatalf("sent %d messages, the first to …%s with a code of %d digits", len(m), m[0].To.LastTwo(), len(code))
	}
	f.verify("id", "0"+code, right)
}

func TestCreateReplaces(t *testing.T) {
	f := newFixture(t)
	f.rules.CodeLength = 30 // never twice the same
	f.open()
	first := f.create("id", seattle)
	f.verify("id", notThis(first), f.wrong(2, seattle))
	f.model.Advance(59 * time.Minute)
	second := f.create("id", toronto)
	f.model.Advance(59 * time.Minute) // the first would be over
	f.verify("id", first, f.wrong(2, toronto))
	f.verify("id", second, right)
}

// failedSends are the ways in which a message does not go out.
var failedSends = map[string]struct {
	err   error
	stays bool // the entry, and the places in the limits
}{
	"rejected":    {fmt.Errorf("carrier: %w", codes.ErrRejected), false},
	"unavailable": {fmt.Errorf("carrier: %w", codes.ErrUnavailable), false},
	"busy":        {&codes.UnavailableError{RetryAfter: time.Second, Cause: "carrier"}, false},
	"unconfirmed": {fmt.Errorf("carrier: %w", codes.ErrUnconfirmed), true},
}

func TestCreateFailedSend(t *testing.T) {
	for name, test := range failedSends {
		for _, limit := range []string{"SEND_LIMITS 1/1h", "SEND_LIMITS_TOTAL 1/1h"} {
			t.Run(name+" under "+limit, func(t *testing.T) {
				f := newFixture(t)
				if strings.Contains(limit, "TOTAL") {
					f.limits.Total = codestest.Windows(t, "1/1h")
				} else {
					f.limits.Sends = codestest.Windows(t, "1/1h")
				}
				f.open()
				f.sender.FailWith(test.err)
				created, err := f.Create(context.Background(), "id", seattle)
				if !errors.Is(err, test.err) || created != (codes.Created{}) {
					t.Fatalf("Create = %+v, %v; want the sender's error", created, err)
				}
				f.sender.FailWith(nil)
				if test.stays {
					f.limited("other", seattle, limit)
					f.verify("id", f.sent(), right)
					return
				}
				f.verify("id", "000000", unknown)
				f.create("other", seattle)
				f.limited("third", seattle, limit)
			})
		}
	}
}

func TestCreateUnknownFailureKeepsTheEntry(t *testing.T) {
	f := newFixture(t).open()
	f.sender.FailWith(errors.New("a sender that breaks its contract"))
	if _, err := f.Create(context.Background(), "id", seattle); err == nil {
		t.Fatal("no error")
	}
	if got, err := f.Verify(context.Background(), "id", "x"); err != nil || got.Status != codes.Wrong {
		t.Errorf("Verify = %+v, %v: the message may have gone out, and the entry is gone", got, err)
	}
}

// TestCreateDuringARefusedSend: a create that is refused takes its own entry
// back, not that of a newer create.
func TestCreateDuringARefusedSend(t *testing.T) {
	for name, test := range failedSends {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.limits.Sends = codestest.Windows(t, "2/1h")
			f.open()
			var newer codes.Code
			older := f.sending(senderFunc(func(context.Context, codes.Message) (string, error) {
				newer = f.create("id", seattle)
				return "", test.err
			}))
			if _, err := older.Create(context.Background(), "id", seattle); !errors.Is(err, test.err) {
				t.Fatalf("Create = %v", err)
			}
			f.verify("id", newer, right)
			if !test.stays {
				f.create("id", seattle)
			}
			f.limited("id", seattle, "SEND_LIMITS 2/1h")
		})
	}
}

func TestCreateFailedPut(t *testing.T) {
	f := newFixture(t)
	f.limits.Sends, f.limits.Total = codestest.Windows(t, "1/1h"), codestest.Windows(t, "1/1h")
	f.open()
	f.store.putErr = fmt.Errorf("store: %w", codes.ErrUnavailable)
	if _, err := f.Create(context.Background(), "id", seattle); !errors.Is(err, codes.ErrUnavailable) {
		t.Fatalf("Create = %v, want ErrUnavailable", err)
	}
	if n := len(f.sender.Messages()); n != 0 {
		t.Fatalf("%d messages sent without an entry", n)
	}
	f.store.putErr = nil
	f.create("id", seattle)
}

// TestCreatePutThatRan: a put that failed may have taken effect.
func TestCreatePutThatRan(t *testing.T) {
	f := newFixture(t).open()
	f.store.Store = putAndFail{f.model}
	if _, err := f.Create(context.Background(), "id", seattle); !errors.Is(err, codes.ErrUnavailable) {
		t.Fatalf("Create = %v, want ErrUnavailable", err)
	}
	f.verify("id", "000000", unknown)
}

type putAndFail struct{ codes.Store }

func (s putAndFail) Put(ctx context.Context, e codes.Entry) error {
	_ = s.Store.Put(ctx, e)
	return codes.ErrUnavailable
}

// TestCreateNotUndone: what could not be undone is told, and does not change
// what the caller learns.
func TestCreateNotUndone(t *testing.T) {
	noDelete := fmt.Errorf("no delete: %w", codes.ErrUnavailable)
	noReturn := fmt.Errorf("no return: %w", codes.ErrUnavailable)
	for name, test := range map[string]struct{ deleteErr, returnErr error }{
		"delete": {noDelete, nil},
		"return": {nil, noReturn},
		"both":   {noDelete, noReturn},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.limits.Sends = codestest.Windows(t, "1/1h")
			f.open()
			f.store.deleteErr, f.limiter.returnErr = test.deleteErr, test.returnErr
			f.sender.FailWith(fmt.Errorf("carrier: %w", codes.ErrRejected))
			_, err := f.Create(context.Background(), "id", seattle)
			if !errors.Is(err, codes.ErrRejected) || errors.Is(err, codes.ErrUnavailable) {
				t.Fatalf("Create = %v, want ErrRejected alone", err)
			}
			for _, undo := range []error{test.deleteErr, test.returnErr} {
				if undo != nil && !strings.Contains(err.Error(), undo.Error()) {
					t.Errorf("%q does not tell %q", err, undo)
				}
			}
			f.sender.FailWith(nil)
			if test.returnErr == nil {
				f.create("id", seattle) // the place came back although the entry stayed
			} else {
				f.limited("id", seattle, "SEND_LIMITS 1/1h")
			}
		})
	}
}

// TestCreateUndoIsBounded: a store that hangs keeps the caller for half a
// second, not for ever.
func TestCreateUndoIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t).open()
		f.store.Store = hanging{f.model}
		f.sender.FailWith(codes.ErrRejected)
		start := time.Now()
		_, err := f.Create(context.Background(), "id", seattle)
		if took := time.Since(start); !errors.Is(err, codes.ErrRejected) || took > 500*time.Millisecond {
			t.Errorf("Create = %v after %v", err, took)
		}
	})
}

type hanging struct{ codes.Store }

func (hanging) Delete(ctx context.Context, _ codes.Deletion) error {
	<-ctx.Done()
	return codes.ErrUnavailable
}

// TestCreateLimited: a refusal leaves everything as it was.
func TestCreateLimited(t *testing.T) {
	for name, test := range map[string]struct {
		limits func(*codes.Limits)
		want   error
	}{
		"sends":   {func(l *codes.Limits) { l.Sends = codestest.Windows(t, "1/1h") }, &codes.LimitError{Limit: "SEND_LIMITS 1/1h", RetryAfter: time.Hour}},
		"total":   {func(l *codes.Limits) { l.Total = codestest.Windows(t, "1/1h") }, &codes.LimitError{Limit: "SEND_LIMITS_TOTAL 1/1h", RetryAfter: time.Hour}},
		"guesses": {func(l *codes.Limits) { l.Guesses = codestest.Windows(t, "1/1h") }, &codes.LimitError{Limit: "GUESS_LIMITS 1/1h", RetryAfter: time.Hour}},
		"rate":    {func(l *codes.Limits) { l.Rate = 1 }, &codes.UnavailableError{RetryAfter: 2 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			test.limits(&f.limits)
			f.open()
			code := f.create("id", seattle)
			f.verify("id", notThis(code), f.wrong(2, seattle))

			_, err := f.Create(context.Background(), "id", seattle)
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
			if f.store.puts != 1 || f.store.deletes != 0 || len(f.sender.Messages()) != 1 {
				t.Errorf("after the refusal: %d puts, %d deletes, %d messages", f.store.puts, f.store.deletes, len(f.sender.Messages()))
			}
			f.verify("id", notThis(code), f.wrong(1, seattle))
			f.verify("id", code, right)
		})
	}
}

func TestCreateWithoutLimiter(t *testing.T) {
	f := newFixture(t).open()
	f.limiter.takeErr = fmt.Errorf("limiter: %w", codes.ErrUnavailable)
	if _, err := f.Create(context.Background(), "id", seattle); !errors.Is(err, codes.ErrUnavailable) {
		t.Errorf("Create = %v, want ErrUnavailable", err)
	}
	if f.store.puts != 0 || len(f.sender.Messages()) != 0 {
		t.Errorf("a limit that could not be read let %d puts and %d messages through", f.store.puts, len(f.sender.Messages()))
	}
}

// TestCreateWaitsForItsTurn: the message goes out at its turn, and the
// lifetime of the entry begins only then.
func TestCreateWaitsForItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.limits.Rate, f.limits.MaxWait = 1, 2*time.Second
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
	if f.rules.Recipients, err = codes.ParseRecipients([]string{"1206"}, nil); err != nil {
		t.Fatal(err)
	}
	f.open()
	if _, err := f.Create(context.Background(), "id", toronto); !errors.Is(err, codes.ErrRecipientNotAllowed) {
		t.Errorf("Create = %v, want ErrRecipientNotAllowed", err)
	}
	if f.limiter.takes != 0 || f.store.puts != 0 || len(f.sender.Messages()) != 0 {
		t.Errorf("%d places, %d puts, %d messages for a number that is not allowed", f.limiter.takes, f.store.puts, len(f.sender.Messages()))
	}
	f.verify("id", f.create("id", seattle), right)
}

// TestCreateIsFinished: a caller that hangs up, before or in the middle,
// changes nothing of what a create does.
func TestCreateIsFinished(t *testing.T) {
	f := newFixture(t)
	f.limits.Sends = codestest.Windows(t, "2/1h")
	f.open()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := f.Create(ctx, "id", seattle); err != nil {
		t.Fatalf("Create = %v under a cancelled context", err)
	}
	f.verify("id", f.sent(), right)

	ctx, cancel = context.WithCancel(context.Background())
	defer cancel()
	refusing := f.sending(senderFunc(func(inner context.Context, _ codes.Message) (string, error) {
		cancel()
		if inner.Err() != nil {
			t.Error("the sender's context ended with the caller's")
		}
		return "", codes.ErrRejected
	}))
	if _, err := refusing.Create(ctx, "id", seattle); !errors.Is(err, codes.ErrRejected) || strings.Contains(err.Error(), "not undone") {
		t.Fatalf("Create = %v, want ErrRejected, undone", err)
	}
	f.verify("id", "000000", unknown)
	f.create("id", seattle)
	f.limited("id", seattle, "SEND_LIMITS 2/1h")
}
