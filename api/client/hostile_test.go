package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/api/client"
)

// mustHoldNoSecret fails if an error contains an argument, however encoded, or the key.
func mustHoldNoSecret(t *testing.T, err error) {
	t.Helper()
	text := fmt.Sprintf("%v %+v %s %q", err, err, err, err)
	for _, secret := range []string{testID, url.QueryEscape(testID), "secret-id", "auth_id=", testNumber, testNumber[1:], testCode, testKey} {
		if strings.Contains(text, secret) {
			t.Errorf("error shows %q: %s", secret, text)
		}
	}
}

// TestAnswersOfOthers: an answer that the service never gives is an error of every call.
func TestAnswersOfOthers(t *testing.T) {
	tests := map[string]struct {
		status int
		body   string
	}{
		"a proxy's page":           {502, "<html><h1>502 Bad Gateway</h1>nginx</html>"},
		"a page with 200":          {200, "<html>Welcome to the hotel</html>"},
		"nothing":                  {200, ""},
		"nothing with 204":         {204, ""},
		"created":                  {201, created},
		"truncated":                {200, verified[:len(verified)-2]},
		"trailing data":            {200, verified + verified},
		"a list":                   {200, "[" + verified + "]"},
		"text":                     {200, `"authenticated"`},
		"types":                    {200, `{"authenticated":"true","auth_id":"secret-id/ä&42","expires_in":3600,"attempts_left":3}`},
		"type of attempts":         {400, `{"message":"Invalid code","reason":"InvalidAuthCode","attempts_left":"2"}`},
		"type of reason":           {400, `{"message":"Invalid code","reason":7}`},
		"no reason":                {500, `{"message":"Internal Server Error"}`},
		"huge":                     {200, `{"message":"` + strings.Repeat("a", 1<<20) + `",` + verified[1:]},
		"just too long":            {200, verified + strings.Repeat(" ", 64<<10+1-len(verified))},
		"deep":                     {200, strings.Repeat("[", 60_000)},
		"redirect with our answer": {307, verified},
	}
	for name, tt := range tests {
		for call, do := range calls {
			t.Run(name+" to "+call, func(t *testing.T) {
				err := do(t.Context(), newClient(t, serve(t, reply(tt.status, tt.body, "Retry-After", "7"))))
				var e *client.Error
				if !errors.As(err, &e) {
					t.Fatalf("got %v, want an *Error", err)
				}
				want := client.Error{Status: tt.status, Message: e.Message, AttemptsLeft: -1, RetryAfter: 7 * time.Second, RequestID: "req-1"}
				if *e != want || e.Message == "" || !strings.Contains(err.Error(), fmt.Sprintf("(status %d)", tt.status)) {
					t.Errorf("got  %#v: %v\nwant %#v", *e, err, want)
				}
				mustHoldNoSecret(t, err)
			})
		}
	}
}

// TestSuccessMustBeComplete: a success that lacks a member, or is about another auth_id, is
// an error.
func TestSuccessMustBeComplete(t *testing.T) {
	const id = `"auth_id":"secret-id/ä&42"`
	for call, bodies := range map[string][]string{
		"authenticate": {
			`{}`, `null`, created, `{"authenticated":false,` + id + `}`, `{"authenticated":null,` + id + `}`, `{"authenticated":true}`,
			`{"authenticated":true,"auth_id":"another"}`,
		},
		"create": {
			`{}`, verified, `{"auth_id":"another","expires_in":3600,"attempts_left":3}`,
			`{` + id + `,"attempts_left":3}`, `{` + id + `,"expires_in":-1,"attempts_left":3}`,
			`{` + id + `,"expires_in":9300000000,"attempts_left":3}`, `{` + id + `,"expires_in":1e400,"attempts_left":3}`,
			`{` + id + `,"expires_in":3600}`, `{` + id + `,"expires_in":3600,"attempts_left":0}`,
		},
		"status": {
			`{}`, created, `{"auth_id":"another","state":"sent","attempts_left":2,"expires_in":3599}`,
			`{` + id + `,"state":"sent","attempts_left":0,"expires_in":3599}`, `{` + id + `,"state":"sent","attempts_left":2}`,
			`{` + id + `,"state":7,"attempts_left":2,"expires_in":3599}`,
		},
	} {
		for _, body := range bodies {
			err := calls[call](t.Context(), newClient(t, serve(t, reply(200, body))))
			var e *client.Error
			if !errors.As(err, &e) || e.Status != 200 || e.Reason != "" {
				t.Errorf("%s answered %s: %v", call, body, err)
			}
		}
	}
}

func TestLargestAnswerIsRead(t *testing.T) {
	body := verified + strings.Repeat(" ", 64<<10-len(verified))
	if err := calls["authenticate"](t.Context(), newClient(t, serve(t, reply(200, body)))); err != nil {
		t.Error(err)
	}
}

