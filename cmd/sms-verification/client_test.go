package main

import (
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/api/client"
	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// lossy is a proxy to the service that passes requests on and loses replies.
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
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: proxy, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return "http://" + listener.Addr().String()
}

// next makes the proxy lose the next n replies, and returns how many requests
// have passed it since it was asked last.
func (l *lossy) next(n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer func() { l.lose, l.passed = n, 0 }()
	return l.passed
}

// TestClientThroughLostReplies: with retries a lost reply costs nothing: one
// SMS, one attempt, and a right code is right.
func TestClientThroughLostReplies(t *testing.T) {
	t.Parallel()
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	key, line := newKey(t, "shop")
	p := serveReady(t, environment(redis, sim, "SEND_LIMITS=1/1h", "API_KEYS="+line))
	way := &lossy{}
	c, err := client.New(way.start(t, p.URL), client.WithAPIKey(key), client.WithRetries(3), client.WithTimeout(10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	way.next(2)
	auth, err := c.CreateAuth(t.Context(), "id", anyone)
	if err != nil || auth.AttemptsLeft != 3 {
		t.Fatalf("create: %+v, %v", auth, err)
	}
	if n := way.next(2); n != 3 || len(sim.Messages()) != 1 {
		t.Errorf("%d requests and %d SMS, want 3 and 1", n, len(sim.Messages()))
	}
	code := codeSent(t, sim, anyone)
	var wrong *client.Error
	if err := c.AuthenticateCode(t.Context(), "id", otherCode(code)); !errors.As(err, &wrong) || wrong.AttemptsLeft != 2 {
		t.Errorf("a wrong code: %v", err)
	}
	if n := way.next(2); n != 3 {
		t.Errorf("%d requests for a wrong code, want 3", n)
	}
	if s, err := c.Status(t.Context(), "id"); err != nil || s.State != client.StateCreated || s.AttemptsLeft != 2 || s.ExpiresIn < time.Minute {
		t.Errorf("status: %+v, %v", s, err)
	}
	if n := way.next(2); n != 3 {
		t.Errorf("%d requests for the status, want 3", n)
	}
	if err := c.AuthenticateCode(t.Context(), "id", code); err != nil {
		t.Errorf("the right code: %v", err)
	}
	if n := way.next(1); n != 3 {
		t.Errorf("%d requests for the right code, want 3", n)
	}
	if err := c.CancelAuth(t.Context(), "id"); err != nil {
		t.Errorf("cancel: %v", err)
	}
}

// TestClientKeyOfItsOwn: a job that is begun again, by another process, sends
// no second SMS.
func TestClientKeyOfItsOwn(t *testing.T) {
	t.Parallel()
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	p := serveReady(t, environment(redis, sim))
	for range 3 {
		c, err := client.New(p.URL)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Idempotent("job-1").CreateAuth(t.Context(), "id", anyone); err != nil {
			t.Error(err)
		}
		if _, err := c.Idempotent("job-1").CreateAuth(t.Context(), "other", anyone); client.ReasonOf(err) != client.IdempotencyConflict {
			t.Errorf("with other arguments: %v", err)
		}
	}
	if n := len(sim.Messages()); n != 1 {
		t.Errorf("%d SMS", n)
	}
}
