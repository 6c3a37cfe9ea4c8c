package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// idleConnections opens connections to a service and leaves them alone; every
// third is in the middle of a header.
func idleConnections(t *testing.T, url string, n int) []net.Conn {
	t.Helper()
	conns := make([]net.Conn, n)
	for i := range conns {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if i%3 == 0 {
			_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a\r\n")
		}
		conns[i] = conn
	}
	return conns
}

// closedOf counts the connections that the service has closed.
func closedOf(conns []net.Conn) (closed int) {
	deadline := time.Now().Add(time.Second)
	for _, conn := range conns {
		_ = conn.SetReadDeadline(deadline)
		_, err := conn.Read(make([]byte, 1))
		if timeout, ok := err.(net.Error); !ok || !timeout.Timeout() {
			closed++
		}
	}
	return closed
}

// fresh asks over a connection of its own, and expects an answer within a second.
func fresh(t *testing.T, method, url, body string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(r)
	if err != nil {
		t.Errorf("%s: %v", method, err)
		return 0
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

// TestIdleConnections: 300 idle connections at MAX_CONNECTIONS=100 keep nobody
// out, on neither address; the oldest of them are closed.
func TestIdleConnections(t *testing.T) {
	t.Parallel()
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	p := serveReady(t, environment(redis, sim, "MAX_CONNECTIONS=100"))
	public, admin := idleConnections(t, p.URL, 300), idleConnections(t, p.Admin, 300)
	if status := fresh(t, "POST", p.URL+"/", `{"auth_id":"a","recipient":"12065550142"}`); status != 200 {
		t.Errorf("a create: %d", status)
	}
	for _, url := range []string{p.URL + "/readyz", p.Admin + "/readyz", p.Admin + "/metrics"} {
		if status := fresh(t, "GET", url, ""); status != 200 {
			t.Errorf("%s: %d", url, status)
		}
	}
	all := families(t, p)
	if all["smsv_connections"] == nil || all["smsv_connections_closed_total"] == nil {
		t.Fatal("no metrics of connections")
	}
	for i, listener := range []string{"admin", "public"} { // by label
		open, closed := all["smsv_connections"].Metric[i], all["smsv_connections_closed_total"].Metric[i]
		if n := open.Gauge.GetValue(); open.Label[0].GetValue() != listener || n < 50 || n > 100 {
			t.Errorf("%s: %v connections open", listener, n)
		}
		if n := closed.Counter.GetValue(); n < 200 {
			t.Errorf("%s: %v connections closed", listener, n)
		}
	}
	for name, conns := range map[string][]net.Conn{"public": public, "admin": admin} {
		if closed := closedOf(conns[:200]); closed != 200 {
			t.Errorf("%s: %d of the 200 oldest connections closed", name, closed)
		}
	}
	if newest := closedOf(public[280:]); newest != 0 {
		t.Errorf("%d of the 20 newest connections closed", newest)
	}
}

// TestFewDescriptors: with few file descriptors the limit is lowered, which the
// log says, and idle connections keep nobody out.
func TestFewDescriptors(t *testing.T) {
	t.Parallel()
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	p := prepare(t.TempDir(), environment(redis, sim))
	p.cmd.Path, p.cmd.Args = "/bin/sh", []string{"sh", "-c", `ulimit -n 64; exec "$0"`, binary}
	if _, err := exec.LookPath(p.cmd.Path); err != nil {
		t.Skip("there is no shell here")
	}
	p.start(t)
	p.listening(t)
	eventually(t, 10*time.Second, "the service is ready", func() bool { return get(t, p.URL+"/readyz").status == 200 })
	contains(t, "log", p.stderr.String(), "MAX_CONNECTIONS lowered", `"file_descriptors":64`, `"level":"WARN"`)
	idleConnections(t, p.URL, 300)
	idleConnections(t, p.Admin, 100)
	for _, url := range []string{p.URL + "/readyz", p.Admin + "/readyz", p.Admin + "/metrics"} {
		if status := fresh(t, "GET", url, ""); status != 200 {
			t.Errorf("%s: %d", url, status)
		}
	}
	if status := fresh(t, "POST", p.URL+"/", `{"auth_id":"a","recipient":"12065550142"}`); status != 200 {
		t.Errorf("a create: %d", status)
	}
}
