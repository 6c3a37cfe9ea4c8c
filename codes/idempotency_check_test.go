package codes_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
)

// checkOnce makes a check with a key, whose answer, except Recipient, must be want.
func checkOnce(t *testing.T, s *codes.Service, k codes.IdempotencyKey, id codes.ID, code codes.Code, want codes.Outcome) {
	t.Helper()
	got, err := s.Check(context.Background(), codes.CheckRequest{ID: id, Code: code, Caller: "shop", Key: k})
	got.Recipient, want.Recipient = codes.Digest{}, codes.Digest{}
	if err != nil || got != want {
		t.Fatalf("Check = %+v, %v; want %+v", got, err, want)
	}
}

// TestKeyReused: a key stands for all arguments of its request, even if they hold the
// byte that separates arguments.
func TestKeyReused(t *testing.T) {
	f := withProfile(t, func(*codes.Policy) {})
	first := keyed(aKey, "b\x00c", seattle)
	first.Client = "a"
	createOnce(t, f.Service, first, nil)
	for what, change := range map[string]func(*codes.CreateRequest){
		"recipient":                     func(r *codes.CreateRequest) { r.Recipient = toronto },
		"auth_id":                       func(r *codes.CreateRequest) { r.ID = "other" },
		"profile":                       func(r *codes.CreateRequest) { r.Profile = "login" },
		"service":                       func(r *codes.CreateRequest) { r.Service = "VA1" },
		"locale":                        func(r *codes.CreateRequest) { r.Locale = "es" },
		"client":                        func(r *codes.CreateRequest) { r.Client = "b" },
		"no client":                     func(r *codes.CreateRequest) { r.Client = "" },
		"the auth_id's start in client": func(r *codes.CreateRequest) { r.ID, r.Client = "c", "a\x00b" },
	} {
		r := first
		change(&r)
		if _, err := f.Create(context.Background(), r); !errors.Is(err, codes.ErrKeyReused) {
			t.Errorf("another %s: %v", what, err)
		}
	}
	createOnce(t, f.Service, first, nil)
	if n := len(f.sender.Messages()); n != 1 {
		t.Errorf("%d messages", n)
	}

	code := f.create("id", toronto)
	check := codes.IdempotencyKey{Route: "GET /", Value: "check"}
	checkOnce(t, f.Service, check, "id", "0"+notThis(code), f.wrong(2, toronto))
	checkOnce(t, f.Service, check, "id", notThis(code), f.wrong(2, toronto)) // the same code
	for _, other := range []codes.CheckRequest{
		{ID: "id", Code: notThis(code) + "0"}, {ID: "id2", Code: notThis(code)}, {ID: "id\x00", Code: notThis(code)},
		{ID: "id\x00" + codes.ID(notThis(code))}, {ID: "id", Code: notThis(code), Profile: "login"},
	} {
		other.Caller, other.Key = "shop", check
		if _, err := f.Check(context.Background(), other); !errors.Is(err, codes.ErrKeyReused) {
			t.Errorf("Check = %v", err)
		}
	}
	f.check("id", notThis(code), f.wrong(1, toronto)) // the others used no attempt
}

// TestKeyOfOthers: only the same key of the same caller on the same route is the same
// request.
func TestKeyOfOthers(t *testing.T) {
	f := newFixture(t).open()
	createOnce(t, f.Service, keyed(aKey, "id", seattle), nil)
	if _, err := f.Check(context.Background(), codes.CheckRequest{ID: "id", Code: "1", Caller: "shop", Key: aKey}); !errors.Is(err, codes.ErrKeyReused) {
		t.Errorf("Check = %v", err)
	}
	for i, k := range []struct{ caller, route, value string }{
		{"bank", "POST /", "key"},
		{"", "POST /", "key"},
		{"shop", "GET /", "key"},
		{"shop", "POST /", "Key"},
		{"shopPOST /", "", "key"},
		{"shop", "", "POST /key"},
	} {
		r := keyed(codes.IdempotencyKey{Route: k.route, Value: k.value}, "id", toronto)
		r.Caller = k.caller
		createOnce(t, f.Service, r, nil)
		if n := len(f.sender.Messages()); n != i+2 {
			t.Errorf("%+v: %d messages", k, n)
		}
	}
}

// TestOnceNotClaimed: a request that cannot be claimed does nothing.
func TestOnceNotClaimed(t *testing.T) {
	f := newFixture(t).open()
	code := f.create("id", seattle)
	f.store.fail["Claim"] = codes.ErrUnavailable
	created, err := f.Create(context.Background(), keyed(aKey, "id", seattle))
	if !errors.Is(err, codes.ErrUnavailable) || created.Recipient != f.options.Secret.Phone(seattle) || len(f.events.created) != 1 {
		t.Errorf("Create = %+v, %v, %d events", created, err, len(f.events.created))
	}
	if _, err := f.Check(context.Background(), codes.CheckRequest{ID: "id", Code: code, Key: aKey}); !errors.Is(err, codes.ErrUnavailable) {
		t.Errorf("Check = %v", err)
	}
	if f.store.calls["Reserve"] != 1 || f.store.calls["Check"] != 0 || len(f.sender.Messages()) != 1 {
		t.Error("something was done for a request that was not claimed")
	}
}

