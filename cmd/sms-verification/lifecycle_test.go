package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

const (
	refusal  = 1500 * time.Millisecond // the longest that a 503 takes
	recovery = 2 * time.Second         // from Redis being back to requests that pass
)

// refusesAll fails the test unless every kind of request is refused soon.
func refusesAll(t *testing.T, url string) {
	t.Helper()
	requests := []struct{ method, url, body string }{
		{http.MethodPost, url + "/", `{"auth_id":"a","recipient":"12065550142"}`},
		{http.MethodPost, url + "/verify", `{"auth_id":"a","code":"1234"}`},
		{http.MethodGet, url + "/?auth_id=a&code=1234", ""},
		{http.MethodDelete, url + "/?auth_id=a", ""},
	}
	begun := time.Now()
	answers := inParallel(len(requests), func(i int) *answer { return do(t, requests[i].method, requests[i].url, requests[i].body) })
	if took := time.Since(begun); took > refusal {
		t.Errorf("without Redis: %v until the last answer", took)
	}
	for i, a := range answers {
		if a.status != 503 || a.body.Reason != "ServiceUnavailable" || a.body.RetryAfter < 1 || a.header.Get("Retry-After") == "" {
			t.Errorf("%s %s without Redis: %d %s", requests[i].method, requests[i].url, a.status, a.raw)
		}
	}
}

// passing waits until requests pass, which must be soon after since.
func passing(t *testing.T, url string, since time.Time) {
	t.Helper()
	eventually(t, recovery-time.Since(since), "requests pass again", func() bool {
		return create(t, url, "a", "12065550142").status == 200
	})
}

// TestStartWithoutRedis: a service that starts before its Redis becomes ready by itself.
func TestStartWithoutRedis(t *testing.T) {
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	redis.Signal(syscall.SIGKILL)
	p := serve(t, environment(redis, sim))
	for _, url := range []string{p.URL, p.Admin} {
		if a := get(t, url+"/healthz"); a.status != 200 || a.raw != `{"status":"ok"}`+"\n" {
			t.Errorf("healthz: %d %s", a.status, a.raw)
		}
		a := get(t, url+"/readyz")
		if a.status != 503 || a.body.Reason != "ServiceUnavailable" || a.body.Message == "" || a.header.Get("Retry-After") == "" {
			t.Errorf("readyz: %d %s", a.status, a.raw)
		}
	}
	refusesAll(t, p.URL)
	eventually(t, time.Second, "the log says what it waits for", func() bool { return strings.Contains(p.stderr.String(), "waiting for Redis") })
	if n := sim.Requests(); n.Requests != 0 {
		t.Errorf("%d messages without Redis", n.Requests)
	}

	redis.Restart()
	back := time.Now()
	eventually(t, recovery, "the service is ready", func() bool { return get(t, p.URL+"/readyz").status == 200 })
	passing(t, p.URL, back)
	if a := verify(t, p.URL, "a", codeSent(t, sim, "12065550142")); a.status != 200 {
		t.Errorf("the right code: %d %s", a.status, a.raw)
	}
}

// TestOutage: without Redis the service stays ready, says 503, and goes on when
// Redis is back, whether it was gone or stalled.
func TestOutage(t *testing.T) {
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	p := serveReady(t, environment(redis, sim))
	for what, outage := range map[string]struct{ begin, end func() }{
		"gone":    {func() { redis.Signal(syscall.SIGKILL) }, redis.Restart},
		"stalled": {func() { redis.Signal(syscall.SIGSTOP) }, func() { redis.Signal(syscall.SIGCONT) }},
	} {
		outage.begin()
		refusesAll(t, p.URL)
		for _, url := range []string{p.URL, p.Admin} {
			if a := get(t, url+"/readyz"); a.status != 200 {
				t.Errorf("%s: readyz: %d %s", what, a.status, a.raw)
			}
		}
		sent := sim.Requests().Accepted
		outage.end()
		passing(t, p.URL, time.Now())
		if n := sim.Requests().Accepted; n != sent+1 {
			t.Errorf("%s: %d messages for one create that passed", what, n-sent)
		}
	}
}

// TestSlowConnections: a thousand connections that send nothing, or not all,
// stop nobody, and are closed.
func TestSlowConnections(t *testing.T) {
	t.Parallel()
	p := serveReady(t, debugEnvironment("SEND_LIMITS=off"))
	addr := strings.TrimPrefix(p.URL, "http://")
	slow := make([]net.Conn, 1000)
	for i := range slow {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if i%2 == 0 {
			_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a\r\n")
		}
		slow[i] = conn
	}
	for i := range 20 {
		begun := time.Now()
		if a := create(t, p.URL, fmt.Sprint(i), "12065550142"); a.status != 200 || time.Since(begun) > time.Second {
			t.Errorf("beside slow connections: %d after %v", a.status, time.Since(begun))
		}
	}
	const headerTimeout = 5 * time.Second // of the service
	deadline := time.Now().Add(headerTimeout + 3*time.Second)
	for _, conn := range slow {
		_ = conn.SetReadDeadline(deadline)
		if _, err := io.Copy(io.Discard, conn); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Fatalf("a slow connection is still open: %v", err)
		}
	}
}
