package codes_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
)

// verifyOnce makes a check with the key, whose answer, Recipient aside, must be want.
func verifyOnce(t *testing.T, o *codes.Once, k codes.Key, id codes.ID, code codes.Code, want codes.Outcome) {
	t.Helper()
	got, err := o.VerifyOnce(context.Background(), k, id, code)
	got.Recipient, want.Recipient = codes.Digest{}, codes.Digest{}
	if err != nil || codestest.Answer(got) != want {
		t.Fatalf("VerifyOnce = %+v, %v; want %+v", got, err, want)
	}
}

// TestOnceOtherRequest: only the same key of the same caller on the same route
// is the same request, and only with the same arguments.
func TestOnceOtherRequest(t *testing.T) {
	f := newFixture(t).open()
	o := f.once()
	createOnce(t, o, aKey, "id", seattle, nil)
	createOnce(t, o, aKey, "id", toronto, codes.ErrKeyReused)
	createOnce(t, o, aKey, "other", seattle, codes.ErrKeyReused)
	if _, err := o.VerifyOnce(context.Background(), aKey, "id", "1"); !errors.Is(err, codes.ErrKeyReused) {
		t.Errorf("VerifyOnce = %v", err)
	}
	if n := len(f.sender.Messages()); n != 1 {
		t.Fatalf("%d messages", n)
	}
	for i, k := range []codes.Key{
		{Caller: "bank", Route: "POST /", Value: "key"},
		{Caller: "", Route: "POST /", Value: "key"},
		{Caller: "shop", Route: "GET /", Value: "key"},
		{Caller: "shop", Route: "POST /", Value: "Key"},
		{Caller: "shopPOST /", Route: "", Value: "key"},
		{Caller: "shop", Route: "", Value: "POST /key"},
	} {
		createOnce(t, o, k, "id", toronto, nil)
		if n := len(f.sender.Messages()); n != i+2 {
			t.Errorf("%+v: %d messages", k, n)
		}
	}
	check := codes.Key{Caller: "shop", Route: "GET /", Value: "check"}
	verifyOnce(t, o, check, "id", "00042", f.wrong(2, toronto))
	verifyOnce(t, o, check, "id", "42", f.wrong(2, toronto)) // zeros do not count
	for _, other := range []struct {
		id   codes.ID
		code codes.Code
	}{{"id", "420"}, {"id2", "42"}, {"id\x00", "42"}, {"id\x0042", ""}} {
		if _, err := o.VerifyOnce(context.Background(), check, other.id, other.code); !errors.Is(err, codes.ErrKeyReused) {
			t.Errorf("VerifyOnce = %v", err)
		}
	}
	f.verify("id", "42", f.wrong(1, toronto)) // the others spent nothing
}

// TestOnceTenMinutes: then it is a new request.
func TestOnceTenMinutes(t *testing.T) {
	f := newFixture(t).open()
	o := f.once()
	check := codes.Key{Route: "GET /", Value: "key"}
	createOnce(t, o, aKey, "id", seattle, nil)
	code := notThis(f.sent())
	verifyOnce(t, o, check, "id", code, f.wrong(2, seattle))
	f.model.Advance(codes.KeepAnswers - time.Nanosecond)
	createOnce(t, o, aKey, "id", seattle, nil)
	verifyOnce(t, o, check, "id", code, f.wrong(2, seattle))
	if n := len(f.sender.Messages()); n != 1 {
		t.Fatalf("%d messages within ten minutes", n)
	}
	f.model.Advance(time.Nanosecond)
	verifyOnce(t, o, check, "id", code, f.wrong(1, seattle))
	createOnce(t, o, aKey, "other", toronto, nil)
	if n := len(f.sender.Messages()); n != 2 {
		t.Errorf("%d messages after ten minutes", n)
	}
}

// TestOnceHangsUp: a caller that hangs up changes nothing.
func TestOnceHangsUp(t *testing.T) {
	f := newFixture(t).open()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := f.once().CreateOnce(ctx, aKey, "id", seattle); err != nil {
		t.Fatal(err)
	}
	createOnce(t, f.once(), aKey, "id", seattle, nil)
	check := codes.Key{Value: "check"}
	if _, err := f.once().VerifyOnce(ctx, check, "id", notThis(f.sent())); err != nil {
		t.Fatal(err)
	}
	verifyOnce(t, f.once(), check, "id", notThis(f.sent()), f.wrong(2, seattle))
	f.verify("id", notThis(f.sent()), f.wrong(1, seattle))
	if n := len(f.sender.Messages()); n != 1 {
		t.Errorf("%d messages", n)
	}
}

