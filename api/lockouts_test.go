package api

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowroute/sms-verification/codes"
)

// TestLockouts: an address is locked out until its time is over. Of too many addresses one
// is forgotten.
func TestLockouts(t *testing.T) {
	l := &lockouts{max: 3, known: map[codes.Digest]lockout{}}
	now := time.Now()
	limit := codes.LimitError{Limit: "x", RetryAfter: 10 * time.Second}
	for _, i := range []byte{0, 1, 2, 3, 4, 4} {
		l.add(codes.Digest{i}, limit, now)
		if err := l.check(codes.Digest{i}, now); err == nil || len(l.known) > 3 {
			t.Errorf("address %d: %v, of %d known", i, err, len(l.known))
		}
	}
	var got *codes.LimitError
	if err := l.check(codes.Digest{4}, now.Add(9500*time.Millisecond)); !errors.As(err, &got) || got.RetryAfter != time.Second || got.Limit != "x" {
		t.Errorf("half a second before the end: %v", err)
	}
	if err := l.check(codes.Digest{4}, now.Add(10*time.Second)); err != nil || len(l.known) != 2 {
		t.Errorf("at the end: %v, %d addresses known, want 2 others", err, len(l.known))
	}
}

// TestWrongKeysPassAGate: only maxWrongKeys are counted at a time. A right key passes
// meanwhile.
func TestWrongKeysPassAGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		count := &failures{wait: make(chan struct{})}
		s := New(Options{
			State: &state{ready: true}, Keys: []Key{key("shop", "old")}, Failures: count, MaxInFlight: 1,
			Hasher: codes.NewHasher([]byte("test")), Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
		})
		answers := make(chan int, 100)
		for i := range 100 {
			go func() {
				answers <- statusOf(s.Handler(), fmt.Sprintf("192.0.2.%d:1", i), "Bearer wrong")
			}()
		}
		synctest.Wait()
		if n := count.calls.Load(); n != maxWrongKeys || len(answers) != 100-maxWrongKeys {
			t.Errorf("%d keys counted at a time, %d answered meanwhile", n, len(answers))
		}
		if status := statusOf(s.Handler(), "192.0.2.1:1", "Bearer old"); status != 400 {
			t.Errorf("a right key: %d", status)
		}
		close(count.wait)
		synctest.Wait()
		statuses := map[int]int{}
		for range 100 {
			statuses[<-answers]++
		}
		if statuses[401] != maxWrongKeys || statuses[503] != 100-maxWrongKeys {
			t.Errorf("statuses %v", statuses)
		}
	})
}

// statusOf returns the answer to a check without arguments from an address.
func statusOf(h http.Handler, from, authorization string) int {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = from
	r.Header.Set("Authorization", authorization)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}
