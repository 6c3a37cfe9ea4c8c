package codes

import (
	"fmt"
	"io"
)

// Redact writes a mask in place of a secret. A type that holds a secret calls it
// from its Format method, so that no verb (%v, %+v, %#v, %s, %q, %x, %d …) shows the
// content.
//
// Do not put a secret into an unexported field or a JSON map key: fmt and encoding/json
// print it there in clear text. The same holds for calls of fmt that go vet reports as
// mistakes: %p, %w without an error, an extra argument.
func Redact(f fmt.State, kind string) {
	_, _ = io.WriteString(f, "["+kind+"]")
}

// ID is the auth_id under which the application asks for a code and checks
// it: 1 to 120 Unicode characters. It prints masked.
type ID string

// Format masks the id under every verb.
func (ID) Format(f fmt.State, _ rune) { Redact(f, "auth_id") }

// MarshalText masks the id in JSON and in log attributes.
func (ID) MarshalText() ([]byte, error) { return []byte("[auth_id]"), nil }

// Phone is a recipient's number: 11 ASCII digits, the first of them a 1. It
// prints masked except for its last two digits, by which support can distinguish
// the numbers of one person.
type Phone string

// LastTwo returns the digits that may be shown.
func (p Phone) LastTwo() string {
	if len(p) < 2 {
		return ""
	}
	return string(p[len(p)-2:])
}

// Format masks the number under every verb.
func (p Phone) Format(f fmt.State, _ rune) { Redact(f, "number …"+p.LastTwo()) }

// MarshalText masks the number in JSON and in log attributes.
func (p Phone) MarshalText() ([]byte, error) { return []byte("[number …" + p.LastTwo() + "]"), nil }

// Code is a one-time code as the person receives it: ASCII digits, leading
// zeros included. It prints masked.
type Code string

// Format masks the code under every verb.
func (Code) Format(f fmt.State, _ rune) { Redact(f, "code") }

// MarshalText masks the code in JSON and in log attributes.
func (Code) MarshalText() ([]byte, error) { return []byte("[code]"), nil }

// Text is the text of an SMS. It holds the code, so it prints masked.
type Text string

// Format masks the text under every verb.
func (Text) Format(f fmt.State, _ rune) { Redact(f, "text") }

// MarshalText masks the text in JSON and in log attributes.
func (Text) MarshalText() ([]byte, error) { return []byte("[text]"), nil }