// TestOnceNotClaimed: counting fails closed, so does this.
func TestOnceNotClaimed(t *testing.T) {
	f := newFixture(t).open()
	code := f.create("id", seattle)
	o := codes.NewOnce(f.Service, &faultyClaims{Claims: f.model, claimErr: codes.ErrUnavailable}, lease)
	createOnce(t, o, aKey, "id", seattle, codes.ErrUnavailable)
	if _, err := o.VerifyOnce(context.Background(), aKey, "id", code); !errors.Is(err, codes.ErrUnavailable) {
		t.Errorf("VerifyOnce = %v", err)
	}
	if f.store.puts != 1 || f.store.tries != 0 || f.limiter.takes != 1 || len(f.sender.Messages()) != 1 {
		t.Error("something was done for a request that was not claimed")
	}
}

// TestOnceParallel: many requests with one key at once have one effect.
func TestOnceParallel(t *testing.T) {
	f := newFixture(t)
	f.open()
	sender := &codestest.Sender{}
	// Not the fixture's store and limiter, which are not made for this.
	service := codes.NewService(f.rules, f.secret, nil, f.model, f.model, sender)
	o := codes.NewOnce(service, f.model, lease)
	parallel := func(run func()) {
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(run)
		}
		wg.Wait()
	}
	parallel(func() {
		_, err := o.CreateOnce(context.Background(), aKey, "id", seattle)
		if inProgress := (*codes.InProgressError)(nil); err != nil && !errors.As(err, &inProgress) {
			t.Errorf("CreateOnce = %v", err)
		}
	})
	messages := sender.Messages()
	if len(messages) != 1 {
		t.Fatalf("%d messages", len(messages))
	}
	code := codeIn(messages[0])
	for _, test := range []struct {
		code codes.Code
		want codes.Outcome
	}{{notThis(code), f.wrong(2, seattle)}, {code, right}} {
		check := codes.Key{Value: string(test.code)}
		var first atomic.Int64
		parallel(func() {
			got, err := o.VerifyOnce(context.Background(), check, "id", test.code)
			if !got.Repeated {
				first.Add(1)
			}
			if err != nil || got.Status != test.want.Status || got.Left != test.want.Left {
				t.Errorf("VerifyOnce = %+v, %v", got, err)
			}
		})
		if first.Load() != 1 {
			t.Errorf("%d of 50 answers with one key are the first", first.Load())
		}
	}
}

// TestOnceErrorsHoldNoSecrets: nor do answers that nobody understands.
func TestOnceErrorsHoldNoSecrets(t *testing.T) {
	f := newFixture(t).open()
	secret := codes.Key{Caller: "canary", Route: "canary", Value: "canary"}
	for _, answer := range []string{"canary", "created canary 3", "created 60 canary", "created 60", "checked canary", "checked"} {
		o := codes.NewOnce(f.Service, settled(answer), lease)
		_, createErr := o.CreateOnce(context.Background(), secret, "canary", seattle)
		_, verifyErr := o.VerifyOnce(context.Background(), secret, "canary", "123456")
		for _, err := range []error{createErr, verifyErr} {
			if err == nil || errors.Is(err, codes.ErrUnavailable) || strings.Contains(err.Error(), "canary") {
				t.Errorf("answer %q: %v", answer, err)
			}
		}
	}
	if len(f.sender.Messages()) != 0 || f.store.tries != 0 {
		t.Error("an answered request was run")
	}
}

// settled are claims that have one answer to everything.
type settled string

func (s settled) Claim(context.Context, codes.Claim) (string, codes.Op, error) {
	return string(s), codes.Op{}, nil
}

func (s settled) Settle(context.Context, codes.Claim, string) (bool, error) { return false, nil }

func TestVerifyOnce(t *testing.T) {
	f := newFixture(t)
	f.rules.CodeLength = 30 // never twice the same
	f.limits.Guesses = codestest.Windows(t, "2/1h")
	f.open()
	o := f.once()
	key := func(s string) codes.Key { return codes.Key{Route: "GET /", Value: s} }

	verifyOnce(t, o, key("unknown"), "id", "1", unknown)
	code := f.create("id", seattle)
	verifyOnce(t, o, key("unknown"), "id", "1", unknown) // also when there is one by now
	for range 3 {
		verifyOnce(t, o, key("wrong"), "id", notThis(code), f.wrong(2, seattle))
	}
	if n := len(f.limiter.wrong); n != 1 {
		t.Errorf("one wrong code counted %d times", n)
	}
	f.create("other", seattle) // one of two guesses
	verifyOnce(t, o, key("wrong again"), "id", notThis(code), f.wrong(1, seattle))
	f.limited("other", seattle, "GUESS_LIMITS 2/1h")
	verifyOnce(t, o, key("right"), "id", code, right)
	f.verify("id", code, unknown)

	f.model.Advance(time.Hour)
	newer := f.create("id", seattle)
	verifyOnce(t, o, key("right 2"), "id", newer, right)
	f.create("id", seattle)
	verifyOnce(t, o, key("right 2"), "id", newer, right) // and takes nothing from the new one
	f.verify("id", f.sent(), right)

	f.create("id", seattle)
	f.model.Advance(time.Hour)
	verifyOnce(t, o, key("expired"), "id", "1", codes.Outcome{Status: codes.Expired})
	verifyOnce(t, o, key("expired"), "id", "1", codes.Outcome{Status: codes.Expired})
	verifyOnce(t, o, key("after it"), "id", "1", unknown)
}

