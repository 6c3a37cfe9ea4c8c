package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/api/client"
)

// The arguments of the tests, long enough to recognize in a leak.
const (
	testID     = "secret-id/ä&42"
	testNumber = "12065550137"
	testCode   = "730194"
	testKey    = "key-Zq81vNcc"
)

const (
	created  = `{"message":"Success: Verification code created.","auth_id":"secret-id/ä&42","expires_in":3600,"attempts_left":3}`
	verified = `{"authenticated":true,"auth_id":"secret-id/ä&42","message":"Success: Authorization code verified."}`
	canceled = `{"message":"Success"}`
	standing = `{"auth_id":"secret-id/ä&42","state":"failed","reason":"PhoneRejected","description":"d","attempts_left":2,"expires_in":90}`
)

// calls are the calls of a client, by the name in their errors.
var calls = map[string]func(context.Context, *client.Client) error{
	"create": func(ctx context.Context, c *client.Client) error {
		_, err := c.CreateAuth(ctx, testID, testNumber)
		return err
	},
	"authenticate": func(ctx context.Context, c *client.Client) error {
		return c.AuthenticateCode(ctx, testID, testCode)
	},
	"cancel": func(ctx context.Context, c *client.Client) error { return c.CancelAuth(ctx, testID) },
	"status": func(ctx context.Context, c *client.Client) error {
		_, err := c.Status(ctx, testID)
		return err
	},
}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

