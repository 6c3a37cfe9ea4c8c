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
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// failures counts like a real store without a clock: it forgets nothing.
type failures struct {
	mu    sync.Mutex
	count map[codes.Digest]int64
	err   error
	calls atomic.Int64
	wait  chan struct{} // each call waits until it is closed; nil for none
}

func (f *failures) CountFailure(ctx context.Context, address codes.Digest, w codes.Window) error {
	f.calls.Add(1)
	if f.wait != nil {
		<-f.wait
	}
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

// threeKeys configures two holders, the first of which is changing its key.
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

// TestKeyWrong: the answer is the same to the byte whatever was wrong, and nothing else
// happens.
func TestKeyWrong(t *testing.T) {
	a := newAPI(t, threeKeys)
	hash := fmt.Sprintf("%x", key("", "old").Hash)
	var first *answer
	addresses := 0
	a.untouched(t, func() {
		wrong := [][]string{
			{},
			{"Authorization", "Bearer old", "Authorization", "Bearer old"},
			{"Authorization", "Bearer wrong", "Authorization", "Bearer old"},
			{"Proxy-Authorization", "Bearer old"},
			{"X-Api-Key", "old"},
		}
		for _, authorization := range []string{
			"Bearer", "Bearer ", "Bearer wrong", "Bearer OLD", "Bearer ol", "Bearer oldd", "Bearer  old", "Bearer\told", "Bearer old, Bearer new",
			"Bearer shop:old", "Bearer " + hash, "Bearer shop:" + hash, "Bearer " + strings.Repeat("x", 10_000), "old", "Basic old", "Bearerold", "Token old",
		} {
			wrong = append(wrong, []string{"Authorization", authorization})
		}
		for _, headers := range wrong {
			for _, c := range calls("") {
				// Each from its own address, so that none reaches the limit.
				addresses++
				got := a.serve(t, fmt.Sprintf("[2001:db8:0:%x::1]:1", addresses), c.method, c.target, c.body, headers...)
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

// serve answers a request from the given address.
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

// TestKeyFailuresAreLimited: past its limit an address gets 429, and costs the store one
// more call until it may try again. A right key from there is still accepted.
func TestKeyFailuresAreLimited(t *testing.T) {
	count := &failures{}
	a := newAPI(t, threeKeys, func(f *fixture) { f.Failures = count })
	const target = "/?auth_id=a&code=1"
	a.untouched(t, func() {
		for range 50 { // a request without a key is no guess
			a.do(t, "GET", target, "").is(t, 401, unauthorized)
			a.do(t, "GET", target, "", "Authorization", "Basic old").is(t, 401, unauthorized)
		}
		for range 30 {
			a.do(t, "GET", target, "", "Authorization", "Bearer wrong").is(t, 401, unauthorized)
		}
		for range 10 {
			for _, c := range calls("") {
				a.call(t, c, "Authorization", "Bearer wrong").is(t, 429, tooMany)
			}
		}
	})
	a.do(t, "GET", target, "", "Authorization", "Bearer old").is(t, 400, unknown)
	a.do(t, "GET", "/healthz", "", "Authorization", "Bearer wrong").is(t, 200, `{"status":"ok"}`)
	a.serve(t, "192.0.2.7:1", "GET", target, "", "Authorization", "Bearer wrong").is(t, 401, unauthorized) // from elsewhere
	if n := count.calls.Load(); n != 32 || count.total() != 31 {
		t.Errorf("%d calls of the store, %d failures; want 30, one from elsewhere, and one call over the limit", n, count.total())
	}
}

// TestKeyFailureAfterHangUp: the wrong key of a caller that hangs up is counted.
func TestKeyFailureAfterHangUp(t *testing.T) {
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

// TestKeyFailuresCannotBeCounted: a wrong key that cannot be counted is answered with 503
// and logged as a warning. Requests that need no counting are answered as usual.
func TestKeyFailuresCannotBeCounted(t *testing.T) {
	a := newAPI(t, withKey, func(f *fixture) { f.Failures = &failures{err: fmt.Errorf("store: %w", codes.ErrUnavailable)} })
	a.untouched(t, func() {
		for _, c := range calls("") {
			a.call(t, c, "Authorization", "Bearer wrong").is(t, 503, notNow)
			a.call(t, c).is(t, 401, unauthorized)
			a.call(t, c, "Authorization", "Basic secret").is(t, 401, unauthorized)
		}
	})
	a.do(t, "GET", "/?auth_id=a&code=1", "", "Authorization", "Bearer secret").is(t, 400, unknown)
	if log := a.log.String(); !strings.Contains(log, `"level":"WARN"`) || !strings.Contains(log, "store: unavailable") {
		t.Errorf("logged %s", log)
	}
}
