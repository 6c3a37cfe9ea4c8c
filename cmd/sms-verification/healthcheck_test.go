package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// freePort is a port that nobody listened on a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// TestHealthcheck: healthy is ready, whatever address the service listens on,
// and not while it shuts down, nor when nobody listens.
func TestHealthcheck(t *testing.T) {
	t.Parallel()
	proxy := "HTTP_PROXY=http://127.0.0.1:1" // asks nobody in between
	for _, host := range []string{"", "0.0.0.0", "127.0.0.1", "localhost"} {
		env := debugEnvironment("LISTEN_ADDR="+net.JoinHostPort(host, freePort(t)), "SHUTDOWN_DELAY=5s", proxy)
		status, out, errOut := command(t, env, "healthcheck")
		if status != 1 || out != "" {
			t.Errorf("%q, nobody listens: status %d, stdout %q", host, status, out)
		}
		contains(t, "nobody listens", errOut, "healthcheck:", "refused")

		p := serve(t, env)
		eventually(t, 10*time.Second, "healthy", func() bool {
			status, out, errOut = command(t, env, "healthcheck")
			return status == 0
		})
		if out != "ready\n" || errOut != "" {
			t.Errorf("%q: stdout %q, stderr %q", host, out, errOut)
		}
		p.signal(syscall.SIGTERM)
		eventually(t, 2*time.Second, "not ready any more", func() bool {
			status, out, errOut = command(t, env, "healthcheck")
			return status == 1
		})
		contains(t, "shutting down", errOut, "healthcheck: 503", "ServiceUnavailable")
	}
}

// TestHealthcheckWithoutRedis: a service that never reached Redis says so.
func TestHealthcheckWithoutRedis(t *testing.T) {
	t.Parallel()
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	redis.Signal(syscall.SIGKILL)
	env := environment(redis, sim, "LISTEN_ADDR=127.0.0.1:"+freePort(t))
	serve(t, env)
	status, _, errOut := command(t, env, "healthcheck")
	if status != 1 {
		t.Errorf("status %d", status)
	}
	contains(t, "stderr", errOut, "healthcheck: 503")
}

// TestHealthcheckTimeout: a service that does not answer is not healthy, and
// the check is over before a container's health check gives up.
func TestHealthcheckTimeout(t *testing.T) {
	t.Parallel()
	silent := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-silent }))
	defer server.Close()
	defer close(silent)
	begun := time.Now()
	status, _, errOut := command(t, debugEnvironment("LISTEN_ADDR="+server.Listener.Addr().String()), "healthcheck")
	if took := time.Since(begun); status != 1 || took < healthcheckTimeout || took > healthcheckTimeout+time.Second {
		t.Errorf("status %d after %v", status, took)
	}
	contains(t, "stderr", errOut, "deadline exceeded")
}

func TestHealthcheckSettings(t *testing.T) {
	t.Parallel()
	status, _, errOut := command(t, debugEnvironment("LISTEN_ADDR=127.0.0.1:0"), "healthcheck")
	if status != 1 {
		t.Errorf("port 0: status %d", status)
	}
	contains(t, "port 0", errOut, "LISTEN_ADDR", "set a port")
	status, _, errOut = command(t, debugEnvironment("LISTEN_ADDR=nowhere"), "healthcheck")
	if status != 2 {
		t.Errorf("a bad address: status %d", status)
	}
	contains(t, "a bad address", errOut, "LISTEN_ADDR")
}
