package client_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"testing"

	"github.com/flowroute/sms-verification/api/client"
)

// sent runs a call and returns the arguments that it sent, in the body or in the query.
func sent(t *testing.T, answer string, call func(*client.Client) error) map[string]string {
	t.Helper()
	got := map[string]string{}
	endpoint := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if json.NewDecoder(r.Body).Decode(&got) != nil {
			query, _ := url.ParseQuery(r.URL.RawQuery)
			for name := range query {
				got[name] = query.Get(name)
			}
		}
		reply(200, answer)(w, r)
	})
	if err := call(newClient(t, endpoint)); err != nil {
		t.Fatal(err)
	}
	return got
}

// TestOptions: each call sends the arguments of its options.
func TestOptions(t *testing.T) {
	for _, tt := range []struct {
		name, answer string
		call         func(*client.Client) error
		want         map[string]string
	}{
		{"create", created, func(c *client.Client) error {
			_, err := c.CreateAuth(t.Context(), testID, testNumber, client.WithProfile("login"), client.WithLocale("es-MX"), client.WithClient("2001:db8::1"))
			return err
		}, map[string]string{"auth_id": testID, "recipient": testNumber, "profile": "login", "locale": "es-MX", "client": "2001:db8::1"}},
		{"authenticate", verified, func(c *client.Client) error {
			return c.AuthenticateCode(t.Context(), testID, testCode, client.WithProfile("login"), client.SentTo(testNumber))
		}, map[string]string{"auth_id": testID, "code": testCode, "profile": "login", "recipient": testNumber}},
		{"cancel", canceled, func(c *client.Client) error {
			return c.CancelAuth(t.Context(), testID, client.WithProfile("log&in"))
		}, map[string]string{"auth_id": testID, "profile": "log&in"}},
		{"status", standing, func(c *client.Client) error {
			_, err := c.Status(t.Context(), testID, client.WithProfile("log&in"))
			return err
		}, map[string]string{"auth_id": testID, "profile": "log&in"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := sent(t, tt.answer, tt.call); !maps.Equal(got, tt.want) {
				t.Errorf("sent %v, want %v", got, tt.want)
			}
		})
	}
}