func TestEndlessAnswer(t *testing.T) {
	endless := func(w http.ResponseWriter, r *http.Request) {
		reply(200, "{")(w, r)
		for blanks := []byte(strings.Repeat(" ", 4096)); r.Context().Err() == nil; {
			_, _ = w.Write(blanks)
		}
	}
	for call, do := range calls {
		err := do(t.Context(), newClient(t, serve(t, endless)))
		var e *client.Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), "longer") {
			t.Errorf("%s: error %v", call, err)
		}
	}
}

func TestHeadersOfOthers(t *testing.T) {
	body := `{"message":"m","reason":"RateLimited","attempts_left":-7}`
	ids := []string{"two words", strings.Repeat("a", 65)}
	for i, wait := range []string{"", "-1", "soon", "1.5", "9223372036854775807", "99999999999999999999", "Fri, 31 Dec 1999 23:59:59 GMT"} {
		err := calls["create"](t.Context(), newClient(t, serve(t, reply(429, body, "Retry-After", wait, "X-Request-Id", ids[i%2]))))
		var e *client.Error
		if !errors.As(err, &e) {
			t.Fatal(err)
		}
		if want := (client.Error{Status: 429, Message: "m", Reason: client.RateLimited, AttemptsLeft: -1}); *e != want {
			t.Errorf("Retry-After %q: got %#v, want %#v", wait, *e, want)
		}
	}
}

// hijacked returns a handler that writes a text in place of an answer. If it holds the
// connection, it leaves it open until the client hangs up.
func hijacked(t *testing.T, text string, holds bool) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(conn, text)
		if holds {
			_, _ = io.Copy(io.Discard, conn)
		}
		_ = conn.Close()
	}
}

// TestErrorsHoldNoSecret: no error repeats a secret, even if the answer repeats the request.
func TestErrorsHoldNoSecret(t *testing.T) {
	echo := func(r *http.Request) string {
		dump, _ := httputil.DumpRequest(r, true)
		return string(dump) + testID
	}
	raw := func(text string) http.HandlerFunc { return hijacked(t, text, false) }
	tests := map[string]http.HandlerFunc{
		"body":    func(w http.ResponseWriter, r *http.Request) { reply(400, echo(r))(w, r) },
		"request": func(w http.ResponseWriter, r *http.Request) { raw(echo(r))(w, r) },
		"members": func(w http.ResponseWriter, r *http.Request) {
			said := fmt.Sprintf("%q", echo(r))
			reply(400, `{"message":`+said+`,"reason":`+said+`,"limit":`+said+`}`)(w, r)
		},
		"message": func(w http.ResponseWriter, r *http.Request) {
			reply(400, fmt.Sprintf(`{"message":%q,"reason":"InvalidAPIUsage"}`, echo(r)))(w, r)
		},
		"no reason": func(w http.ResponseWriter, r *http.Request) {
			reply(500, fmt.Sprintf(`{"message":%q}`, echo(r)))(w, r)
		},
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			reply(302, "", "Location", "/"+url.QueryEscape(echo(r)))(w, r)
		},
		"bad redirect": reply(302, "", "Location", "%zz"+testID+testNumber+testCode+testKey),
		"status":       raw("HTTP/1.1 " + testID + testNumber + testCode + "\r\n\r\n"),
		"header":       raw("HTTP/1.1 200 OK\r\n" + testKey + testNumber + testCode + "\r\n\r\n"),
		"no answer":    raw(""),
		"half body":    raw("HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + verified),
		"bad chunk":    raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + testCode),
		"false gzip":   raw("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + verified),
		"trailer":      raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n0\r\n" + testNumber + testKey + "\r\n\r\n"),
	}
	for name, handler := range tests {
		for call, do := range calls {
			t.Run(name+" to "+call, func(t *testing.T) {
				err := do(t.Context(), newClient(t, serve(t, handler)))
				if err == nil || !strings.HasPrefix(err.Error(), "client: "+call+": ") {
					t.Fatalf("error %v", err)
				}
				mustHoldNoSecret(t, err)
			})
		}
	}
}

func TestUnreachable(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	for call, do := range calls {
		err := do(t.Context(), newClient(t, server.URL))
		var e *client.Error
		var op *net.OpError
		if !errors.As(err, &op) || errors.As(err, &e) || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("%s: error %v, want a net.OpError with connection refused", call, err)
		}
		mustHoldNoSecret(t, err)
	}
}

