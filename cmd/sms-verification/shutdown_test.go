package main

import (
	"bufio"
	"io"
	"net"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
)

// TestShutdownFinishesRequests: requests in flight when a signal comes are answered,
// also late within SHUTDOWN_TIMEOUT. New connections are refused, and an idle one
// does not count as a request.
func TestShutdownFinishesRequests(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			if signal.Ignored(sig) {
				t.Skip("the tests run under nohup, so the service ignores this signal too")
			}
			p, sim := service(t, "FLOWROUTE_TIMEOUT=2s", "FLOWROUTE_MAX_WAIT=0s", "SHUTDOWN_TIMEOUT=2s")
			fail(t, sim, anyone, flowroutetest.Fault{Kind: flowroutetest.Slow, Delay: 1700 * time.Millisecond})
			idleConnections(t, p.URL, 2)
			answered := make(chan *answer, 1)
			go func() { answered <- create(t, p.URL, "slow", anyone) }()
			codestest.Await(t, 5*time.Second, "the request is at Flowroute", func() bool { return sim.Requests().Accepted == 1 })
			p.signal(sig)
			codestest.Await(t, 300*time.Millisecond, "no new connections", func() bool {
				conn, err := net.Dial("tcp", strings.TrimPrefix(p.URL, "http://"))
				if err == nil {
					_ = conn.Close()
				}
				return err != nil
			})
			(<-answered).want(t, 200, "")
			p.exits(t, 0)
			contains(t, "log", p.stderr.String(), `"msg":"shut down"`)
		})
	}
}

// TestShutdownDelay: for SHUTDOWN_DELAY after a signal the service is not ready, but
// answers requests, and closes the connections of its clients after an answer.
func TestShutdownDelay(t *testing.T) {
	t.Parallel()
	const delay = time.Second
	p, _ := service(t, "SHUTDOWN_DELAY="+delay.String())
	ask := func(method, path, body string, status int, closed bool) {
		t.Helper()
		a := do(t, method, p.URL+path, body)
		if a.status != status || a.closes != closed {
			t.Errorf("%s %s: %d, connection closed: %v", method, path, a.status, a.closes)
		}
	}
	ask("GET", "/healthz", "", 200, false)
	signalled := time.Now()
	p.signal(syscall.SIGTERM)
	codestest.Await(t, 200*time.Millisecond, "readyz says 503", func() bool { return !isReady(p.URL) })
	ask("GET", "/readyz", "", 503, true)
	ask("GET", "/healthz", "", 200, true)
	ask("POST", "/", `{"auth_id":"late","recipient":"12065550142"}`, 200, true)
	if p.exits(t, 0); time.Since(signalled) < delay {
		t.Errorf("ended after %v", time.Since(signalled))
	}
}

// slowBody sends a request whose body does not come, and returns when the service
// waits for it.
func slowBody(t *testing.T, url string) {
	t.Helper()
	conn := dial(t, url)
	_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n")
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("the service does not wait for the body: %q, %v", line, err)
	}
}

// TestShutdownTimeout: a request that does not end within SHUTDOWN_TIMEOUT is given
// up, which the log and the exit status say.
func TestShutdownTimeout(t *testing.T) {
	t.Parallel()
	p := serveReady(t, debugEnvironment("FLOWROUTE_TIMEOUT=200ms", "FLOWROUTE_MAX_WAIT=100ms", "SHUTDOWN_TIMEOUT=300ms"))
	for range 50 { // each could log after the log is closed
		slowBody(t, p.URL)
	}
	p.stop(t, 1)
	contains(t, "stderr", p.stderr.String(), "SHUTDOWN_TIMEOUT")
	lacks(t, "stderr", p.stderr.String(), "panic", "goroutine")
}

// TestSecondSignal: a second signal ends the service at once.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	p := serveReady(t, debugEnvironment("SHUTDOWN_DELAY=1m"))
	p.signal(syscall.SIGTERM)
	codestest.Await(t, 5*time.Second, "readyz says 503", func() bool { return !isReady(p.URL) })
	p.stop(t, 1)
}

// TestHangupUnderNohup: under nohup SIGHUP does not end the service.
func TestHangupUnderNohup(t *testing.T) {
	t.Parallel()
	nohup := codestest.Installed(t, "nohup")
	p := prepare(t.TempDir(), debugEnvironment("SHUTDOWN_DELAY=0s"))
	p.cmd.Path, p.cmd.Args = nohup, []string{"nohup", binary}
	p.start(t)
	p.listening(t)
	p.signal(syscall.SIGHUP)
	time.Sleep(300 * time.Millisecond)
	create(t, p.URL, "a", anyone).want(t, 200, "")
	p.stop(t, 0)
}

// TestIdleTimeout: an idle connection is kept for IDLE_TIMEOUT, and no longer.
func TestIdleTimeout(t *testing.T) {
	t.Parallel()
	p := serveReady(t, debugEnvironment("IDLE_TIMEOUT=1s"))
	conn := dial(t, p.URL)
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
	begun := time.Now()
	answer, err := io.ReadAll(conn) // until the service closes the connection
	if took := time.Since(begun); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200") || took < time.Second {
		t.Errorf("closed after %v: %q, %v", took, answer, err)
	}
}

// TestStopBeforeReady: a service that still waits for Redis stops too.
func TestStopBeforeReady(t *testing.T) {
	t.Parallel()
	p := serve(t, complete("REDIS_URL=redis://127.0.0.1:1/0", "SHUTDOWN_DELAY=0s"))
	p.stop(t, 0)
}
