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

const lease = 10 * time.Second

var aKey = codes.Key{Caller: "shop", Route: "POST /", Value: "key"}

// once is the fixture's service for requests with a key.
func (f *fixture) once() *codes.Once { return codes.NewOnce(f.Service, f.model, lease) }

// createOnce makes a request that must end in want, nil or an error.
func createOnce(t *testing.T, o *codes.Once, k codes.Key, id codes.ID, to codes.Phone, want error) {
	t.Helper()
	created, err := o.CreateOnce(context.Background(), k, id, to)
	if !errors.Is(err, want) {
		t.Fatalf("CreateOnce = %v, want %v", err, want)
	}
	if want == nil && (created.Expiration != time.Hour || created.Attempts != 3) {
		t.Fatalf("CreateOnce = %+v", created)
	}
}

// running expects a request that is in progress for so long.
func running(t *testing.T, o *codes.Once, k codes.Key, id codes.ID, to codes.Phone, retryAfter time.Duration) {
	t.Helper()
	_, err := o.CreateOnce(context.Background(), k, id, to)
	var inProgress *codes.InProgressError
	if !errors.As(err, &inProgress) || inProgress.RetryAfter != retryAfter {
		t.Fatalf("CreateOnce = %v, want it in progress for %v", err, retryAfter)
	}
}

// TestCreateOnceKept: what had an effect, or may have had one, is not done again.
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
			created, first := f.once().CreateOnce(context.Background(), aKey, "id", seattle)
			if created.Repeated {
				t.Error("the first is called a repetition")
			}
			if !errors.Is(first, test.err) {
				t.Fatalf("CreateOnce = %v", first)
			}
			f.sender.FailWith(nil)
			f.model.Advance(codes.KeepAnswers - time.Second)
			takes := f.limiter.takes
			created, again := f.once().CreateOnce(context.Background(), aKey, "id", seattle)
			if !created.Repeated || created.Area != codes.AreaUS || created.Recipient != f.secret.Phone(seattle) {
				t.Errorf("a repetition tells %+v", created)
			}
			for _, kind := range []error{codes.ErrRejected, codes.ErrUnconfirmed, codes.ErrUnavailable} {
				if errors.Is(again, kind) != errors.Is(first, kind) {
					t.Errorf("first %v, then %v", first, again)
				}
			}
			if (again == nil) != (first == nil) || f.limiter.takes != takes || len(f.sender.Messages()) != test.sent {
				t.Errorf("first %v, then %v; %d more places, %d messages, want %d",
					first, again, f.limiter.takes-takes, len(f.sender.Messages()), test.sent)
			}
		})
	}
}

// TestCreateOnceSameAnswer: later settings do not change it.
func TestCreateOnceSameAnswer(t *testing.T) {
	f := newFixture(t).open()
	createOnce(t, f.once(), aKey, "id", seattle, nil)
	f.rules.Attempts, f.rules.Expiration = 9, time.Minute
	f.Service = f.sending(f.sender)
	createOnce(t, f.once(), aKey, "id", seattle, nil)
	f.verify("id", f.sent(), right)
	createOnce(t, f.once(), aKey, "id", seattle, nil)
	f.verify("id", f.sent(), unknown) // it makes no entry
}

// TestCreateOnceForgotten: after a refusal without effect the key is free,
// for other arguments too.
func TestCreateOnceForgotten(t *testing.T) {
	unavailable := fmt.Errorf("down: %w", codes.ErrUnavailable)
	for name, test := range map[string]struct {
		refuse, allow func(f *fixture)
		to            codes.Phone
		want          error
	}{
		"not allowed": {func(*fixture) {}, func(*fixture) {}, "19005551234", codes.ErrRecipientNotAllowed},
		"limiter":     {func(f *fixture) { f.limiter.takeErr = unavailable }, func(f *fixture) { f.limiter.takeErr = nil }, seattle, unavailable},
		"store":       {func(f *fixture) { f.store.putErr = unavailable }, func(f *fixture) { f.store.putErr = nil }, seattle, unavailable},
		"sender":      {func(f *fixture) { f.sender.FailWith(unavailable) }, func(f *fixture) { f.sender.FailWith(nil) }, seattle, unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			recipients, err := codes.ParseRecipients(nil, []string{"1900"})
			if err != nil {
				t.Fatal(err)
			}
			f.rules.Recipients = recipients
			f.open()
			test.refuse(f)
			createOnce(t, f.once(), aKey, "id", test.to, test.want)
			test.allow(f)
			createOnce(t, f.once(), aKey, "other", toronto, nil)
			f.verify("other", f.sent(), right)
		})
	}
	t.Run("limit", func(t *testing.T) {
		f := newFixture(t)
		f.limits.Sends = codestest.Windows(t, "1/1m")
		f.open()
		f.create("id", seattle)
		_, err := f.once().CreateOnce(context.Background(), aKey, "id", seattle)
		if reached := (*codes.LimitError)(nil); !errors.As(err, &reached) {
			t.Fatalf("CreateOnce = %v", err)
		}
		f.model.Advance(time.Minute)
		createOnce(t, f.once(), aKey, "id", seattle, nil)
	})
}

