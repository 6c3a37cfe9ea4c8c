package codes_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// resending returns a fixture that sends the same code again.
func resending(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t)
	f.options.Policy.CodeLength, f.options.Policy.SameCode = 30, true // never twice the same by chance
	return f
}

func TestResend(t *testing.T) {
	f := resending(t)
	f.options.Policy.Message = mustParse(t, "{org} {minutes}: {code}")
	f.open()
	code := f.create("id", seattle)
	f.check("id", notThis(code), f.wrong(2, seattle))
	f.model.Advance(20*time.Minute + 500*time.Millisecond)
	created, err := f.Create(context.Background(), request("id", seattle))
	want := codes.Created{Lifetime: 40 * time.Minute, Attempts: 2, Recipient: f.options.Secret.Phone(seattle)}
	if err != nil || created != want {
		t.Errorf("Create = %+v, %v; want %+v", created, err, want)
	}
	m := f.sender.Messages()
	if m[0].Text != "Org 60: "+codes.Text(code) || m[1].Text != "Org 40: "+codes.Text(code) {
		t.Errorf("sent %q", m)
	}
	f.check("id", code, right)
	if again := f.create("id", seattle); again == code {
		t.Error("a used code was sent again")
	}
}

func TestResendNewCode(t *testing.T) {
	for name, change := range map[string]func(f *fixture) codes.CreateRequest{
		"another recipient": func(*fixture) codes.CreateRequest { return request("id", toronto) },
		"half of the lifetime is over": func(f *fixture) codes.CreateRequest {
			f.model.Advance(31 * time.Minute)
			return request("id", seattle)
		},
		"another length": func(f *fixture) codes.CreateRequest {
			f.Service = f.with(func(o *codes.Options) { o.Policy.CodeLength = 31 })
			return request("id", seattle)
		},
		"no longer the same code": func(f *fixture) codes.CreateRequest {
			f.Service = f.with(func(o *codes.Options) { o.Policy.SameCode = false })
			return request("id", seattle)
		},
		"another id": func(*fixture) codes.CreateRequest { return request("other", seattle) },
	} {
		t.Run(name, func(t *testing.T) {
			f := resending(t).open()
			code := f.create("id", seattle)
			r := change(f)
			if _, err := f.Create(context.Background(), r); err != nil {
				t.Fatal(err)
			}
			if f.sent() == code {
				t.Error("the same code")
			}
			f.check(r.ID, f.sent(), right)
		})
	}
}

// TestResendFails: a message that was not sent takes nothing from the person who
// has the code.
func TestResendFails(t *testing.T) {
	f := resending(t).open()
	code := f.create("id", seattle)
	f.check("id", notThis(code), f.wrong(2, seattle))
	f.sender.FailWith(codes.ErrRejected)
	for range 3 {
		if _, err := f.Create(context.Background(), request("id", seattle)); !errors.Is(err, codes.ErrRejected) {
			t.Fatalf("Create = %v", err)
		}
	}
	f.check("id", notThis(code), f.wrong(1, seattle))
	f.check("id", code, right)
}

// TestResendAfterFailure: a code that was never sent is not the one to send.
func TestResendAfterFailure(t *testing.T) {
	f := resending(t).open()
	f.sender.FailWith(codes.ErrRejected)
	_, _ = f.Create(context.Background(), request("id", seattle))
	f.sender.FailWith(nil)
	f.check("id", f.create("id", seattle), right)
}

// TestResendRotation: the code is sent again although the secret was changed.
func TestResendRotation(t *testing.T) {
	before := resending(t)
	after := *before
	after.options.Secret, after.options.Previous = codes.NewHasher([]byte("new secret")), before.options.Secret
	before.open()
	after.open()
	code := before.create("id", seattle)
	for range 2 {
		if again := after.create("id", seattle); again != code {
			t.Error("another code after the change of the secret")
		}
	}
	after.check("id", code, right)

	byNumber := codes.CreateRequest{Recipient: seattle, Service: "VA1"} // whose auth_id the secret makes
	for _, s := range []*codes.Service{before.Service, after.Service} {
		if _, err := s.Create(context.Background(), byNumber); err != nil {
			t.Fatal(err)
		}
	}
	if m := before.sender.Messages(); m[len(m)-1].Text != m[len(m)-2].Text {
		t.Error("another code for the number after the change of the secret")
	}
}

// TestResendRepeated: the answer to an idempotency key is the first one.
func TestResendRepeated(t *testing.T) {
	f := resending(t).open()
	f.create("id", seattle)
	f.model.Advance(time.Minute)
	r := request("id", seattle)
	r.Key = codes.IdempotencyKey{Route: "POST /", Value: "1"}
	first, err := f.Create(context.Background(), r)
	if err != nil || first.Lifetime != 59*time.Minute {
		t.Fatalf("Create = %+v, %v", first, err)
	}
	f.model.Advance(time.Minute)
	second, err := f.Create(context.Background(), r)
	if first.Repeated = true; err != nil || second != first || len(f.sender.Messages()) != 2 {
		t.Errorf("Create = %+v, %v, %d messages; want %+v and 2", second, err, len(f.sender.Messages()), first)
	}
}

// TestResendTestRecipient: a fixed code stays, with its attempts and its end.
func TestResendTestRecipient(t *testing.T) {
	f := resending(t)
	var err error
	if f.options.Numbers.Test, err = codes.ParseTestRecipients([]string{string(seattle) + "=123456"}); err != nil {
		t.Fatal(err)
	}
	f.open()
	for n, want := range []codes.Created{{Lifetime: time.Hour, Attempts: 3}, {Lifetime: 50 * time.Minute, Attempts: 2}} {
		want.Recipient = f.options.Secret.Phone(seattle)
		if created, err := f.Create(context.Background(), request("id", seattle)); err != nil || created != want {
			t.Errorf("create %d = %+v, %v; want %+v", n, created, err, want)
		}
		f.check("id", "1", f.wrong(int64(2-n), seattle))
		f.model.Advance(10 * time.Minute)
	}
	f.check("id", "123456", right)
}

func mustParse(t *testing.T, text string) codes.Template {
	t.Helper()
	template, err := codes.ParseTemplate(text)
	if err != nil {
		t.Fatal(err)
	}
	return template
}
