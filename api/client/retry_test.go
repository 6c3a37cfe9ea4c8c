package client_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/api/client"
)

// flaky fails its first requests with fails, then answers like the service. It records the
// keys.
type flaky struct {
	mu    sync.Mutex
	fails []http.HandlerFunc
	keys  []string
}

func (f *flaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keys = append(f.keys, strings.Join(r.Header["Idempotency-Key"], ","))
	if len(f.fails) > 0 {
		fail := f.fails[0]
		f.fails = f.fails[1:]
		fail(w, r)
		return
	}
	answer := map[string]string{"POST /": created, "POST /verify": verified, "DELETE /": canceled, "GET /status": standing}
	reply(200, answer[r.Method+" "+r.URL.Path])(w, r)
}

func (f *flaky) asked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.keys)
}

func loseAnswer(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

const busy = `{"message":"Too busy; try again later","reason":"ServiceUnavailable","retry_after":1}`

// TestRetries: only certain answers are retried, with the same key.
func TestRetries(t *testing.T) {
	for name, test := range map[string]struct {
		fail    http.HandlerFunc
		repeats bool
		waits   time.Duration
	}{
		"answer lost":          {loseAnswer, true, 100 * time.Millisecond},
		"busy":                 {reply(503, busy, "Retry-After", "1"), true, time.Second},
		"still running":        {reply(409, `{"message":"m","reason":"IdempotencyConflict","retry_after":1}`, "Retry-After", "1"), true, time.Second},
		"a proxy's 502":        {reply(502, "<html>"), true, 100 * time.Millisecond},
		"a proxy's 504":        {reply(504, "<html>"), true, 100 * time.Millisecond},
		"busy without a time":  {reply(503, busy), false, 0},
		"limit":                {reply(429, `{"message":"m","reason":"RateLimited","limit":"l","retry_after":1}`, "Retry-After", "1"), false, 0},
		"unconfirmed":          {reply(500, `{"message":"m","reason":"MessageUnconfirmed"}`), false, 0},
		"internal error":       {reply(500, `{"message":"m","reason":"InternalError"}`), false, 0},
		"wrong code":           {reply(400, `{"message":"m","reason":"InvalidAuthCode","attempts_left":1}`), false, 0},
		"other arguments":      {reply(422, `{"message":"m","reason":"IdempotencyConflict"}`), false, 0},
		"somebody else's page": {reply(200, "<html>"), false, 0},
	} {
		for call, do := range calls {
			t.Run(name+" to "+call, func(t *testing.T) {
				t.Parallel()
				service := &flaky{fails: []http.HandlerFunc{test.fail}}
				begun := time.Now()
				err := do(t.Context(), newClient(t, serve(t, service.ServeHTTP), client.WithRetries(1)))
				if took := time.Since(begun); took < test.waits {
					t.Errorf("repeated after %v, asked to wait %v", took, test.waits)
				}
				keys := service.asked()
				if repeated := len(keys) == 2; (err == nil) != test.repeats || repeated != test.repeats {
					t.Fatalf("error %v after %d requests", err, len(keys))
				}
				if keyed := call != "cancel" && call != "status"; (len(keys[0]) >= 26) != keyed || keys[len(keys)-1] != keys[0] {
					t.Errorf("keys %q", keys)
				}
			})
		}
	}
}

// TestRetriesAreBounded in number, by the client's timeout and by the context.
func TestRetriesAreBounded(t *testing.T) {
	always := func(h http.HandlerFunc) *flaky { return &flaky{fails: slices.Repeat([]http.HandlerFunc{h}, 100)} }
	lost := always(loseAnswer)
	if err := calls["create"](t.Context(), newClient(t, serve(t, lost.ServeHTTP), client.WithRetries(2))); err == nil || len(lost.asked()) != 3 {
		t.Errorf("error %v after %d requests, want 3", err, len(lost.asked()))
	}

	later := always(reply(503, strings.Replace(busy, "1", "60", 1), "Retry-After", "60"))
	begun := time.Now()
	err := calls["create"](t.Context(), newClient(t, serve(t, later.ServeHTTP), client.WithRetries(9)))
	if client.ReasonOf(err) != client.ServiceUnavailable || len(later.asked()) != 1 || time.Since(begun) > 3*time.Second {
		t.Errorf("a wait beyond the timeout: %v after %d requests and %v", err, len(later.asked()), time.Since(begun))
	}

	ctx, cancel := context.WithCancel(t.Context())
	busyOnce := always(func(w http.ResponseWriter, r *http.Request) {
		cancel()
		reply(503, busy, "Retry-After", "1")(w, r)
	})
	begun = time.Now()
	err = calls["create"](ctx, newClient(t, serve(t, busyOnce.ServeHTTP), client.WithRetries(9)))
	if err == nil || len(busyOnce.asked()) != 1 || time.Since(begun) > 900*time.Millisecond {
		t.Errorf("canceled: %v after %d requests and %v", err, len(busyOnce.asked()), time.Since(begun))
	}
}

// TestRetryUnreachable: a call is retried as often as allowed while nothing answers.
func TestRetryUnreachable(t *testing.T) {
	refusals := 0
	c := newClient(t, "http://127.0.0.1:1", client.WithRetries(3), client.WithHTTPClient(&http.Client{
		Transport: roundTripper(func(*http.Request) (*http.Response, error) {
			refusals++
			return nil, errors.New("connection refused")
		}),
	}))
	if err := calls["authenticate"](t.Context(), c); err == nil || refusals != 4 {
		t.Errorf("error %v after %d tries", err, refusals)
	}
}

// TestEachCallHasItsKey: two calls never share a key, so none gets the answer of another.
func TestEachCallHasItsKey(t *testing.T) {
	service := &flaky{}
	c := newClient(t, serve(t, service.ServeHTTP), client.WithRetries(1))
	for range 3 {
		for call, do := range calls {
			if err := do(t.Context(), c); err != nil {
				t.Errorf("%s: %v", call, err)
			}
		}
	}
	keys := slices.DeleteFunc(service.asked(), func(key string) bool { return key == "" })
	slices.Sort(keys)
	if len(keys) != 6 || len(slices.Compact(keys)) != 6 {
		t.Errorf("keys %q", keys)
	}
}

func TestIdempotent(t *testing.T) {
	service := &flaky{}
	c := newClient(t, serve(t, service.ServeHTTP), client.WithRetries(1))
	for _, key := range []string{"job-7", strings.Repeat("k", 255), "!~"} {
		if err := calls["create"](t.Context(), c.Idempotent(key)); err != nil {
			t.Error(err)
		}
		if keys := service.asked(); keys[len(keys)-1] != key {
			t.Errorf("sent %q, want %q", keys[len(keys)-1], key)
		}
	}
	if err := calls["create"](t.Context(), c); err != nil || service.asked()[3] == "!~" {
		t.Errorf("the client itself has the key: %v", err)
	}
	before := len(service.asked())
	for _, key := range []string{"", " ", "a b", "ä", "a\n", strings.Repeat("k", 256)} {
		for _, call := range []string{"create", "authenticate"} {
			if err := calls[call](t.Context(), c.Idempotent(key)); client.ReasonOf(err) != client.InvalidAPIUsage {
				t.Errorf("%s with %q: %v", call, key, err)
			}
		}
	}
	if n := len(service.asked()); n != before {
		t.Errorf("%d requests with a key against the rules", n-before)
	}
}
