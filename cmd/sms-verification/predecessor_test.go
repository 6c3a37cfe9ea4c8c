package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// pythonClient sends what the SMSAuthClient of the service's predecessor has
// the requests library send, byte by byte, over one connection.
type pythonClient struct {
	testing.TB
	conn net.Conn
	from *bufio.Reader
}

func newPythonClient(t testing.TB, endpoint string) *pythonClient {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(endpoint, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	return &pythonClient{TB: t, conn: conn, from: bufio.NewReader(conn)}
}

func (c *pythonClient) send(method, target, more, body string) (status int, answer map[string]any) {
	c.Helper()
	_, _ = fmt.Fprintf(c.conn, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: python-requests/2.9.1\r\n"+
		"Accept-Encoding: gzip, deflate\r\nAccept: */*\r\nConnection: keep-alive\r\n%s\r\n%s", method, target, c.conn.RemoteAddr(), more, body)
	res, err := http.ReadResponse(c.from, &http.Request{Method: method})
	if err != nil {
		c.Fatal(err)
	}
	text, err := io.ReadAll(res.Body)
	if err != nil {
		c.Fatal(err)
	}
	if err := json.Unmarshal(text, &answer); err != nil || res.Header.Get("Content-Encoding") != "" {
		c.Fatalf("%d %s: response.json() fails: %v", res.StatusCode, text, err)
	}
	return res.StatusCode, answer
}

// createAuth posts what json.dumps makes of a dict: blanks after the colons and
// commas, and ASCII only.
func (c *pythonClient) createAuth(authID, recipient string) (status int, answer map[string]any) {
	c.Helper()
	body := `{"recipient": "` + recipient + `", "auth_id": ` + strconv.QuoteToASCII(authID) + `}`
	return c.send("POST", "/", fmt.Sprintf("Content-Length: %d\r\nContent-Type: application/json\r\n", len(body)), body)
}

func (c *pythonClient) authenticateCode(authID, code string) (status int, answer map[string]any) {
	c.Helper()
	return c.send("GET", "/?auth_id="+url.QueryEscape(authID)+"&code="+url.QueryEscape(code), "", "")
}

// TestPredecessorClient: the Python client of the predecessor works unchanged.
// Of a refusal it reads message and reason, whatever went wrong.
func TestPredecessorClient(t *testing.T) {
	t.Parallel()
	p := serveReady(t, debugEnvironment("CODE_EXPIRATION=2"))
	c := newPythonClient(t, p.URL)
	made := func(authID string) (code string) {
		t.Helper()
		before := len(p.stdout.String())
		status, answer := c.createAuth(authID, "12065550142")
		if status != 200 || answer["message"] != "Success: Verification code created." || answer["auth_id"] != authID {
			t.Fatalf("create: %d %v", status, answer)
		}
		eventually(t, 5*time.Second, "the SMS", func() bool { return len(p.stdout.String()) > before })
		return firstDigits(p.stdout.String()[before:])
	}
	refused := func(what string, wantStatus int, reason string, left any, status int, answer map[string]any) {
		t.Helper()
		message, _ := answer["message"].(string)
		if status != wantStatus || answer["reason"] != reason || message == "" || answer["attempts_left"] != left {
			t.Errorf("%s: %d %v", what, status, answer)
		}
	}
	ask := func(authID, code string, then func(status int, answer map[string]any)) {
		then(c.authenticateCode(authID, code))
	}

	const id = "session / ü&1"
	code := made(id)
	ask(id, otherCode(code), func(s int, a map[string]any) { refused("wrong", 400, "InvalidAuthCode", 2.0, s, a) })
	ask(id, "letters", func(s int, a map[string]any) { refused("not digits", 400, "InvalidAPIUsage", nil, s, a) })
	ask(id, strings.TrimLeft(code, "0"), func(s int, a map[string]any) { // it has the code as an int
		if s != 200 || a["authenticated"] != true || a["auth_id"] != id || a["message"] != "Success: Authorization code verified." {
			t.Errorf("right: %d %v", s, a)
		}
	})
	ask(id, code, func(s int, a map[string]any) { refused("used", 400, "UnknownAuthId", 0.0, s, a) })

	code = made("late")
	time.Sleep(2100 * time.Millisecond)
	ask("late", code, func(s int, a map[string]any) { refused("expired", 400, "ExpiredAuthCode", 0.0, s, a) })

	status, answer := c.createAuth("id", "15005550422")
	refused("number not reachable", 500, "MessageRejected", nil, status, answer)
	status, answer = c.createAuth("id", "phone_number")
	refused("no number", 400, "InvalidAPIUsage", nil, status, answer)
	status, answer = c.send("POST", "/", "Content-Length: 17\r\nContent-Type: application/json\r\n", `{"auth_id": "id"}`)
	refused("a member missing", 400, "InvalidAPIUsage", nil, status, answer)
	if !strings.Contains(fmt.Sprint(answer["message"]), "recipient is missing") {
		t.Errorf("the message does not name it: %v", answer)
	}
}

// TestInputsOfPredecessor: what api/migrating.md says is refused is refused,
// sends nothing and spends no attempt.
func TestInputsOfPredecessor(t *testing.T) {
	t.Parallel()
	sim := startSimulator(t, flowroutetest.Options{})
	p := serveReady(t, environment(redistest.Server(t), sim))
	if a := create(t, p.URL, "live", anyone); a.status != 200 {
		t.Fatalf("create: %d %s", a.status, a.raw)
	}
	long := strings.Repeat("x", 121)
	for _, body := range []string{
		`{"auth_id":true,"recipient":"12065550142"}`, `{"auth_id":null,"recipient":"12065550142"}`, `{"auth_id":1.5,"recipient":"12065550142"}`,
		`{"auth_id":-1,"recipient":"12065550142"}`, `{"auth_id":[],"recipient":"12065550142"}`, `{"auth_id":{},"recipient":"12065550142"}`,
		`{"auth_id":"","recipient":"12065550142"}`, `{"auth_id":"` + long + `","recipient":"12065550142"}`,
		`{"auth_id":"a","recipient":"+1206555123"}`, `{"auth_id":"a","recipient":"22065551234"}`, `{"auth_id":"a","recipient":" 1206555123"}`,
		`{"auth_id":"a","auth_id":"b","recipient":"12065550142"}`,
	} {
		if a := do(t, "POST", p.URL+"/", body); a.status != 400 || a.body.Reason != "InvalidAPIUsage" {
			t.Errorf("%.60s: %d %s", body, a.status, a.raw)
		}
	}
	for query, want := range map[string]int{"auth_id=live&code=1&code=2": 400, "auth_id=live&code=%2B4903": 400, "auth_id=live&code=-1": 400} {
		if a := get(t, p.URL+"/?"+query); a.status != want || a.body.Reason != "InvalidAPIUsage" {
			t.Errorf("%s: %d %s", query, a.status, a.raw)
		}
	}
	if a := do(t, "POST", p.URL+"/", `{"auth_id":"a","recipient":"12065550142","x":"`+strings.Repeat("x", 4096)+`"}`); a.status != 413 {
		t.Errorf("a long body: %d", a.status)
	}
	if a := do(t, "POST", p.URL+"/", `{"auth_id":"a","recipient":"12065550142"}`, "Content-Type: application/json; charset=latin1"); a.status != 415 {
		t.Errorf("latin1: %d", a.status)
	}
	if a := do(t, "HEAD", p.URL+"/?auth_id=live&code="+codeSent(t, sim, anyone), ""); a.status != 405 {
		t.Errorf("HEAD: %d", a.status)
	}
	if n := len(sim.Messages()); n != 1 {
		t.Errorf("%d messages, want that of the live code alone", n)
	}
	if a := verify(t, p.URL, "live", codeSent(t, sim, anyone)); a.status != 200 {
		t.Errorf("the live code: %d %s", a.status, a.raw)
	}
	for _, setting := range []string{"CODE_EXPIRATION=0", "RETRIES_ALLOWED=0", "CODE_LENGTH=0", "LOG_LEVEL=0", "LOG_LEVEL=25", "FLOWROUTE_NUMBER=", "FLOWROUTE_NUMBER=+12065550101"} {
		status, _, errOut := command(t, append(environment(&redistest.Instance{URL: "redis://127.0.0.1:1/0", Mode: "standalone"}, sim), setting), "check")
		name, _, _ := strings.Cut(setting, "=")
		if status != 2 || !strings.Contains(errOut, name) {
			t.Errorf("%s: status %d, %s", setting, status, errOut)
		}
	}
}