// roundTripper answers without a network.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestNestedURLErrorIsStripped(t *testing.T) {
	inner := errors.New("inner")
	h := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		return nil, fmt.Errorf("traced: %w", &url.Error{Op: "Delete", URL: r.URL.String(), Err: inner})
	})}
	err := calls["cancel"](t.Context(), newClient(t, "http://127.0.0.1", client.WithHTTPClient(h)))
	if !errors.Is(err, inner) {
		t.Errorf("error %v does not wrap its cause", err)
	}
	mustHoldNoSecret(t, err)
}

func TestTimeouts(t *testing.T) {
	stalls := map[string]string{"no answer": "", "no body": "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"}
	canceled := func(ctx context.Context) context.Context {
		ctx, cancel := context.WithCancelCause(ctx)
		time.AfterFunc(50*time.Millisecond, func() { cancel(errors.New("the reason why")) })
		return ctx
	}
	tests := map[string]struct {
		opt  client.Option
		ctx  func(context.Context) context.Context
		want error
	}{
		"own timeout":           {client.WithTimeout(50 * time.Millisecond), nil, context.DeadlineExceeded},
		"context canceled":      {client.WithTimeout(time.Minute), canceled, context.Canceled},
		"HTTP client's timeout": {client.WithHTTPClient(&http.Client{Timeout: 50 * time.Millisecond}), nil, context.DeadlineExceeded},
	}
	for stall, head := range stalls {
		for name, tt := range tests {
			for call, do := range calls {
				t.Run(stall+"/"+name+"/"+call, func(t *testing.T) {
					t.Parallel()
					endpoint := serve(t, hijacked(t, head, true))
					ctx := t.Context()
					if tt.ctx != nil {
						ctx = tt.ctx(ctx)
					}
					start := time.Now()
					err := do(ctx, newClient(t, endpoint, tt.opt))
					if !errors.Is(err, tt.want) || time.Since(start) > 4*time.Second {
						t.Errorf("after %s: error %v, want %v", time.Since(start), err, tt.want)
					}
					mustHoldNoSecret(t, err)
				})
			}
		}
	}
}

func TestEndedContextCallsNothing(t *testing.T) {
	endpoint := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("called") })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for call, do := range calls {
		if err := do(ctx, newClient(t, endpoint)); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error %v", call, err)
		}
	}
}

// TestOneCallIsOneRequest: when a reused connection breaks, net/http does not repeat the
// request, as it does for methods that it considers safe.
func TestOneCallIsOneRequest(t *testing.T) {
	for call, do := range calls {
		if call == "status" {
			continue // safe to repeat
		}
		var requests atomic.Int64
		c := newClient(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
			if requests.Add(1) == 1 {
				reply(400, `{"message":"m","reason":"InvalidAPIUsage"}`)(w, r)
				return
			}
			panic(http.ErrAbortHandler)
		}))
		_, second := do(t.Context(), c), do(t.Context(), c)
		if second == nil || requests.Load() != 2 {
			t.Errorf("%s: error %v after %d requests, want 2", call, second, requests.Load())
		}
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	elsewhere := serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s followed a redirect", r.Method) })
	follows := func(*http.Request, []*http.Request) error { return nil }
	own := &http.Client{CheckRedirect: follows}
	for _, status := range []int{301, 302, 303, 307, 308} {
		for call, do := range calls {
			err := do(t.Context(), newClient(t, serve(t, reply(status, "", "Location", elsewhere)), client.WithHTTPClient(own)))
			var e *client.Error
			if !errors.As(err, &e) || e.Status != status || !strings.Contains(err.Error(), "redirect") {
				t.Errorf("%s answered %d: %v", call, status, err)
			}
		}
	}
	if own.CheckRedirect == nil || own.CheckRedirect(nil, nil) != nil {
		t.Error("the HTTP client that was passed in is changed")
	}
}

func TestInvalidUTF8IsNotSent(t *testing.T) {
	c := newClient(t, serve(t, func(http.ResponseWriter, *http.Request) { t.Error("sent") }))
	_, create := c.CreateAuth(t.Context(), "\xff", testNumber)
	for _, err := range []error{create, c.AuthenticateCode(t.Context(), "\xff", testCode), c.CancelAuth(t.Context(), "\xff")} {
		if client.ReasonOf(err) != client.InvalidAPIUsage {
			t.Errorf("error %v", err)
		}
	}
}

func TestClientDoesNotPrintTheKey(t *testing.T) {
	c := newClient(t, "http://127.0.0.1")
	nested := struct{ c client.Client }{*c}
	for _, v := range []any{c, *c, nested, &nested} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			text := fmt.Sprintf(verb, v)
			if strings.Contains(text, testKey) || strings.Contains(text, fmt.Sprintf("%x", testKey)) {
				t.Errorf("%s of %T shows the key: %s", verb, v, text)
			}
		}
	}
}