// faultyClaims fail where they are told to, and answer late.
type faultyClaims struct {
	codes.Claims
	claimErr, settleErr error
	delay               time.Duration // of the answer to Claim
}

func (c *faultyClaims) Claim(ctx context.Context, claim codes.Claim) (string, codes.Op, error) {
	if c.claimErr != nil {
		return "", codes.Op{}, c.claimErr
	}
	answer, op, err := c.Claims.Claim(ctx, claim)
	time.Sleep(c.delay)
	return answer, op, err
}

func (c *faultyClaims) Settle(ctx context.Context, claim codes.Claim, answer string) (bool, error) {
	if c.settleErr != nil {
		return false, c.settleErr
	}
	if err := ctx.Err(); err != nil {
		return false, err
	}
	return c.Claims.Settle(ctx, claim, answer)
}

// TestCreateOnceNotSettled: the answer is the true one. The key is in progress
// for as long as it might be, then run afresh, as after a crash.
func TestCreateOnceNotSettled(t *testing.T) {
	for name, sendErr := range map[string]error{"created": nil, "rejected": codes.ErrRejected, "unconfirmed": codes.ErrUnconfirmed} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.rules.CodeLength = 30 // never twice the same
			f.open()
			f.sender.FailWith(sendErr)
			o := codes.NewOnce(f.Service, &faultyClaims{Claims: f.model, settleErr: codes.ErrUnavailable}, lease)
			createOnce(t, o, aKey, "id", seattle, sendErr)
			f.sender.FailWith(nil)
			running(t, o, aKey, "id", seattle, lease)
			f.model.Advance(lease - time.Second)
			running(t, o, aKey, "id", seattle, time.Second)
			createOnce(t, o, aKey, "id", toronto, codes.ErrKeyReused)
			sent := len(f.sender.Messages())
			f.model.Advance(time.Second)
			createOnce(t, f.once(), aKey, "id", seattle, nil)
			createOnce(t, f.once(), aKey, "id", seattle, nil)
			if n := len(f.sender.Messages()); n != sent+1 {
				t.Errorf("%d messages, want %d", n, sent+1)
			}
			f.verify("id", f.sent(), right)
		})
	}
}

// TestCreateOncePanics: its message may have gone out.
func TestCreateOncePanics(t *testing.T) {
	f := newFixture(t).open()
	panics := f.sending(senderFunc(func(context.Context, codes.Message) (string, error) { panic("a broken sender") }))
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_, _ = codes.NewOnce(panics, f.model, lease).CreateOnce(context.Background(), aKey, "id", seattle)
	}()
	if _, err := f.once().CreateOnce(context.Background(), aKey, "id", seattle); err == nil || errors.Is(err, codes.ErrUnavailable) {
		t.Errorf("CreateOnce = %v", err)
	}
	if n := len(f.sender.Messages()); n != 0 {
		t.Errorf("%d messages", n)
	}
}

// slowLimiter gives turns that are far off.
type slowLimiter struct {
	codes.Limiter
	wait time.Duration
}

func (l slowLimiter) Take(ctx context.Context, p codes.Place) (time.Duration, error) {
	_, err := l.Limiter.Take(ctx, p)
	return l.wait, err
}

// TestCreateOnceOutlivesItsLease: what has taken too long does not send any
// more, and does not touch what was made in its place.
func TestCreateOnceOutlivesItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.limits.Sends = codestest.Windows(t, "2/1h")
		f.open()
		service := codes.NewService(f.rules, f.secret, nil, f.model, slowLimiter{f.model, lease + time.Second}, f.sender)
		late := make(chan error)
		go func() {
			_, err := codes.NewOnce(service, f.model, lease).CreateOnce(context.Background(), aKey, "id", seattle)
			late <- err
		}()
		time.Sleep(lease)
		running(t, f.once(), aKey, "id", seattle, lease) // the model's clock stands still
		f.model.Advance(lease)
		createOnce(t, f.once(), aKey, "id", seattle, nil)
		if err := <-late; !errors.Is(err, codes.ErrUnavailable) {
			t.Errorf("the late one: %v", err)
		}
		createOnce(t, f.once(), aKey, "id", seattle, nil) // still settled
		if n := len(f.sender.Messages()); n != 1 {
			t.Errorf("%d messages", n)
		}
		f.verify("id", f.sent(), right)
		f.create("id", seattle) // the late one gave its place back
	})
}

// TestCreateOnceLeaseReachesTheSender: it may send for as long as nobody else
// may, counted from the claim and not from when its answer came.
func TestCreateOnceLeaseReachesTheSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t).open()
		start := time.Now()
		service := f.sending(senderFunc(func(ctx context.Context, _ codes.Message) (string, error) {
			<-ctx.Done()
			return "", fmt.Errorf("%w: the time is over", codes.ErrUnavailable)
		}))
		o := codes.NewOnce(service, &faultyClaims{Claims: f.model, delay: time.Second}, lease)
		createOnce(t, o, aKey, "id", seattle, codes.ErrUnavailable)
		if took := time.Since(start); took != lease {
			t.Errorf("the sender could send until %v after the claim, the lease is %v", took, lease)
		}
		createOnce(t, f.once(), aKey, "id", seattle, nil) // forgotten although its time was over
	})
}
