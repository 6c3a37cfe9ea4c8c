package main

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/cmd/sms-verification/internal/app"
	"github.com/flowroute/sms-verification/config"
)

// TestDebugListensOnLoopback: unless told otherwise.
func TestDebugListensOnLoopback(t *testing.T) {
	cfg, err := config.Load(config.Source{Set: map[string]string{"DEBUG_MODE": "true"}})
	if err != nil || cfg.ListenAddr != "127.0.0.1:8000" {
		t.Errorf("listens on %q, %v", cfg.ListenAddr, err)
	}
}

// TestDebugMode: with nothing installed the SMS is on stdout, and codes expire.
func TestDebugMode(t *testing.T) {
	t.Parallel()
	p := serveReady(t, debugEnvironment("CODE_EXPIRATION=1", "ORG_NAME=Café"))
	if a := create(t, p.URL, "a", "12065550142"); a.status != 200 || a.body.ExpiresIn != 1 {
		t.Fatalf("create: %d %s", a.status, a.raw)
	}
	made := time.Now()
	sms := regexp.MustCompile(`(?m)^  ╭─{42}╮
  │ SMS to \+12065550142 {22}│
  │ {42}│
  │ ([0-9]{4}) {37}│
  │ Welcome to Café! Use this one-time code  │
  │ to complete your signup\. {17}│
  ╰─{42}╯$`)
	code := ""
	eventually(t, time.Second, "the SMS on stdout", func() bool {
		if found := sms.FindStringSubmatch(p.stdout.String()); found != nil {
			code = found[1]
		}
		return code != ""
	})
	if strings.Contains(p.stderr.String(), "SMS to") || strings.Contains(p.stderr.String(), "12065550142") {
		t.Error("the SMS is in the log too")
	}
	time.Sleep(time.Until(made.Add(1100 * time.Millisecond)))
	for _, want := range []string{"ExpiredAuthCode", "UnknownAuthId", "UnknownAuthId"} {
		if a := verify(t, p.URL, "a", code); a.status != 400 || a.body.Reason != want {
			t.Errorf("%d %s, want %s", a.status, a.raw, want)
		}
	}
}

// TestDebugMagicNumbers: some numbers act out what Flowroute can do.
func TestDebugMagicNumbers(t *testing.T) {
	t.Parallel()
	p := serveReady(t, debugEnvironment("FLOWROUTE_TIMEOUT=300ms", "FLOWROUTE_MAX_WAIT=0s"))
	for number, want := range map[string]struct {
		status         int
		reason, verify string // of the answers to create and to a wrong code after it
		shown          bool
	}{
		"12065550142": {200, "", "InvalidAuthCode", true},
		"15005550400": {500, "MessageRejected", "UnknownAuthId", false},
		"15005550401": {500, "SenderRefused", "UnknownAuthId", false},
		"15005550429": {503, "ServiceUnavailable", "UnknownAuthId", false},
		"15005550500": {500, "MessageUnconfirmed", "InvalidAuthCode", false},
		"15005550302": {500, "MessageUnconfirmed", "InvalidAuthCode", false},
		"15005550002": {500, "MessageUnconfirmed", "InvalidAuthCode", false},
		"15005550200": {500, "MessageUnconfirmed", "InvalidAuthCode", true},
		"15005550004": {500, "MessageUnconfirmed", "InvalidAuthCode", true},
	} {
		if a := create(t, p.URL, number, number); a.status != want.status || a.body.Reason != want.reason {
			t.Errorf("create for %s: %d %s, want %d %s", number, a.status, a.raw, want.status, want.reason)
		}
		// No code has five digits.
		if a := verify(t, p.URL, number, "12345"); a.body.Reason != want.verify {
			t.Errorf("verify for %s: %s, want %s", number, a.raw, want.verify)
		}
		if want.shown {
			eventually(t, time.Second, "the SMS to "+number, func() bool { return strings.Contains(p.stdout.String(), "SMS to +"+number) })
		} else if strings.Contains(p.stdout.String(), "SMS to +"+number) {
			t.Errorf("an SMS to %s that Flowroute did not take", number)
		}
	}
}

func TestFirstDigits(t *testing.T) {
	for view, want := range map[string]string{
		app.PhoneView("12065550142", "0042\nWelcome 7"):    "0042",
		app.PhoneView("12065550142", "Your code: 123456."): "123456",
		app.PhoneView("12065550142", "no code"):            "",
		"no phone 1234":                                    "",
		"":                                                 "",
		app.PhoneView("12065550142", strings.Repeat("1", 40)): strings.Repeat("1", 40),
	} {
		if got := firstDigits(view); got != want {
			t.Errorf("%q, want %q, in\n%s", got, want, view)
		}
	}
}

func TestOtherCode(t *testing.T) {
	for _, code := range []string{"0000", "1234", "2345", "1", "9", strings.Repeat("0", 1000)} {
		other := otherCode(code)
		if len(other) != len(code) || strings.TrimLeft(other, "0") == strings.TrimLeft(code, "0") || strings.Trim(other, "0123456789") != "" {
			t.Errorf("%q is no other code than %q", other, code)
		}
	}
}
