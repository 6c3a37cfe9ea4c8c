package main

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes/codestest"
)

// TestHealthcheck: healthcheck succeeds while the service is ready, whatever address
// it listens on, and fails while it shuts down and when nothing listens.
func TestHealthcheck(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"", "0.0.0.0", "127.0.0.1", "localhost"} {
		addr := host + strings.TrimPrefix(codestest.FreeAddr(t), "127.0.0.1")
		env := debugEnvironment("LISTEN_ADDR="+addr, "SHUTDOWN_DELAY=5s", "HTTP_PROXY=http://127.0.0.1:1") // the proxy is not used
		contains(t, "nobody listens", refuses(t, 1, env, "healthcheck"), "healthcheck:", "refused")

		p := serveReady(t, env)
		if out := succeeds(t, env, "healthcheck"); out != "ready\n" {
			t.Errorf("%q: stdout %q", host, out)
		}
		p.signal(syscall.SIGTERM)
		codestest.Await(t, 2*time.Second, "not ready any more", func() bool { return !isReady(p.URL) })
		contains(t, "shutting down", refuses(t, 1, env, "healthcheck"), "healthcheck: 503", "ServiceUnavailable")
	}
}

// TestHealthcheckFails: healthcheck gives up on a service that does not answer before
// the health check of a container does, and needs a usable address.
func TestHealthcheckFails(t *testing.T) {
	t.Parallel()
	env := debugEnvironment("LISTEN_ADDR=" + silent(t))
	took := timed(1, func(int) { contains(t, "no answer", refuses(t, 1, env, "healthcheck"), "deadline exceeded") })
	if took < healthcheckTimeout || took > healthcheckTimeout+time.Second {
		t.Errorf("after %v", took)
	}
	contains(t, "port 0", refuses(t, 1, debugEnvironment("LISTEN_ADDR=127.0.0.1:0"), "healthcheck"), "LISTEN_ADDR", "set a port")
	contains(t, "a bad address", refuses(t, 2, debugEnvironment("LISTEN_ADDR=nowhere"), "healthcheck"), "LISTEN_ADDR")
}
