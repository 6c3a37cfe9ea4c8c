package codes_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
)

func TestParseClient(t *testing.T) {
	for text, want := range map[string]codes.Client{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "::ffff:c000:201": "192.0.2.1",
		"2001:db8::1": "2001:db8::/64", "2001:DB8:0:0:ffff::": "2001:db8::/64", "2001:db8:0:1::": "2001:db8:0:1::/64",
		"fe80::1%eth0": "fe80::/64", "::1": "::/64",
		"192.0.2.1:80": "192.0.2.1:80", "192.0.2.01": "192.0.2.01", "session 42": "session 42", " ": " ", "a\x00b": "a\x00b",
		strings.Repeat("é", 120): codes.Client(strings.Repeat("é", 120)),
	} {
		if got, err := codes.ParseClient(text); err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", text, string(got), err, string(want))
		}
	}
	for _, text := range []string{"", strings.Repeat("é", 121), "a\xff"} {
		var wrong *codes.ArgumentError
		if got, err := codes.ParseClient(text); !errors.As(err, &wrong) || wrong.Argument != "client" {
			t.Errorf("%q: %q, %v", text, string(got), err)
		}
	}
}

// behind returns the request of a client for a number, with that as the id.
func behind(client codes.Client, to codes.Phone) codes.CreateRequest {
	r := request(codes.ID(to), to)
	r.Client = client
	return r
}

// TestClientLimit: messages count per caller and client, over all numbers. Without a
// client there is no such limit.
func TestClientLimit(t *testing.T) {
	f := newFixture(t)
	f.limits().Clients = codestest.Windows(t, "1/1h")
	f.open()
	ofBank := behind("192.0.2.1", toronto)
	ofBank.Caller = "bank"
	for i, test := range []struct {
		request codes.CreateRequest
		refused bool
	}{
		{behind("192.0.2.1", seattle), false},
		{behind("192.0.2.1", toronto), true},
		{behind("192.0.2.2", toronto), false},
		{ofBank, false},
		{ofBank, true},
		{behind("", toronto), false},
		{behind("", toronto), false},
	} {
		_, err := f.Create(context.Background(), test.request)
		var limit *codes.LimitError
		if refused := errors.As(err, &limit); refused != test.refused || err != nil && !refused || refused && limit.Limit != "CLIENT_LIMITS 1/1h" {
			t.Errorf("request %d: %v", i, err)
		}
	}
}
