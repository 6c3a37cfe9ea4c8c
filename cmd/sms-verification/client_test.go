package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/api/client"
)

// lossy is a proxy before the service that loses replies.
type lossy struct {
	mu     sync.Mutex
	lose   int // of the next replies
	passed int // requests that reached the service
}

func (l *lossy) start(t *testing.T, target string) (address string) {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) },
		ModifyResponse: func(*http.Response) error {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.passed++
			if l.lose--; l.lose >= 0 {
				panic(http.ErrAbortHandler) // cuts the connection
			}
			return nil
		},
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	return server.URL
}

// next makes the proxy lose the next n replies, and returns how many requests
// have passed it since it was asked last.
func (l *lossy) next(n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer func() { l.lose, l.passed = n, 0 }()
	return l.passed
}

// TestClientThroughLostReplies: with retries a lost reply costs nothing: one SMS
// is sent, one attempt is spent, and the right code is accepted.
func TestClientThroughLostReplies(t *testing.T) {
	t.Parallel()
	key, line := newKey(t, "shop")
	p, sim := service(t, "SEND_LIMITS=1/1h", "API_KEYS="+line)
	way := &lossy{}
	c, err := client.New(way.start(t, p.URL), client.WithAPIKey(key), client.WithRetries(3), client.WithTimeout(10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	passed := func(request string) { // the next two replies are lost
		t.Helper()
		if n := way.next(2); n != 3 {
			t.Errorf("%s: %d requests, want 3", request, n)
		}
	}
	way.next(2)
	auth, err := c.CreateAuth(t.Context(), "id", anyone)
	if err != nil || auth.AttemptsLeft != 3 {
		t.Fatalf("create: %+v, %v", auth, err)
	}
	if passed("create"); len(sim.Messages()) != 1 {
		t.Errorf("%d SMS, want 1", len(sim.Messages()))
	}
	code := codeSent(t, sim, anyone)
	var wrong *client.Error
	if err := c.AuthenticateCode(t.Context(), "id", otherCode(code)); !errors.As(err, &wrong) || wrong.AttemptsLeft != 2 {
		t.Errorf("a wrong code: %v", err)
	}
	passed("a wrong code")
	if s, err := c.Status(t.Context(), "id"); err != nil || s.State != client.StateCreated || s.AttemptsLeft != 2 || s.ExpiresIn < time.Minute {
		t.Errorf("status: %+v, %v", s, err)
	}
	passed("status")
	if err := c.AuthenticateCode(t.Context(), "id", code); err != nil {
		t.Errorf("the right code: %v", err)
	}
	passed("the right code")
	if err := c.CancelAuth(t.Context(), "id"); err != nil {
		t.Errorf("cancel: %v", err)
	}
}
