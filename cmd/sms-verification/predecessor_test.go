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
