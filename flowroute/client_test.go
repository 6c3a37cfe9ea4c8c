package flowroute_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/flowroute"
	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	access = "ACCESS99"
	secret = "s3cr3t-of-32-characters-7f0e1d2c"
	from   = "12065550101"
	to     = codes.Phone("12065551234")
	text   = codes.Text("739104\nWelcome to Flowroute!")
)

var message = codes.Message{To: to, Text: text}

// start starts a simulator and a client to it; change may change the client's options.
func start(t *testing.T, change func(*flowroute.Options)) (*flowroutetest.Server, *flowroute.Client) {
	t.Helper()
	sim, err := flowroutetest.NewServer("", flowroutetest.Options{
		AccessKey: access, SecretKey: secret, Numbers: []string{from}, StrictDigits: true,
		OptOuts: []flowroutetest.Pair{{To: "12065550999", From: from}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sim.Close() })
	return sim, client(t, sim.URL, change)
}

func client(t *testing.T, url string, change func(*flowroute.Options)) *flowroute.Client {
	t.Helper()
	o := flowroute.Options{
		BaseURL: url, AccessKey: access, SecretKey: secret, From: from,
		Timeout: 5 * time.Second,
	}
	if change != nil {
		change(&o)
	}
	c := flowroute.New(o)
	t.Cleanup(c.Close)
	return c
}

// raw starts a server that answers every request with h.
func raw(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// checkError checks which kind err is and that it reveals no secret.
func checkError(t *testing.T, err, want error) {
	t.Helper()
	for _, kind := range []error{codes.ErrRejected, codes.ErrSenderRefused, codes.ErrUnconfirmed, codes.ErrUnavailable, codes.ErrTooLate} {
		if errors.Is(err, kind) != errors.Is(want, kind) {
			t.Errorf("error %v, want %v", err, want)
		}
	}
	if err == nil {
		return
	}
	if !strings.HasPrefix(err.Error(), "flowroute: send: ") {
		t.Errorf("error %q names no operation", err)
	}
	printed := fmt.Sprintf("%v %+v %#v %q", err, err, err, err)
	for _, word := range []string{
		string(to), from, "739104", "Welcome", access, secret,
		base64.StdEncoding.EncodeToString([]byte(access + ":" + secret)),
	} {
		if strings.Contains(printed, word) {
			t.Errorf("error %q holds %q", printed, word)
		}
	}
}

func within(t *testing.T, since time.Time, low, high time.Duration) {
	t.Helper()
	if took := time.Since(since); took < low || took > high {
		t.Errorf("took %v, want %v to %v", took, low, high)
	}
}

func TestSendsTheMessage(t *testing.T) {
	for _, text := range []codes.Text{
		text, "x", `"quotes" and \n backslash`, "<b>&amp; > ü", "\t\r\n\x00\x7f", "日本語 👩‍👩‍👧 \u2028\u2029", "{}{code}",
		codes.Text(strings.Repeat("0123456789", 101)),
	} {
		sim, c := start(t, nil)
		id, err := c.Send(context.Background(), codes.Message{To: to, Text: text})
		if err != nil {
			t.Fatal(err)
		}
		sent := sim.Messages()
		if len(sent) != 1 || sent[0].ID != id || sent[0].To != string(to) || sent[0].From != from ||
			sent[0].Body != string(text) || sent[0].Endpoint != "v2.1" {
			t.Errorf("id %q, accepted %+v", id, sent)
		}
	}
}

func TestRequestOnTheWire(t *testing.T) {
	var line, body string
	var header http.Header
	url := raw(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		line, body, header = r.Method+" "+r.RequestURI+" "+r.Proto, strings.TrimSpace(string(b)), r.Header
		_, _ = io.WriteString(w, `{"data":{"id":"mdr2-1"}}`)
	})
	c := client(t, url+"/", nil) // a slash at the end makes no difference
	if _, err := c.Send(context.Background(), codes.Message{To: to, Text: "<1> & 2"}); err != nil {
		t.Fatal(err)
	}
	if want := "POST /v2.1/messages HTTP/1.1"; line != want {
		t.Errorf("request %q, want %q", line, want)
	}
	if want := `{"to":"12065551234","from":"12065550101","body":"<1> & 2"}`; body != want {
		t.Errorf("body %s, want %s", body, want)
	}
	if got := header.Get("User-Agent"); got != "sms-verification" {
		t.Errorf("default User-Agent %q", got)
	}
	asking := client(t, url, func(o *flowroute.Options) {
		o.Callback, o.UserAgent = "https://sms.example.com/webhooks/flowroute/to-ken", "sms-verification/1.2.3"
	})
	if _, err := asking.Send(context.Background(), codes.Message{To: to, Text: "1"}); err != nil {
		t.Fatal(err)
	}
	if want := `{"to":"12065551234","from":"12065550101","body":"1","dlr_callback":"https://sms.example.com/webhooks/flowroute/to-ken"}`; body != want {
		t.Errorf("body %s, want %s", body, want)
	}
	for name, want := range map[string]string{
		"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(access+":"+secret)),
		"Content-Type":  "application/vnd.api+json",
		"Accept":        "application/vnd.api+json",
		"User-Agent":    "sms-verification/1.2.3",
		// With one of these, net/http would repeat the POST.
		"Idempotency-Key":   "",
		"X-Idempotency-Key": "",
	} {
		if got := strings.Join(header.Values(name), "|"); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	const timeout = 300 * time.Millisecond
	type fault = flowroutetest.Fault
	for _, c := range []struct {
		fault    fault
		want     error
		accepted int64
		full     bool // takes the whole timeout
	}{
		{fault: fault{}, accepted: 1},
		{fault: fault{Kind: flowroutetest.Slow, Delay: 20 * time.Millisecond}, accepted: 1},
		{fault: fault{Kind: flowroutetest.Slow, Delay: time.Minute}, want: codes.ErrUnconfirmed, accepted: 1, full: true},
		{fault: fault{Kind: flowroutetest.Hang}, want: codes.ErrUnconfirmed, full: true},
		{fault: fault{Kind: flowroutetest.AcceptHang}, want: codes.ErrUnconfirmed, accepted: 1, full: true},
		{fault: fault{Kind: flowroutetest.AcceptReset}, want: codes.ErrUnconfirmed, accepted: 1},
		{fault: fault{Kind: flowroutetest.AcceptTruncate}, want: codes.ErrUnconfirmed, accepted: 1},
		{fault: fault{Kind: flowroutetest.NoID, Status: 200}, want: codes.ErrUnconfirmed, accepted: 1},
		{fault: fault{Kind: flowroutetest.NoID, Status: 202}, want: codes.ErrUnconfirmed, accepted: 1},
		{fault: fault{Kind: flowroutetest.BadGateway}, want: codes.ErrUnconfirmed},
		{fault: fault{Kind: flowroutetest.Redirect, Status: 302, Times: 1}, want: codes.ErrUnconfirmed},
		{fault: fault{Kind: flowroutetest.Redirect, Status: 307, Times: 1}, want: codes.ErrUnconfirmed},
		{fault: fault{Kind: flowroutetest.Refuse, Status: 503}, want: codes.ErrUnconfirmed},
		{fault: fault{Kind: flowroutetest.Interim, Status: 101}, want: codes.ErrUnconfirmed},
		{fault: fault{Kind: flowroutetest.Interim, Status: 103}, want: codes.ErrUnconfirmed, full: true},
		{fault: fault{Kind: flowroutetest.Refuse, Status: 400}, want: codes.ErrRejected},
		{fault: fault{Kind: flowroutetest.Refuse, Status: 429}, want: codes.ErrUnavailable},
	} {
		t.Run(fmt.Sprint(c.fault.Kind, c.fault.Status), func(t *testing.T) {
			t.Parallel()
			sim, client := start(t, func(o *flowroute.Options) { o.Timeout = timeout })
			// Twice, because net/http might retry on a used connection.
			for i := range int64(2) {
				if err := sim.Fail(string(to), c.fault); err != nil {
					t.Fatal(err)
				}
				begin := time.Now()
				id, err := client.Send(context.Background(), message)
				checkError(t, err, c.want)
				if (id != "") != (c.want == nil) {
					t.Errorf("id %q", id)
				}
				if c.full {
					within(t, begin, timeout, timeout+time.Second)
				}
				if n := sim.Requests(); n.Requests != i+1 || n.Accepted != (i+1)*c.accepted {
					t.Errorf("after %d sends: %+v, want %d accepted each", i+1, n, c.accepted)
				}
			}
		})
	}
}

// TestOddAnswers covers answers that the simulator does not give.
func TestOddAnswers(t *testing.T) {
	const uuid = "a72cab15-2511-43d3-92e2-d77bfbdc5776"
	for _, c := range []struct {
		name    string
		status  int
		body    string
		id      string
		want    error
		errorID string
	}{
		{"id of another form", 201, `{"data":{"id":"x y"}}`, "x y", nil, ""},
		{"members of other types", 202, `{"data":{"links":7,"id":"mdr2-1","type":[],"attributes":null},"errors":{},"more":1}`, "mdr2-1", nil, ""},
		{"empty id", 202, `{"data":{"id":""}}`, "", codes.ErrUnconfirmed, ""},
		{"id is a number", 202, `{"data":{"id":7}}`, "", codes.ErrUnconfirmed, ""},
		{"empty body", 202, ``, "", codes.ErrUnconfirmed, ""},
		{"no content", 204, ``, "", codes.ErrUnconfirmed, ""},
		{"not JSON", 200, `<html>12065551234`, "", codes.ErrUnconfirmed, ""},
		{"array", 200, `[]`, "", codes.ErrUnconfirmed, ""},
		{"too long", 202, `{"data":{"id":"mdr2-1"}}` + strings.Repeat(" ", 64<<10), "", codes.ErrUnconfirmed, ""},
		{"error in a 2xx", 200, `{"errors":[{"id":"` + uuid + `"}]}`, "", codes.ErrUnconfirmed, uuid},
		{"detail is an object", 422, `{"errors":[{"id":"` + uuid + `","status":422,"detail":{"to":["12065551234"]}}]}`, "", codes.ErrRejected, uuid},
		{"detail repeats everything", 403, `{"errors":[{"id":"12065551234","title":"739104","detail":"Welcome 12065551234"}]}`, "", codes.ErrSenderRefused, ""},
		{"number before an id", 403, `{"errors":[{"id":"12065551234-` + uuid + `"}]}`, "", codes.ErrSenderRefused, ""},
		{"number behind an id", 403, `{"errors":[{"id":"` + uuid + ` 12065551234"}]}`, "", codes.ErrSenderRefused, ""},
		{"refusal without a body", 404, ``, "", codes.ErrSenderRefused, ""},
		{"refusal that is too long", 415, strings.Repeat("12065551234", 64<<10), "", codes.ErrSenderRefused, ""},
		{"timeout of a proxy", 408, `{"errors":[{"id":"` + uuid + `"}]}`, "", codes.ErrUnconfirmed, uuid},
		{"error without a body", 500, ``, "", codes.ErrUnconfirmed, ""},
		{"error with an id", 503, `{"errors":[{"id":"` + strings.ToUpper(uuid) + `"}]}`, "", codes.ErrUnconfirmed, strings.ToUpper(uuid)},
		{"status 600", 600, `{"data":{"id":"mdr2-1"}}`, "", codes.ErrUnconfirmed, ""},
		{"not modified", 304, ``, "", codes.ErrUnconfirmed, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			url := raw(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			id, err := client(t, url, nil).Send(context.Background(), message)
			checkError(t, err, c.want)
			if id != c.id {
				t.Errorf("id %q, want %q", id, c.id)
			}
			var status *flowroute.StatusError
			if errors.As(err, &status) && (status.Status != c.status || status.ErrorID != c.errorID) {
				t.Errorf("status %d, error id %q, want %d, %q", status.Status, status.ErrorID, c.status, c.errorID)
			}
			if c.errorID != "" && !strings.Contains(err.Error(), c.errorID) {
				t.Errorf("error %q without the error id", err)
			}
		})
	}
}

// TestRefusals: only 400 and 422 are about the number or the text.
func TestRefusals(t *testing.T) {
	for status := 400; status < 500; status++ {
		want := codes.ErrSenderRefused
		switch status {
		case 400, 422:
			want = codes.ErrRejected
		case 408:
			want = codes.ErrUnconfirmed
		}
		err := &flowroute.StatusError{Status: status}
		for _, kind := range []error{codes.ErrRejected, codes.ErrSenderRefused, codes.ErrUnconfirmed} {
			if errors.Is(err, kind) != (kind == want) {
				t.Errorf("status %d: %v, want %v", status, err, want)
			}
		}
	}
}

func TestRetryAfter(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"7": 7 * time.Second, "": time.Second, "0": time.Second, "-3": time.Second, "soon": time.Second,
		"99999999999999": time.Second, "Wed, 21 Oct 2015 07:28:00 GMT": time.Second,
	} {
		url := raw(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", header)
			w.WriteHeader(http.StatusTooManyRequests)
		})
		_, err := client(t, url, nil).Send(context.Background(), message)
		var busy *codes.UnavailableError
		if !errors.As(err, &busy) || busy.RetryAfter != want {
			t.Errorf("Retry-After %q: %v, want %v", header, err, want)
		}
	}
}

func TestPrintsMasked(t *testing.T) {
	o := flowroute.Options{AccessKey: access, SecretKey: secret, From: from}
	c := client(t, "http://127.0.0.1", nil)
	printed, err := json.Marshal([]any{o, c})
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		printed = fmt.Appendf(printed, strings.Repeat(verb, 4), o, &o, c, []any{o})
	}
	for _, word := range []string{access, secret, "Basic", fmt.Sprintf("%x", secret)} {
		if strings.Contains(string(printed), word) {
			t.Errorf("%s holds %q", printed, word)
		}
	}
}