// TestOnceParallel: many requests with one key at once have one effect, and one is
// reported.
func TestOnceParallel(t *testing.T) {
	f := newFixture(t).open()
	f.store.claimDelay = 10 * time.Millisecond // so that all run before the first is settled
	parallel := func(run func()) {
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(run)
		}
		wg.Wait()
	}
	parallel(func() {
		_, err := f.Create(context.Background(), keyed(aKey, "id", seattle))
		if inProgress := (*codes.InProgressError)(nil); err != nil && !errors.As(err, &inProgress) {
			t.Errorf("Create = %v", err)
		}
	})
	messages := f.sender.Messages()
	if len(messages) != 1 {
		t.Fatalf("%d messages", len(messages))
	}
	code := codeIn(messages[0])
	for _, test := range []struct {
		code codes.Code
		want codes.Outcome
	}{{notThis(code), f.wrong(2, seattle)}, {code, right}} {
		r := codes.CheckRequest{ID: "id", Code: test.code, Key: codes.IdempotencyKey{Value: string(test.code)}}
		f.events.checked = nil
		parallel(func() {
			got, err := f.Check(context.Background(), r)
			if err != nil || got.Status != test.want.Status || got.AttemptsLeft != test.want.AttemptsLeft {
				t.Errorf("Check = %+v, %v", got, err)
			}
		})
		if n := len(f.events.checked); n != 1 {
			t.Errorf("%d of 50 answers with one key were reported", n)
		}
	}
}

// TestOnceErrorsHoldNoSecrets: an invalid answer is an error, which does not quote it.
func TestOnceErrorsHoldNoSecrets(t *testing.T) {
	f := newFixture(t).open()
	secret := codes.IdempotencyKey{Route: "canary", Value: "canary"}
	for _, answer := range []string{"canary", "created canary 3", "created 60 canary", "created 60", "checked canary", "checked"} {
		s := f.with(func(o *codes.Options) { o.Store = settled{f.model, answer} })
		_, createErr := s.Create(context.Background(), codes.CreateRequest{ID: "canary", Recipient: seattle, Caller: "canary", Key: secret})
		_, checkErr := s.Check(context.Background(), codes.CheckRequest{ID: "canary", Code: "123456", Key: secret})
		for _, err := range []error{createErr, checkErr} {
			if err == nil || errors.Is(err, codes.ErrUnavailable) || strings.Contains(err.Error(), "canary") {
				t.Errorf("answer %q: %v", answer, err)
			}
		}
	}
	if len(f.sender.Messages()) != 0 || f.store.calls["Check"] != 0 {
		t.Error("an answered request was run")
	}
}

// settled is a store with one answer to every claim.
type settled struct {
	codes.Store
	answer string
}

func (s settled) Claim(context.Context, codes.Claim) (string, codes.Op, error) {
	return s.answer, codes.Op{}, nil
}

func TestCheckOnce(t *testing.T) {
	f := newFixture(t)
	f.options.Policy.CodeLength = 30 // never twice the same
	f.limits().Guesses = codestest.Windows(t, "2/1h")
	f.open()
	key := func(s string) codes.IdempotencyKey { return codes.IdempotencyKey{Route: "GET /", Value: s} }

	checkOnce(t, f.Service, key("unknown"), "id", "1", unknown)
	code := f.create("id", seattle)
	checkOnce(t, f.Service, key("unknown"), "id", "1", unknown) // although there is one now
	for range 3 {
		checkOnce(t, f.Service, key("wrong"), "id", notThis(code), f.wrong(2, seattle))
	}
	if e := f.events.checked; len(e) != 2 || e[1].Caller != "shop" {
		t.Errorf("reported %+v, want one event for each key", e)
	}
	f.create("other", seattle) // one of two guesses
	checkOnce(t, f.Service, key("wrong again"), "id", notThis(code), f.wrong(1, seattle))
	f.limited("other", seattle, "GUESS_LIMITS 2/1h")
	checkOnce(t, f.Service, key("right"), "id", code, right)
	f.check("id", code, unknown)
	checkOnce(t, f.Service, key("right"), "id", code, right)

	f.model.Advance(time.Hour)
	f.create("id", seattle)
	f.model.Advance(time.Hour)
	checkOnce(t, f.Service, key("expired"), "id", "1", expired)
	checkOnce(t, f.Service, key("expired"), "id", "1", expired)
	checkOnce(t, f.Service, key("after it"), "id", "1", unknown)
}

// TestCheckOnceNotAnswered: a check that was not answered, or not settled, can be
// retried. It returns the true answer and uses one attempt.
func TestCheckOnceNotAnswered(t *testing.T) {
	f := newFixture(t)
	f.limits().Guesses = codestest.Windows(t, "2/1h")
	f.open()
	code := notThis(f.create("id", seattle))
	r := codes.CheckRequest{ID: "id", Code: code, Caller: "shop", Key: aKey}
	f.store.fail["Check"] = codes.ErrUnavailable
	if got, err := f.Check(context.Background(), r); !errors.Is(err, codes.ErrUnavailable) || got != (codes.Outcome{}) {
		t.Errorf("Check = %+v, %v", got, err)
	}
	f.store.fail["Check"], f.store.fail["Settle"] = nil, codes.ErrUnavailable
	for range 2 {
		checkOnce(t, f.Service, aKey, "id", code, f.wrong(2, seattle))
	}
	f.store.fail["Settle"] = nil
	for range 2 {
		checkOnce(t, f.Service, aKey, "id", code, f.wrong(2, seattle))
	}
	f.create("other", seattle) // one of two guesses
	f.check("id", code, f.wrong(1, seattle))
}

// TestCheckOnceKeeps: a check with a key has a claim, so that the store keeps its answer
// as long as the key.
func TestCheckOnceKeeps(t *testing.T) {
	f := newFixture(t).open()
	checkOnce(t, f.Service, aKey, "id", "1", unknown)
	f.check("id", "1", unknown)
	if len(f.store.claims) != 2 || f.store.claims[0] == (codes.Digest{}) || f.store.claims[1] != (codes.Digest{}) {
		t.Errorf("checks under claims %v, want one with a claim and one without", f.store.claims)
	}
}