// TestVerifyOnceNotAnswered: what was not answered, or not settled, is asked
// for again and gives the true answer, at the price of one attempt.
func TestVerifyOnceNotAnswered(t *testing.T) {
	down := fmt.Errorf("down: %w", codes.ErrUnavailable)
	for name, test := range map[string]func(f *fixture, c *faultyClaims, err error){
		"not tried":   func(f *fixture, _ *faultyClaims, err error) { f.store.tryErr = err },
		"not counted": func(f *fixture, _ *faultyClaims, err error) { f.limiter.countErr = err },
		"not settled": func(_ *fixture, c *faultyClaims, err error) { c.settleErr = err },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.limits.Guesses = codestest.Windows(t, "2/1h")
			f.open()
			code := notThis(f.create("id", seattle))
			claims := &faultyClaims{Claims: f.model}
			o := codes.NewOnce(f.Service, claims, lease)
			test(f, claims, down)
			for range 2 {
				got, err := o.VerifyOnce(context.Background(), aKey, "id", code)
				if claims.settleErr != nil {
					if err != nil || codestest.Answer(got) != f.wrong(2, seattle) {
						t.Errorf("VerifyOnce = %+v, %v", got, err)
					}
				} else if !errors.Is(err, codes.ErrUnavailable) || got != (codes.Outcome{}) {
					t.Errorf("VerifyOnce = %+v, %v", got, err)
				}
			}
			test(f, claims, nil)
			verifyOnce(t, o, aKey, "id", code, f.wrong(2, seattle))
			verifyOnce(t, o, aKey, "id", code, f.wrong(2, seattle))
			f.create("other", seattle) // one of two guesses
			f.verify("id", code, f.wrong(1, seattle))
		})
	}
}

// TestVerifyOnceRotation: an entry under the previous secret is found by the
// second step, every time the request comes.
func TestVerifyOnceRotation(t *testing.T) {
	for name, settleErr := range map[string]error{"settled": nil, "not settled": codes.ErrUnavailable} {
		t.Run(name, func(t *testing.T) {
			before, after := rotated(t)
			code := before.create("id", seattle)
			o := codes.NewOnce(after.Service, &faultyClaims{Claims: after.model, settleErr: settleErr}, lease)
			for range 2 {
				verifyOnce(t, o, codes.Key{Value: "wrong"}, "id", notThis(code), before.wrong(2, seattle))
			}
			before.create("other", seattle) // one of two guesses
			for range 2 {
				verifyOnce(t, o, codes.Key{Value: "right"}, "id", code, right)
			}
			after.verify("id", code, unknown)
			verifyOnce(t, o, codes.Key{Value: "unknown"}, "id", code, unknown)
			newer := after.create("id", toronto)
			verifyOnce(t, o, codes.Key{Value: "unknown"}, "id", code, unknown)
			verifyOnce(t, o, codes.Key{Value: "newer"}, "id", newer, right)
		})
	}
}

// TestVerifyOnceKeeps: the store is told to know the op for as long as it may
// come again, in both steps.
func TestVerifyOnceKeeps(t *testing.T) {
	_, after := rotated(t)
	var kept []time.Duration
	store := triedStore{after.model, &kept}
	service := codes.NewService(after.rules, after.secret, after.previous, store, after.model, after.sender)
	verifyOnce(t, codes.NewOnce(service, after.model, lease), aKey, "id", "1", unknown)
	if _, err := service.Verify(context.Background(), "id", "1"); err != nil {
		t.Fatal(err)
	}
	if want := []time.Duration{codes.KeepAnswers, codes.KeepAnswers, 0, 0}; !slices.Equal(kept, want) {
		t.Errorf("kept for %v, want %v", kept, want)
	}
}

type triedStore struct {
	codes.Store
	kept *[]time.Duration
}

func (s triedStore) Try(ctx context.Context, t codes.Try) (codes.Outcome, error) {
	*s.kept = append(*s.kept, t.Keep)
	return s.Store.Try(ctx, t)
}
