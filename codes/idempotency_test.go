package codes_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
)

// lease is the longest time that a create of the fixture may take.
const lease = 12 * time.Second

var aKey = codes.IdempotencyKey{Route: "POST /", Value: "key"}

// keyed asks for a code with a key.
func keyed(k codes.IdempotencyKey, id codes.ID, to codes.Phone) codes.CreateRequest {
	return codes.CreateRequest{ID: id, Recipient: to, Caller: "shop", Key: k}
}

// createOnce makes a create that must end in want, nil or an error.
func createOnce(t *testing.T, s *codes.Service, r codes.CreateRequest, want error) {
	t.Helper()
	created, err := s.Create(context.Background(), r)
	if !errors.Is(err, want) {
		t.Fatalf("Create = %v, want %v", err, want)
	}
	if want == nil && (created.Lifetime != time.Hour || created.Attempts != 3) {
		t.Fatalf("Create = %+v", created)
	}
}

// running expects that a request is in progress, to be retried after retryAfter.
func running(t *testing.T, s *codes.Service, r codes.CreateRequest, retryAfter time.Duration) {
	t.Helper()
	_, err := s.Create(context.Background(), r)
	var inProgress *codes.InProgressError
	if !errors.As(err, &inProgress) || inProgress.RetryAfter != retryAfter {
		t.Fatalf("Create = %v, want it in progress for %v", err, retryAfter)
	}
}

// TestCreateOnceKept: a create that had, or may have had, an effect is not repeated. Later
// settings do not change its answer.
func TestCreateOnceKept(t *testing.T) {
	for name, test := range map[string]struct {
		err  error // of the sender
		sent int
	}{
		"created":     {nil, 1},
		"rejected":    {fmt.Errorf("carrier: %w", codes.ErrRejected), 0},
		"unconfirmed": {fmt.Errorf("carrier: %w", codes.ErrUnconfirmed), 1},
		"unforeseen":  {errors.New("a sender that breaks its contract"), 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t).open()
			f.sender.FailWith(test.err)
			want, first := f.Create(context.Background(), keyed(aKey, "id", seattle))
			if !errors.Is(first, test.err) {
				t.Fatalf("Create = %v", first)
			}
			f.sender.FailWith(nil)
			f.options.Policy.Attempts, f.options.Policy.Lifetime = 9, time.Minute
			f.open()
			f.model.Advance(codes.KeepAnswers - time.Second)
			reserves := f.store.calls["Reserve"]
			created, again := f.Create(context.Background(), keyed(aKey, "id", seattle))
			if want.Repeated = true; created != want {
				t.Errorf("repeated: %+v, want %+v", created, want)
			}
			for _, kind := range []error{codes.ErrRejected, codes.ErrUnconfirmed, codes.ErrUnavailable} {
				if errors.Is(again, kind) != errors.Is(first, kind) {
					t.Errorf("first %v, then %v", first, again)
				}
			}
			if (again == nil) != (first == nil) || f.store.calls["Reserve"] != reserves || len(f.sender.Messages()) != test.sent {
				t.Errorf("first %v, then %v; %d more reservations, %d messages, want %d",
					first, again, f.store.calls["Reserve"]-reserves, len(f.sender.Messages()), test.sent)
			}
			if n := len(f.events.created); n != 1 {
				t.Errorf("%d events of one create", n)
			}
		})
	}
}

// TestCreateOnceForgotten: after a refusal without effect the key is free, for other
// arguments too.
func TestCreateOnceForgotten(t *testing.T) {
	unavailable := fmt.Errorf("down: %w", codes.ErrUnavailable)
	limit := &codes.LimitError{Limit: "SEND_LIMITS 1/1m"}
	for name, test := range map[string]struct {
		to            codes.Phone
		reserve, send error // of the store and of the sender
		want          error
	}{
		"not allowed": {premium, nil, nil, codes.ErrRecipientNotAllowed},
		"store":       {seattle, unavailable, nil, unavailable},
		"limit":       {seattle, limit, nil, limit},
		"sender":      {seattle, nil, codes.ErrSenderRefused, codes.ErrSenderRefused},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			var err error
			if f.options.Numbers.Allowed, err = codes.ParseRecipients(nil, []string{"premium"}); err != nil {
				t.Fatal(err)
			}
			f.open()
			f.store.fail["Reserve"] = test.reserve
			f.sender.FailWith(test.send)
			createOnce(t, f.Service, keyed(aKey, "id", test.to), test.want)
			f.store.fail["Reserve"] = nil
			f.sender.FailWith(nil)
			createOnce(t, f.Service, keyed(aKey, "other", toronto), nil)
			f.check("other", f.sent(), right)
		})
	}
}

// TestCreateOnceNotSettled: a request that could not be settled returns its true answer.
// Its key is in progress until its deadline. Then the request runs again, as after a
// crash.
func TestCreateOnceNotSettled(t *testing.T) {
	for name, sendErr := range map[string]error{"created": nil, "rejected": codes.ErrRejected, "unconfirmed": codes.ErrUnconfirmed} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				f.options.Policy.CodeLength = 30 // never twice the same
				f.open()
				f.sender.FailWith(sendErr)
				f.store.fail["Settle"] = codes.ErrUnavailable
				r := keyed(aKey, "id", seattle)
				createOnce(t, f.Service, r, sendErr)
				_ = f.finish(f.Service, 0) // as if the replica died
				f.store.fail["Settle"] = nil
				f.sender.FailWith(nil)
				other := f.with(func(*codes.Options) {})
				running(t, other, r, lease)
				f.model.Advance(lease - time.Second)
				running(t, other, r, time.Second)
				createOnce(t, other, keyed(aKey, "id", toronto), codes.ErrKeyReused)
				sent := len(f.sender.Messages())
				f.model.Advance(time.Second)
				createOnce(t, other, r, nil)
				createOnce(t, other, r, nil)
				if n := len(f.sender.Messages()); n != sent+1 {
					t.Errorf("%d messages, want %d", n, sent+1)
				}
				f.check("id", f.sent(), right)
			})
		})
	}
}

// TestCreateOncePanics: a create that panicked is not repeated: its message may have
// been sent.
func TestCreateOncePanics(t *testing.T) {
	f := newFixture(t).open()
	panics := f.sending(senderFunc(func(context.Context, codes.Message) (string, error) { panic("a broken sender") }))
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_, _ = panics.Create(context.Background(), keyed(aKey, "id", seattle))
	}()
	if _, err := f.Create(context.Background(), keyed(aKey, "id", seattle)); err == nil || errors.Is(err, codes.ErrUnavailable) {
		t.Errorf("Create = %v", err)
	}
	if n := len(f.sender.Messages()); n != 0 {
		t.Errorf("%d messages", n)
	}
}

// TestCreateOnceEndsWithItsLease: a request may send only during its lease, which begins
// at its arrival and not at the answer to its claim.
func TestCreateOnceEndsWithItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.limits().Sends = codestest.Windows(t, "2/1h")
		f.open()
		start := time.Now()
		f.store.claimDelay = time.Second
		slow := f.sending(senderFunc(func(ctx context.Context, _ codes.Message) (string, error) {
			<-ctx.Done()
			return "", codes.ErrTooLate
		}))
		r := keyed(aKey, "id", seattle)
		createOnce(t, slow, r, codes.ErrUnavailable)
		if took := time.Since(start); took != lease {
			t.Errorf("the sender could send until %v after the arrival, the lease is %v", took, lease)
		}
		createOnce(t, f.Service, r, nil) // the key is free
		f.check("id", f.sent(), right)
		f.create("id", seattle) // the first one does not count
	})
}
