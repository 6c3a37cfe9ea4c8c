package main

import (
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"
)

// idleConnections opens connections to a service and leaves them alone. Every
// third is in the middle of a header.
func idleConnections(t *testing.T, url string, n int) []net.Conn {
	t.Helper()
	conns := make([]net.Conn, n)
	for i := range conns {
		conns[i] = dial(t, url)
		if i%3 == 0 {
			_, _ = io.WriteString(conns[i], "POST / HTTP/1.1\r\nHost: a\r\n")
		}
	}
	return conns
}

// closedOf counts the connections that the service has closed.
func closedOf(conns []net.Conn) (closed int) {
	deadline := time.Now().Add(time.Second)
	for _, conn := range conns {
		_ = conn.SetReadDeadline(deadline)
		if _, err := conn.Read(make([]byte, 1)); !os.IsTimeout(err) {
			closed++
		}
	}
	return closed
}

// TestIdleConnections: 300 idle connections at MAX_CONNECTIONS=100 keep no new
// client out, on either address; the oldest of them are closed.
func TestIdleConnections(t *testing.T) {
	t.Parallel()
	p, _ := service(t, "MAX_CONNECTIONS=100")
	public, admin := idleConnections(t, p.URL, 300), idleConnections(t, p.Admin, 300)
	testClient.CloseIdleConnections()
	took := timed(1, func(int) {
		create(t, p.URL, "a", anyone, "Connection: close").want(t, 200, "")
		for _, url := range []string{p.URL + "/readyz", p.Admin + "/readyz", p.Admin + "/metrics"} {
			do(t, http.MethodGet, url, "", "Connection: close").want(t, 200, "")
		}
	})
	if took > time.Second {
		t.Errorf("four new clients were served after %v", took)
	}
	open, closed := sums(t, []*process{p}, "smsv_connections", "listener"), sums(t, []*process{p}, "smsv_connections_closed_total", "listener")
	for listener, conns := range map[string][]net.Conn{"public": public, "admin": admin} {
		if open[listener] < 50 || open[listener] > 100 || closed[listener] < 200 {
			t.Errorf("%s: %d connections open, %d closed", listener, open[listener], closed[listener])
		}
		if n := closedOf(conns[:200]); n != 200 {
			t.Errorf("%s: %d of the 200 oldest connections closed", listener, n)
		}
	}
	if n := closedOf(public[280:]); n != 0 {
		t.Errorf("%d of the 20 newest connections closed", n)
	}
}
