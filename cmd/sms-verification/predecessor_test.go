package main

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

// pythonClient sends what the SMSAuthClient of the predecessor sends with the library
// requests.
type pythonClient struct {
	testing.TB
	endpoint string
}

func (c *pythonClient) send(method, target, body string) *answer {
	c.Helper()
	a := do(c, method, c.endpoint+target, body, "User-Agent: python-requests/2.9.1", "Accept-Encoding: gzip, deflate", "Accept: */*")
	if a.body.Message == "" || a.header.Get("Content-Encoding") != "" {
		c.Fatalf("%d %s: response.json() fails, or has no message", a.status, a.raw)
	}
	return a
}

// createAuth posts what json.dumps makes of a dict: blanks after the colons and
// commas, and ASCII only.
func (c *pythonClient) createAuth(authID, recipient string) *answer {
	c.Helper()
	return c.send(http.MethodPost, "/", `{"recipient": "`+recipient+`", "auth_id": `+strconv.QuoteToASCII(authID)+`}`)
}

func (c *pythonClient) authenticateCode(authID, code string) *answer {
	c.Helper()
	return c.send(http.MethodGet, "/?auth_id="+url.QueryEscape(authID)+"&code="+url.QueryEscape(code), "")
}

// TestPredecessorClient: the Python client of the predecessor works unchanged. Of a
// refusal it reads message and reason.
func TestPredecessorClient(t *testing.T) {
	t.Parallel()
	p, sim := service(t, "CODE_EXPIRATION=2")
	c := &pythonClient{t, p.URL}
	const id = "session / ü&1"
	if a := c.createAuth(id, anyone).want(t, 200, ""); a.body.Message != "Success: Verification code created." || a.body.AuthID != id {
		t.Error(a.raw)
	}
	code := codeSent(t, sim, anyone)
	c.authenticateCode(id, otherCode(code)).want(t, 400, "InvalidAuthCode").wantLeft(t, 2)
	c.authenticateCode(id, "letters").want(t, 400, "InvalidAPIUsage")
	a := c.authenticateCode(id, strings.TrimLeft(code, "0")).want(t, 200, "") // it has the code as an int
	if !a.body.Authenticated || a.body.AuthID != id || a.body.Message != "Success: Authorization code verified." {
		t.Error(a.raw)
	}
	c.authenticateCode(id, code).want(t, 400, "UnknownAuthId").wantLeft(t, 0)

	c.createAuth("late", anyone)
	time.Sleep(2100 * time.Millisecond)
	c.authenticateCode("late", codeSent(t, sim, anyone)).want(t, 400, "ExpiredAuthCode").wantLeft(t, 0)

	c.createAuth("id", "15005550422").want(t, 500, "MessageRejected")
	c.createAuth("id", "phone_number").want(t, 400, "InvalidAPIUsage")
	contains(t, "the message", c.send(http.MethodPost, "/", `{"auth_id": "id"}`).want(t, 400, "InvalidAPIUsage").body.Message, "recipient is missing")
}
