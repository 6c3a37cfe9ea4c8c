package api

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// failures counts like the real one, but for a clock: nothing is ever forgotten.
type failures struct {
	mu    sync.Mutex
	count map[codes.Digest]int64
	err   error
}

func (f *failures) CountFailure(ctx context.Context, address codes.Digest, w codes.Window) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return f.err
	}
	if ctx.Err() != nil {
		return codes.ErrUnavailable
	}
	if w.Span != time.Minute {
		return fmt.Errorf("a window of %v", w.Span)
	}
	if f.count[address] >= w.Max {
		return fmt.Errorf("wrapped: %w", &codes.LimitError{Limit: "failed API keys " + w.Text, RetryAfter: 42 * time.Second})
	}
	if f.count == nil {
		f.count = map[codes.Digest]int64{}
	}
	f.count[address]++
	return nil
}

func (f *failures) total() (n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, count := range f.count {
		n += count
	}
	return n
}

const (
	unauthorized = `{"message":"A valid API key is required: Authorization: Bearer KEY","reason":"Unauthorized"}`
	tooMany      = `{"message":"Limit reached: failed API keys 30/1m","reason":"RateLimited","limit":"failed API keys 30/1m","retry_after":42}`
)

// threeKeys: two names, the first of which is changing its key.
func threeKeys(f *fixture) {
	f.Keys = []Key{key("shop", "old"), key("bank", "Bearer x"), key("shop", "new")}
}

func TestKeyRight(t *testing.T) {
	count := &failures{}
	a := newAPI(t, threeKeys, func(f *fixture) { f.Failures = count })
	for _, test := range []struct{ authorization, caller string }{
		{"Bearer old", "shop"},
		{"Bearer new", "shop"},
		{"bearer new", "shop"},
		{"BEARER old", "shop"},
		{"Bearer Bearer x", "bank"},
	} {
		before := len(a.log.String())
		a.do(t, "GET", checkQuery("a", "1"), "", "Authorization", test.authorization).is(t, 400, unknown)
		if line := a.log.String()[before:]; !strings.Contains(line, `"caller":"`+test.caller+`"`) {
			t.Errorf("%q: %s", test.authorization, line)
		}
	}
	if n := count.total(); n != 0 {
		t.Errorf("%d failures counted", n)
	}
}

// Whatever was wrong, the answer is the same to the byte, and nothing happened.
func TestKeyWrong(t *testing.T) {
	a := newAPI(t, threeKeys)
	hash := fmt.Sprintf("%x", key("", "old").Hash)
	var first *answer
	calls := 0
	a.untouched(t, func() {
		for _, headers := range [][]string{
			{},
			{"Authorization", "Bearer"},
			{"Authorization", "Bearer "},
			{"Authorization", "Bearer wrong"},
			{"Authorization", "Bearer OLD"},
			{"Authorization", "Bearer ol"},
			{"Authorization", "Bearer oldd"},
			{"Authorization", "Bearer  old"},
			{"Authorization", "Bearer\told"},
			{"Authorization", "Bearer old, Bearer new"},
			{"Authorization", "Bearer shop:old"},
			{"Authorization", "Bearer " + hash},
			{"Authorization", "Bearer shop:" + hash},
			{"Authorization", "Bearer " + strings.Repeat("x", 10_000)},
			{"Authorization", "old"},
			{"Authorization", "Basic old"},
			{"Authorization", "Bearerold"},
			{"Authorization", "Token old"},
			{"Authorization", "Bearer old", "Authorization", "Bearer old"},
			{"Authorization", "Bearer wrong", "Authorization", "Bearer old"},
			{"Proxy-Authorization", "Bearer old"},
			{"X-Api-Key", "old"},
		} {
			for _, call := range []struct{ method, target, body string }{
				{"POST", "/", createBody("a")},
				{"POST", "/verify", `{"auth_id":"a","code":"1"}`},
				{"POST", "/verify", `not understood either`},
				{"GET", "/?auth_id=a&code=1", ""},
				{"GET", "/?pretty", ""},
				{"DELETE", "/?auth_id=a", ""},
			} {
				// Each from an address of its own, so that none is counted out.
				calls++
				got := a.serve(t, fmt.Sprintf("[2001:db8:0:%x::1]:1", calls), call.method, call.target, call.body, headers...)
				got.is(t, 401, unauthorized)
				for _, name := range []string{"X-Request-Id", "Date"} {
					got.header.Del(name)
				}
				if first == nil {
					first = &got
				}
				if got.text != first.text || !maps.EqualFunc(got.header, first.header, slices.Equal) || got.header.Get("Www-Authenticate") != "Bearer" {
					t.Errorf("%q: %q %q, first %q %q", headers, got.header, got.text, first.header, first.text)
				}
			}
		}
	})
}

