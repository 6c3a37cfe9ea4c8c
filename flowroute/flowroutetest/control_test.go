package flowroutetest_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
)

func TestControl(t *testing.T) {
	s, err := flowroutetest.NewServer("", options())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	do := func(method, path, body string) (int, string) {
		t.Helper()
		r, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("access", "secret")
		r.Header.Set("Content-Type", "application/json")
		transport := &http.Transport{DisableKeepAlives: true}
		res, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		answer, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(answer)
	}
	for _, c := range []struct {
		method, path, body string
		status             int
		part               string
	}{
		{"GET", "/_sim/messages", "", 200, `"messages":[]`},
		{"PUT", "/_sim/faults/" + to, `{"kind":"refuse","status":503,"times":1}`, 204, ""},
		{"POST", "/v2.1/messages", good, 503, "Service Unavailable"},
		{"POST", "/v2.1/messages", good, 202, ""},
		{"PUT", "/_sim/faults/default", `{"kind":"no_id","status":202,"delay":"1ms"}`, 204, ""},
		{"POST", "/v2.1/messages", good, 202, `{"data":{"type":"message"}}`},
		{"DELETE", "/_sim/faults/default", "", 204, ""},
		{"POST", "/v2.1/messages", strings.Replace(good, to, "12065551235", 1), 202, "mdr2-"},
		{"GET", "/_sim/messages?to=" + to, "", 200, `{"requests":4,"limited":0,"accepted":3,"messages":[{"id":"mdr2-`},
		{"GET", "/_sim/messages?to=12065551235", "", 200, `"body":"1234\nhello","segments":1`},
		{"DELETE", "/_sim/messages", "", 204, ""},
		{"GET", "/_sim/messages", "", 200, `"accepted":0,"messages":[]`},
		{"PUT", "/_sim/faults/default", `{"kind":"explode"}`, 400, "unknown kind"},
		{"PUT", "/_sim/faults/default", `{"kind":"refuse","status":200}`, 400, "400 to 599"},
		{"PUT", "/_sim/faults/default", `{"kind":"interim","status":200}`, 400, "100 to 199"},
		{"PUT", "/_sim/faults/default", `{"kind":"slow","wait":"1s"}`, 400, "wait"},
		{"POST", "/_sim/messages", "", 404, ""},
	} {
		if status, answer := do(c.method, c.path, c.body); status != c.status || !strings.Contains(answer, c.part) {
			t.Errorf("%s %s %s: %d %s", c.method, c.path, c.body, status, answer)
		}
	}
	// httptest.NewRequest comes from 192.0.2.1.
	if w := serve(s, httptest.NewRequest("GET", "/_sim/messages", nil)); w.Code != 404 {
		t.Errorf("another machine: %d", w.Code)
	}
	o := options()
	o.OpenControl = true
	if w := serve(flowroutetest.New(o), httptest.NewRequest("GET", "/_sim/messages", nil)); w.Code != 200 {
		t.Errorf("another machine, open: %d", w.Code)
	}
}

func TestMagicNumbers(t *testing.T) {
	s := flowroutetest.New(options())
	for number, fault := range flowroutetest.MagicNumbers() {
		if err := s.Fail(number, fault); err != nil {
			t.Error(err)
		}
		if err := s.Fail(number, flowroutetest.Fault{}); err != nil {
			t.Error(err)
		}
		want := fault.Status
		switch fault.Kind {
		case flowroutetest.BadGateway:
			want = 502
		case flowroutetest.Refuse, flowroutetest.Redirect, flowroutetest.NoID:
		default:
			continue // seen by the client's tests
		}
		if w := serve(s, post("/v2.1/messages", strings.Replace(good, to, number, 1))); w.Code != want {
			t.Errorf("%s: %d, want %d", number, w.Code, want)
		}
	}
	// A fault of its own goes before the table, the default does not.
	_ = s.Fail("", flowroutetest.Fault{Kind: flowroutetest.BadGateway})
	magic := strings.Replace(good, to, "15005550403", 1)
	if w := serve(s, post("/v2.1/messages", magic)); w.Code != 403 {
		t.Errorf("default over magic: %d", w.Code)
	}
	_ = s.Fail("+15005550403", flowroutetest.Fault{Kind: flowroutetest.Slow})
	if w := serve(s, post("/v2.1/messages", magic)); w.Code != 202 {
		t.Errorf("own fault: %d", w.Code)
	}
}

// TestBrokenAnswers reads what a client that leaves out net/http would see.
func TestBrokenAnswers(t *testing.T) {
	s, err := flowroutetest.NewServer("", options())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for number, want := range map[string]struct {
		err   error
		start string
	}{
		"15005550004": {syscall.ECONNRESET, ""},
		"15005550005": {nil, "HTTP/1.1 202 Accepted"},
	} {
		conn := postRaw(t, s.URL, number)
		answer, err := io.ReadAll(conn)
		_ = conn.Close()
		if !errors.Is(err, want.err) || !strings.HasPrefix(string(answer), want.start) || want.err != nil && len(answer) > 0 {
			t.Errorf("%s: %q, %v", number, answer, err)
		}
	}
	if n := s.Requests().Accepted; n != 2 {
		t.Errorf("%d accepted", n)
	}
}

// TestInterimAnswers: the status comes at once, the connection stays open, and
// the message is not accepted.
func TestInterimAnswers(t *testing.T) {
	s, err := flowroutetest.NewServer("", options())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	_ = s.Fail(to, flowroutetest.Fault{Kind: flowroutetest.Interim, Status: 103})
	for number, start := range map[string]string{
		"15005550006": "HTTP/1.1 101 Switching Protocols\r\n", // a magic number
		to:            "HTTP/1.1 103 Early Hints\r\n",
	} {
		conn := postRaw(t, s.URL, number)
		defer func() { _ = conn.Close() }()
		answer := make([]byte, len(start))
		if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != start {
			t.Errorf("%s: %q, %v", number, answer, err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		rest, err := io.ReadAll(conn)
		if _, final, _ := strings.Cut(string(rest), "\r\n\r\n"); !errors.Is(err, os.ErrDeadlineExceeded) || final != "" {
			t.Errorf("%s: then %q, %v, want an open connection", number, rest, err)
		}
	}
	if n := s.Requests(); n.Requests != 2 || n.Accepted != 0 {
		t.Errorf("counts %+v", n)
	}
}

// postRaw sends a message without net/http and returns the connection.
func postRaw(t *testing.T, url, number string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	body := strings.Replace(good, to, number, 1)
	_, _ = fmt.Fprintf(conn, "POST /v2.1/messages HTTP/1.1\r\nHost: sim\r\nAuthorization: Basic YWNjZXNzOnNlY3JldA==\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	return conn
}
