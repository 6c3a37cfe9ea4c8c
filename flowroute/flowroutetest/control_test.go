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
			continue // in TestBrokenAnswers and the tests of the client
		}
		if w := serve(s, post("/v2.1/messages", strings.Replace(good, to, number, 1))); w.Code != want {
			t.Errorf("%s: %d, want %d", number, w.Code, want)
		}
	}
	// A fault of its own takes precedence over the magic one, the default does not.
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

// TestBrokenAnswers reads the bytes of answers that are not whole.
func TestBrokenAnswers(t *testing.T) {
	s, err := flowroutetest.NewServer("", options())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	_ = s.Fail(to, flowroutetest.Fault{Kind: flowroutetest.Interim, Status: 103})
	for _, c := range []struct {
		number, start string
		err           error
		accepted      int64
	}{
		{"15005550004", "", syscall.ECONNRESET, 1},
		{"15005550005", "HTTP/1.1 202 Accepted\r\n", nil, 1},
		// The connection stays open after an interim answer.
		{"15005550006", "HTTP/1.1 101 Switching Protocols\r\n", os.ErrDeadlineExceeded, 0},
		{to, "HTTP/1.1 103 Early Hints\r\n", os.ErrDeadlineExceeded, 0},
	} {
		s.Reset()
		conn := postRaw(t, s.URL, c.number)
		_ = conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		answer, err := io.ReadAll(conn)
		_ = conn.Close()
		head, body, _ := strings.Cut(string(answer), "\r\n\r\n")
		if !errors.Is(err, c.err) || !strings.HasPrefix(head+"\r\n", c.start) || c.err != nil && body != "" || c.start == "" && head != "" {
			t.Errorf("%s: %q, %v", c.number, answer, err)
		}
		if n := s.Requests(); n.Requests != 1 || n.Accepted != c.accepted {
			t.Errorf("%s: counts %+v", c.number, n)
		}
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