// serve answers a request that comes from the given address.
func (a *testAPI) serve(t testing.TB, from, method, target, body string, headers ...string) answer {
	t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.RemoteAddr = from
	setHeaders(r, headers...)
	w := httptest.NewRecorder()
	a.handler.ServeHTTP(w, r)
	got := a.read(t, w.Result())
	a.check(t, method, target, got)
	return got
}

func TestKeyNotNeeded(t *testing.T) {
	for _, setup := range []func(*fixture){func(*fixture) {}, withKey} {
		a := newAPI(t, setup)
		for _, headers := range [][]string{{}, {"Authorization", "Bearer wrong"}} {
			for _, path := range []string{"/healthz", "/readyz", "/openapi.yaml"} {
				if got := a.do(t, "GET", path, "", headers...); got.status != http.StatusOK {
					t.Errorf("%s: %d", path, got.status)
				}
			}
		}
	}
	a := newAPI(t) // without keys it is open, whatever is sent
	for _, headers := range [][]string{{}, {"Authorization", "Bearer x"}, {"Authorization", "Basic x", "Authorization", "y"}} {
		a.do(t, "GET", checkQuery("a", "1"), "", headers...).is(t, 400, unknown)
	}
}

func TestKeyFailuresAreLimited(t *testing.T) {
	count := &failures{}
	a := newAPI(t, threeKeys, func(f *fixture) { f.Failures = count })
	const target = "/?auth_id=a&code=1"
	a.untouched(t, func() {
		for range 50 { // what holds no key at all is no guess
			a.do(t, "GET", target, "").is(t, 401, unauthorized)
			a.do(t, "GET", target, "", "Authorization", "Basic old").is(t, 401, unauthorized)
		}
		for range 30 {
			a.do(t, "GET", target, "", "Authorization", "Bearer wrong").is(t, 401, unauthorized)
		}
		for _, test := range []struct{ method, target, body string }{
			{"GET", target, ""}, {"POST", "/", createBody("a")}, {"POST", "/verify", "{}"}, {"DELETE", "/?auth_id=a", ""},
		} {
			a.do(t, test.method, test.target, test.body, "Authorization", "Bearer wrong").is(t, 429, tooMany)
		}
	})
	a.do(t, "GET", target, "", "Authorization", "Bearer old").is(t, 400, unknown) // a right key still passes
	a.do(t, "GET", "/healthz", "", "Authorization", "Bearer wrong").is(t, 200, `{"status":"ok"}`)
	a.serve(t, "192.0.2.7:1", "GET", target, "", "Authorization", "Bearer wrong").is(t, 401, unauthorized) // from elsewhere
	if n := count.total(); n != 31 {
		t.Errorf("%d failures counted", n)
	}
}

// A caller that hangs up, or closes its half of the connection, has its wrong
// key counted all the same.
func TestKeyFailureOfOneWhoHangsUp(t *testing.T) {
	count := &failures{}
	a := newAPI(t, withKey, func(f *fixture) { f.Failures = count })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r := httptest.NewRequest("GET", "/", nil).WithContext(ctx)
	r.Header.Set("Authorization", "Bearer wrong")
	a.handler.ServeHTTP(httptest.NewRecorder(), r)
	if n := count.total(); n != 1 {
		t.Errorf("%d failures counted", n)
	}
}

// Where failures cannot be counted nobody learns that a key is wrong, and the
// operator is told. What needs no counting is answered as ever.
func TestKeyFailuresCannotBeCounted(t *testing.T) {
	a := newAPI(t, withKey, func(f *fixture) { f.Failures = &failures{err: fmt.Errorf("store: %w", codes.ErrUnavailable)} })
	const target = "/?auth_id=a&code=1"
	a.untouched(t, func() {
		for _, test := range []struct{ method, target, body string }{
			{"GET", target, ""}, {"POST", "/", createBody("a")}, {"POST", "/verify", "{}"}, {"DELETE", "/?auth_id=a", ""},
		} {
			a.do(t, test.method, test.target, test.body, "Authorization", "Bearer wrong").is(t, 503, notNow)
			a.do(t, test.method, test.target, test.body).is(t, 401, unauthorized)
			a.do(t, test.method, test.target, test.body, "Authorization", "Basic secret").is(t, 401, unauthorized)
		}
	})
	a.do(t, "GET", target, "", "Authorization", "Bearer secret").is(t, 400, unknown)
	if log := a.log.String(); !strings.Contains(log, `"level":"WARN"`) || !strings.Contains(log, "store: unavailable") {
		t.Errorf("logged %s", log)
	}
}