func newClient(t *testing.T, endpoint string, opts ...client.Option) *client.Client {
	t.Helper()
	c, err := client.New(endpoint, append([]client.Option{client.WithAPIKey(testKey), client.WithTimeout(5 * time.Second)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// reply returns a handler with one answer. headers are alternating names and values.
func reply(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Request-Id", "req-1")
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// TestCalls: each call sends its arguments and those of its options, in the body of a POST
// or else in the query.
func TestCalls(t *testing.T) {
	tests := map[string]struct {
		call         func(context.Context, *client.Client) error
		method, path string
		arguments    map[string]string
		answer       string
	}{
		"create":       {calls["create"], "POST", "/", map[string]string{"auth_id": testID, "recipient": testNumber}, created},
		"authenticate": {calls["authenticate"], "POST", "/verify", map[string]string{"auth_id": testID, "code": testCode}, verified},
		"cancel":       {calls["cancel"], "DELETE", "/", map[string]string{"auth_id": testID}, canceled},
		"status":       {calls["status"], "GET", "/status", map[string]string{"auth_id": testID}, standing},
		"create with options": {func(ctx context.Context, c *client.Client) error {
			_, err := c.CreateAuth(ctx, testID, testNumber, client.WithProfile("login"), client.WithLocale("es-MX"), client.WithClient("2001:db8::1"))
			return err
		}, "POST", "/", map[string]string{"auth_id": testID, "recipient": testNumber, "profile": "login", "locale": "es-MX", "client": "2001:db8::1"}, created},
		"authenticate with options": {func(ctx context.Context, c *client.Client) error {
			return c.AuthenticateCode(ctx, testID, testCode, client.WithProfile("login"), client.SentTo(testNumber))
		}, "POST", "/verify", map[string]string{"auth_id": testID, "code": testCode, "profile": "login", "recipient": testNumber}, verified},
		"cancel with options": {func(ctx context.Context, c *client.Client) error {
			return c.CancelAuth(ctx, testID, client.WithProfile("log&in"))
		}, "DELETE", "/", map[string]string{"auth_id": testID, "profile": "log&in"}, canceled},
		"status with options": {func(ctx context.Context, c *client.Client) error {
			_, err := c.Status(ctx, testID, client.WithProfile("log&in"))
			return err
		}, "GET", "/status", map[string]string{"auth_id": testID, "profile": "log&in"}, standing},
	}
	for _, prefix := range []string{"", "/", "/sms", "/sms/"} {
		for name, tt := range tests {
			t.Run(name+" at "+prefix, func(t *testing.T) {
				endpoint := serve(t, func(w http.ResponseWriter, r *http.Request) {
					if want := strings.TrimSuffix(prefix, "/") + tt.path; r.Method != tt.method || r.URL.Path != want {
						t.Errorf("request %s %s, want %s %s", r.Method, r.URL.Path, tt.method, want)
					}
					if got := r.Header.Get("Authorization"); got != "Bearer "+testKey {
						t.Errorf("Authorization %q", got)
					}
					if got := arguments(t, r); !maps.Equal(got, tt.arguments) {
						t.Errorf("arguments %v, want %v", got, tt.arguments)
					}
					reply(200, tt.answer)(w, r)
				})
				if err := tt.call(t.Context(), newClient(t, endpoint+prefix)); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// arguments returns what a request sends in its body or in its query, which must not send
// anything in the other.
func arguments(t *testing.T, r *http.Request) map[string]string {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	got := map[string]string{}
	if r.Method != http.MethodPost {
		for name := range r.URL.Query() {
			got[name] = r.URL.Query().Get(name)
		}
		if len(body) > 0 || r.Header.Get("Content-Type") != "" {
			t.Errorf("body %q of type %q", body, r.Header.Get("Content-Type"))
		}
		return got
	}
	if err := json.Unmarshal(body, &got); err != nil || r.Header.Get("Content-Type") != "application/json" || r.URL.RawQuery != "" {
		t.Errorf("body %q of type %q (%v), query %q", body, r.Header.Get("Content-Type"), err, r.URL.RawQuery)
	}
	return got
}

func TestCreateAuthReturnsTheAuth(t *testing.T) {
	for expires, want := range map[string]time.Duration{"3600": time.Hour, "1": time.Second, "9000000000": 9000000000 * time.Second} {
		body := strings.Replace(created, "3600", expires, 1)
		body = strings.Replace(body, "{", `{"new_member":{"a":[1]},`, 1)
		body = strings.Replace(body, `:3}`, `:9007199254740991}`, 1)
		got, err := newClient(t, serve(t, reply(200, body))).CreateAuth(t.Context(), testID, testNumber)
		if err != nil {
			t.Fatal(err)
		}
		if w := (client.Auth{AuthID: testID, ExpiresIn: want, AttemptsLeft: 1<<53 - 1}); *got != w {
			t.Errorf("got %+v, want %+v", *got, w)
		}
	}
}

func TestWithoutKeyNoAuthorization(t *testing.T) {
	endpoint := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if got, sent := r.Header["Authorization"]; sent {
			t.Errorf("Authorization %q", got)
		}
		reply(200, verified)(w, r)
	})
	if err := calls["authenticate"](t.Context(), newClient(t, endpoint, client.WithAPIKey(""))); err != nil {
		t.Error(err)
	}
}

// replyWith returns a handler with the answer that the service gives for an error.
func replyWith(e client.Error) http.HandlerFunc {
	members, headers := map[string]any{"message": e.Message, "reason": e.Reason}, []string{}
	if e.AttemptsLeft >= 0 {
		members["attempts_left"] = e.AttemptsLeft
	}
	if e.Limit != "" {
		members["limit"] = e.Limit
	}
	if e.RetryAfter > 0 {
		headers = append(headers, "Retry-After", fmt.Sprint(e.RetryAfter.Seconds()))
	}
	body, _ := json.Marshal(members) // of strings and numbers
	return reply(e.Status, string(body), headers...)
}

func TestErrorAnswers(t *testing.T) {
	const usage = "invalid arguments, the error's Message names the rule"
	for _, tt := range []struct {
		call string
		want client.Error
		text string
	}{
		{"authenticate", client.Error{Status: 400, Reason: client.InvalidAuthCode, AttemptsLeft: 2}, "wrong code, 2 attempts left"},
		{"authenticate", client.Error{Status: 400, Reason: client.InvalidAuthCode, AttemptsLeft: 1}, "wrong code, 1 attempt left"},
		{"authenticate", client.Error{Status: 400, Reason: client.InvalidAuthCode, AttemptsLeft: 0}, "wrong code, 0 attempts left"},
		{"authenticate", client.Error{Status: 400, Reason: client.ExpiredAuthCode, AttemptsLeft: 0}, "expired code"},
		{"authenticate", client.Error{Status: 400, Reason: client.UnknownAuthID, AttemptsLeft: 0}, "unknown auth_id"},
		{"create", client.Error{Status: 400, Reason: client.InvalidAPIUsage, AttemptsLeft: -1}, usage},
		{"create", client.Error{Status: 413, Reason: client.InvalidAPIUsage, AttemptsLeft: -1}, usage},
		{"create", client.Error{Status: 415, Reason: client.InvalidAPIUsage, AttemptsLeft: -1}, usage},
		{"cancel", client.Error{Status: 401, Reason: client.Unauthorized, AttemptsLeft: -1}, "no or wrong API key"},
		{"create", client.Error{Status: 403, Reason: client.RecipientNotAllowed, AttemptsLeft: -1}, "recipient not allowed"},
		{"authenticate", client.Error{Status: 403, Reason: client.ProfileNotAllowed, AttemptsLeft: -1}, "profile not allowed for this API key"},
		{"create", client.Error{Status: 404, Reason: client.NotFound, AttemptsLeft: -1}, "no such route, check the endpoint"},
		{"cancel", client.Error{Status: 405, Reason: client.MethodNotAllowed, AttemptsLeft: -1}, "method not allowed, check the endpoint"},
		{"create", client.Error{Status: 409, Reason: client.IdempotencyConflict, AttemptsLeft: -1}, "idempotency key in use by another call"},
		{"create", client.Error{Status: 422, Reason: client.IdempotencyConflict, AttemptsLeft: -1}, "idempotency key in use by another call"},
		{"create", client.Error{Status: 429, Reason: client.RateLimited, AttemptsLeft: -1, Limit: "SEND_LIMITS 5/10m", RetryAfter: 90 * time.Second}, "limit reached, try again in 1m30s"},
		{"create", client.Error{Status: 500, Reason: client.MessageRejected, AttemptsLeft: -1}, "message rejected by the carrier"},
		{"create", client.Error{Status: 500, Reason: client.MessageUnconfirmed, AttemptsLeft: -1}, "message unconfirmed, it may arrive"},
		{"create", client.Error{Status: 500, Reason: client.SenderRefused, AttemptsLeft: -1}, "the carrier refuses the service's account or sender"},
		{"cancel", client.Error{Status: 500, Reason: client.InternalError, AttemptsLeft: -1}, "internal error of the service"},
		{"authenticate", client.Error{Status: 503, Reason: client.ServiceUnavailable, AttemptsLeft: -1, RetryAfter: 2 * time.Second}, "service unavailable, try again in 2s"},
		{"create", client.Error{Status: 418, Reason: "OfALaterVersion", AttemptsLeft: -1}, "refused for an unknown reason (status 418)"},
	} {
		t.Run(string(tt.want.Reason), func(t *testing.T) {
			tt.want.Message = "which rule"
			err := calls[tt.call](t.Context(), newClient(t, serve(t, replyWith(tt.want))))
			var got *client.Error
			if !errors.As(err, &got) {
				t.Fatalf("got %v, want an *Error", err)
			}
			tt.want.RequestID = "req-1"
			if *got != tt.want {
				t.Errorf("got  %#v\nwant %#v", *got, tt.want)
			}
			if want := "client: " + tt.call + ": " + tt.text; err.Error() != want {
				t.Errorf("text %q, want %q", err, want)
			}
			if client.ReasonOf(err) != tt.want.Reason {
				t.Errorf("ReasonOf = %q", client.ReasonOf(err))
			}
		})
	}
}

func TestReasonOfOtherErrors(t *testing.T) {
	for _, err := range []error{nil, io.EOF} {
		if r := client.ReasonOf(err); r != "" {
			t.Errorf("ReasonOf(%v) = %q", err, r)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	refused := func(endpoint string, opts ...client.Option) {
		t.Helper()
		c, err := client.New(endpoint, opts...)
		if err == nil || c != nil {
			t.Fatalf("%q: New = %v, %v, want an error", endpoint, c, err)
		}
		if strings.Contains(err.Error(), "sesame") || !strings.HasPrefix(err.Error(), "client: ") {
			t.Errorf("%q: error %q", endpoint, err)
		}
	}
	for _, endpoint := range []string{
		"", "127.0.0.1:8000", "ftp://127.0.0.1", "/sms", "http:127.0.0.1", "http://:8000", "http://sesame@%zz", "http://sesame@127.0.0.1",
		"http://127.0.0.1/?sesame=1", "http://127.0.0.1/?", "http://127.0.0.1/#sesame",
	} {
		refused(endpoint)
	}
	for _, option := range []client.Option{
		client.WithAPIKey("sesame\n"), client.WithAPIKey("sesame 1"), client.WithAPIKey("sesameä"), client.WithHTTPClient(nil),
		client.WithTimeout(0), client.WithTimeout(-time.Second), client.WithRetries(-1), client.WithRetries(11),
	} {
		refused("http://127.0.0.1", option)
	}
}
