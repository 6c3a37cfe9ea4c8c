package main

import (
	"strings"
	"testing"

	"github.com/flowroute/sms-verification/cmd/sms-verification/internal/app"
)

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
