package codes_test

import (
	"context"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
)

// resending returns a fixture with RESEND=same.
func resending(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t)
	f.options.Policy.CodeLength, f.options.Policy.SameCode = 30, true // never twice the same by chance
	return f
}

func TestResend(t *testing.T) {
	f := resending(t)
	f.options.Policy.Message = codestest.Template(t, "{org} {minutes}: {code}")
	f.open()
	code := f.create("id", seattle)
	f.check("id", notThis(code), f.wrong(2, seattle))
	f.model.Advance(20*time.Minute + 500*time.Millisecond)
	f.created(request("id", seattle), codes.Created{Lifetime: 40 * time.Minute, Attempts: 2})
	m := f.sender.Messages()
	if m[0].Text != "Org 60: "+codes.Text(code) || m[1].Text != "Org 40: "+codes.Text(code) {
		t.Errorf("sent %q", m)
	}
	f.check("id", code, right)
	if again := f.create("id", seattle); again == code {
		t.Error("a used code was sent again")
	}
}

// TestResendAnotherLength: after CODE_LENGTH was changed, the code is a new one.
func TestResendAnotherLength(t *testing.T) {
	f := resending(t).open()
	f.create("id", seattle)
	f.Service = f.with(func(o *codes.Options) { o.Policy.CodeLength = 31 })
	if code := f.create("id", seattle); len(code) != 31 {
		t.Errorf("a code of %d digits", len(code))
	}
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

	byNumber := codes.CreateRequest{Recipient: seattle, Service: "VA1"} // the auth_id follows from the secret
	for _, s := range []*codes.Service{before.Service, after.Service} {
		if _, err := s.Create(context.Background(), byNumber); err != nil {
			t.Fatal(err)
		}
	}
	if m := before.sender.Messages(); m[len(m)-1].Text != m[len(m)-2].Text {
		t.Error("another code for the number after the change of the secret")
	}
}

// TestResendTestRecipient: a fixed code keeps its attempts and its expiry.
func TestResendTestRecipient(t *testing.T) {
	f := resending(t).testing(time.Time{})
	for n, want := range []codes.Created{{Lifetime: time.Hour, Attempts: 3}, {Lifetime: 50 * time.Minute, Attempts: 2}} {
		f.created(request("id", tester), want)
		f.check("id", "1", f.wrong(int64(2-n), tester))
		f.model.Advance(10 * time.Minute)
	}
	f.check("id", "42", right)
}
