package twilio

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/api/clienttest/program"
)

// replayed are requests of Twilio's Python and Node clients, written from their sources:
//
//   - twilio-python 9: twilio/base/client_base.py (get_headers), sent by Python's
//     requests, whose own headers come first.
//   - twilio-node 5: src/base/BaseTwilio.ts and RequestClient.ts, sent by axios, with
//     forms encoded by the package qs.
//
// %[1]s is the host, %[2]s the credentials, %[3]s the path, %[5]s a form of %[4]d bytes.
var replayed = map[string]struct{ post, get string }{
	"python": {
		post: "POST %[3]s HTTP/1.1\r\nHost: %[1]s\r\n" +
			"User-Agent: twilio-python/9.11.0 (Linux x86_64) Python/3.12.3\r\nAccept-Encoding: gzip, deflate\r\nAccept: application/json\r\nConnection: keep-alive\r\n" +
			"Content-Type: application/x-www-form-urlencoded\r\nX-Twilio-Client: python-9.11.0\r\nAccept-Charset: utf-8\r\nContent-Length: %[4]d\r\nAuthorization: Basic %[2]s\r\n\r\n%[5]s",
		get: "GET %[3]s HTTP/1.1\r\nHost: %[1]s\r\n" +
			"User-Agent: twilio-python/9.11.0 (Linux x86_64) Python/3.12.3\r\nAccept-Encoding: gzip, deflate\r\nAccept: application/json\r\nConnection: keep-alive\r\n" +
			"X-Twilio-Client: python-9.11.0\r\nAccept-Charset: utf-8\r\nAuthorization: Basic %[2]s\r\n\r\n",
	},
	"node": {
		post: "POST %[3]s HTTP/1.1\r\nAccept: application/json\r\nContent-Type: application/x-www-form-urlencoded\r\n" +
			"User-Agent: twilio-node/5.10.0 (linux x64) node/v22.11.0\r\nAccept-Charset: utf-8\r\nConnection: keep-alive\r\nAuthorization: Basic %[2]s\r\n" +
			"Content-Length: %[4]d\r\nAccept-Encoding: gzip, compress, deflate, br\r\nHost: %[1]s\r\n\r\n%[5]s",
		get: "GET %[3]s HTTP/1.1\r\nAccept: application/json\r\n" +
			"User-Agent: twilio-node/5.10.0 (linux x64) node/v22.11.0\r\nAccept-Charset: utf-8\r\nConnection: keep-alive\r\nAuthorization: Basic %[2]s\r\n" +
			"Accept-Encoding: gzip, compress, deflate, br\r\nHost: %[1]s\r\n\r\n",
	},
}

// connection sends the requests of one of the clients.
type connection struct {
	*testing.T
	net.Conn
	reader      *bufio.Reader
	name        string
	credentials string
}

// send sends a request, with a form unless it is empty, and returns the answer.
func (c connection) send(path, form string) (status int, body map[string]any) {
	c.Helper()
	text := fmt.Sprintf(replayed[c.name].get, c.RemoteAddr(), c.credentials, path)
	if form != "" {
		text = fmt.Sprintf(replayed[c.name].post, c.RemoteAddr(), c.credentials, path, len(form), form)
	}
	if _, err := io.WriteString(c, text); err != nil {
		c.Fatal(err)
	}
	res, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		c.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
		c.Fatal(err)
	}
	for _, name := range []string{"date_created", "date_updated"} {
		// The only format that the Python client parses.
		if date, given := body[name].(string); given && !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`).MatchString(date) {
			c.Errorf("%s %q", name, date)
		}
	}
	return res.StatusCode, body
}

// TestReplayed: a verification up to the right code, a canceled one, and errors, with the
// requests of the Python and Node clients.
func TestReplayed(t *testing.T) {
	for name := range replayed {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := serve(t)
			conn, err := net.Dial("tcp", r.host)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
			c := connection{t, conn, bufio.NewReader(conn), name, base64.StdEncoding.EncodeToString([]byte(account + ":" + authToken))}
			c.verification(r)
		})
	}
}

func (c connection) verification(r *running) {
	at := "/v2/Services/" + service
	to := url.QueryEscape(number) // "%2B1…", in both clients
	want := func(status int, body map[string]any, wantStatus int, wantState any) {
		c.Helper()
		if status != wantStatus || body["status"] != wantState {
			c.Fatalf("%d %v, want %d %v", status, body, wantStatus, wantState)
		}
	}
	status, started := c.send(at+"/Verifications", "To="+to+"&Channel=sms")
	want(status, started, 201, "pending")
	code := r.code(c.T, number)
	status, body := c.send(at+"/VerificationCheck", "Code="+program.Wrong(code)+"&To="+to)
	want(status, body, 200, "pending")
	status, body = c.send(at+"/Verifications/"+number, "") // neither client encodes the path
	want(status, body, 200, "pending")
	status, body = c.send(at+"/VerificationCheck", "Code="+code+"&VerificationSid="+started["sid"].(string))
	want(status, body, 200, "approved")

	status, body = c.send(at+"/Verifications", "To="+to+"&Channel=sms")
	want(status, body, 201, "pending")
	status, body = c.send(at+"/Verifications/"+started["sid"].(string), "Status=canceled")
	want(status, body, 200, "canceled")
	status, body = c.send(at+"/Verifications/"+started["sid"].(string), "")
	want(status, body, 404, 404.0)
	if _, isProblem := body["type"]; isProblem || body["code"] != 20404.0 || !strings.Contains(fmt.Sprint(body["message"]), "was not found") {
		c.Errorf("%v", body)
	}
}
