package codes_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
)

const tester codes.Phone = "15005550001"

// testing makes tester a test recipient with the code 042.
func (f *fixture) testing(until time.Time) *fixture {
	f.t.Helper()
	tests, err := codes.ParseTestRecipients([]string{string(tester) + "=042"})
	if err != nil {
		f.t.Fatal(err)
	}
	f.options.Numbers.Test, f.options.Numbers.TestUntil = tests, until
	return f.open()
}

// notTester are rules that exclude tester.
func notTester(t *testing.T) codes.Recipients {
	t.Helper()
	rules, err := codes.ParseRecipients(nil, []string{string(tester)})
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

// TestTestRecipient: nothing is sent, even if the rules exclude the number, and the code is
// checked like any other.
func TestTestRecipient(t *testing.T) {
	for name, until := range map[string]time.Time{"always": {}, "until later": time.Now().Add(time.Hour)} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.options.Numbers.Allowed = notTester(t)
			f.testing(until)
			f.created(request("id", tester), codes.Created{Lifetime: time.Hour, Attempts: 3})
			f.check("id", "43", f.wrong(2, tester))
			f.check("id", "00042", right)
			f.check("id", "42", unknown)
			if n := len(f.sender.Messages()); n != 0 {
				t.Errorf("%d messages were sent", n)
			}
		})
	}
}

// TestTestRecipientLimits: the limits of its number apply, those on messages do not.
func TestTestRecipientLimits(t *testing.T) {
	f := newFixture(t)
	*f.limits() = codes.Limits{
		Sends: codestest.Windows(t, "2/1h"), Guesses: codestest.Windows(t, "1/2h"), Total: codestest.Windows(t, "1/1h"),
		Clients: codestest.Windows(t, "1/1h"), Pace: codes.Pace{Rate: 1},
	}
	f.testing(time.Time{})
	r := request("id", tester)
	r.Client = "192.0.2.1"
	for range 2 {
		if _, err := f.Create(context.Background(), r); err != nil {
			t.Fatal(err)
		}
	}
	f.limited("id", tester, "SEND_LIMITS 2/1h")
	f.check("id", "1", f.wrong(2, tester))
	f.model.Advance(time.Hour)
	f.limited("id", tester, "GUESS_LIMITS 1/2h")
	f.create("other", seattle)
	f.limited("other", toronto, "SEND_LIMITS_TOTAL 1/1h")
}

// TestTestRecipientAfterTheEnd: after TestUntil it is a number like any other.
func TestTestRecipientAfterTheEnd(t *testing.T) {
	f := newFixture(t)
	f.options.Policy.CodeLength = 30 // never 42 by chance
	f.testing(time.Now().Add(-time.Second))
	code := f.create("id", tester)
	f.check("id", "42", f.wrong(2, tester))
	f.check("id", code, right)

	f.options.Numbers.Allowed = notTester(t)
	if _, err := f.open().Create(context.Background(), request("id", tester)); !errors.Is(err, codes.ErrRecipientNotAllowed) {
		t.Errorf("Create = %v", err)
	}
}
