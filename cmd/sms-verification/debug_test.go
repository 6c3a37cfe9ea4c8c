package main

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/cmd/sms-verification/internal/app"
)

// TestDebugMode: without Redis and without an account the SMS appears on stdout,
// and the code expires.
func TestDebugMode(t *testing.T) {
	t.Parallel()
	p := serveReady(t, debugEnvironment("CODE_EXPIRATION=1", "ORG_NAME=Café"))
	create(t, p.URL, "a", anyone).want(t, 200, "")
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
		verify(t, p.URL, "a", code).want(t, 400, want)
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
