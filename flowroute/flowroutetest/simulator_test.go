package flowroutetest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	to   = "12065551234"
	from = "12065550101"
	good = `{"to":"12065551234","from":"12065550101","body":"1234\nhello"}`
)

func options() flowroutetest.Options {
	return flowroutetest.Options{
		AccessKey: "access", SecretKey: "secret",
		Numbers: []string{from, "+12065550102"},
		OptOuts: []flowroutetest.Pair{{To: "12065550999", From: from}},
	}
}

// post returns a request that passes every check.
func post(path, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.SetBasicAuth("access", "secret")
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	return r
}

func serve(s http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func decode(t *testing.T, w *httptest.ResponseRecorder, into any) {
	t.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
		t.Fatalf("answer %q: %v", w.Body, err)
	}
}

func TestAccepts(t *testing.T) {
	for _, c := range []struct{ name, path, body string }{
		{"v2.1 compact", "/v2.1/messages", good},
		{"v2.1 enveloped", "/v2.1/messages", `{"data":{"type":"message","attributes":` + good + `}}`},
		{"v2.2", "/v2.2/messages", strings.ReplaceAll(good, `"1206`, `"+1206`)},
		{"v2 body", "/v2/messages", good},
		{"v2 content", "/v2/messages", strings.Replace(good, "body", "content", 1)},
		{"options", "/v2.1/messages", strings.Replace(good, "{", `{"dlr_callback":"https://h.example/x","is_mms":"false",`, 1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			var reported flowroutetest.Message
			o := options()
			o.OnMessage = func(m flowroutetest.Message) { reported = m }
			s := flowroutetest.New(o)
			status, id, hasLinks := 202, "mdr2", true
			if c.path == "/v2/messages" {
				status, id, hasLinks = 200, "mdr1", false
			}
			w := serve(s, post(c.path, c.body))
			if w.Code != status {
				t.Fatalf("status %d: %s", w.Code, w.Body)
			}
			var got struct {
				Data struct {
					ID    string
					Type  string
					Links struct{ Self string }
				}
			}
			decode(t, w, &got)
			if !regexp.MustCompile("^" + id + "-[0-9a-f]{32}$").MatchString(got.Data.ID) {
				t.Errorf("id %q", got.Data.ID)
			}
			if links := got.Data.Type == "message" && strings.HasSuffix(got.Data.Links.Self, c.path+"/"+got.Data.ID); links != hasLinks {
				t.Errorf("answer %s", w.Body)
			}
			messages := s.Messages()
			if len(messages) != 1 || messages[0] != reported {
				t.Fatalf("kept %v, reported %v", messages, reported)
			}
			m := messages[0]
			if m.ID != got.Data.ID || m.To != to || m.From != from || m.Body != "1234\nhello" ||
				m.Segments != 1 || m.Encoding != 0 || "/"+m.Endpoint+"/messages" != c.path {
				t.Errorf("kept %+v", m)
			}
		})
	}
}

func TestRefuses(t *testing.T) {
	change := func(part, by string) string { return strings.Replace(good, part, by, 1) }
	envelope := func(s string) string { return `{"data":` + s + `}` }
	for _, c := range []struct {
		name   string
		path   string // "" is /v2.1/messages
		body   string // "" is good
		spoil  func(*http.Request)
		status int
		detail string // part of the answer
	}{
		{name: "path", path: "/v2.3/messages", status: 404},
		{name: "path before credentials", path: "/messages", spoil: func(r *http.Request) { r.Header.Del("Authorization") }, status: 404},
		{name: "slash", path: "/v2.1/messages/", status: 404},
		{name: "method before credentials", spoil: func(r *http.Request) { r.Method = "PUT"; r.Header.Del("Authorization") }, status: 405, detail: "The method is not allowed for the requested URL."},
		{name: "method of a message", path: "/v2.1/messages/mdr2-x", status: 405},
		// Calls of Flowroute's SDKs that the documentation says are not served.
		{name: "list of messages", path: "/v2.1/messages?start_date=2017-12-01T00:00:00Z", spoil: func(r *http.Request) { r.Method = "GET" }, status: 405},
		{name: "callback of a number", path: "/v2/numbers/12065550101/relationships/sms_dlr_callback", status: 404},
		{name: "numbers", path: "/v2/numbers", spoil: func(r *http.Request) { r.Method = "GET" }, status: 404},
		{name: "no credentials", spoil: func(r *http.Request) { r.Header.Del("Authorization") }, status: 401},
		{name: "wrong user", spoil: func(r *http.Request) { r.SetBasicAuth("acces", "secret") }, status: 401},
		{name: "wrong password", spoil: func(r *http.Request) { r.SetBasicAuth("access", "secret2") }, status: 401},
		{name: "credentials before media type", spoil: func(r *http.Request) { r.Header = http.Header{} }, status: 401},
		{name: "media type before body", body: "[]", spoil: func(r *http.Request) { r.Header.Set("Content-Type", "text/json") }, status: 415},
		{name: "no media type", spoil: func(r *http.Request) { r.Header.Del("Content-Type") }, status: 415},
		{name: "v2 media type", path: "/v2/messages", spoil: func(r *http.Request) { r.Header.Set("Content-Type", "application/vnd.api+json") }, status: 415},
		{name: "empty body", body: " ", status: 400},
		{name: "array", body: "[" + good + "]", status: 400},
		{name: "null", body: "null", status: 400},
		{name: "trailing data", body: good + "{}", status: 400},
		{name: "trailing brace", body: good + "}", status: 400},
		{name: "too long", body: change("hello", strings.Repeat("x", 64<<10)), status: 400},
		{name: "bare and enveloped", body: change("{", `{"data":{},`), status: 422, detail: `"data":["`},
		{name: "data array", body: envelope("[" + good + "]"), status: 422, detail: `"data":["`},
		{name: "data type", body: envelope(`{"type":"messages","attributes":` + good + `}`), status: 422, detail: `"type":["`},
		{name: "no attributes", body: envelope(`{"type":"message"}`), status: 422, detail: `"attributes":["`},
		{name: "unknown in data", body: envelope(`{"type":"message","id":"1","attributes":` + good + `}`), status: 422, detail: `"id":["`},
		{name: "v2 enveloped", path: "/v2/messages", body: envelope(`{"type":"message","attributes":` + good + `}`), status: 422, detail: `"data":["`},
		{name: "unknown member", body: change("{", `{"To":"12065551234",`), status: 422, detail: `"To":["`},
		{name: "content", body: change("body", "content"), status: 422, detail: `"content":["`},
		{name: "v2 both texts", path: "/v2/messages", body: change("{", `{"content":"x",`), status: 422, detail: `"content":["`},
		{name: "v2 no text", path: "/v2/messages", body: `{"to":"12065551234","from":"12065550101"}`, status: 422, detail: `"body":["`},
		{name: "no to", body: `{"from":"12065550101","body":"x"}`, status: 422, detail: `"to":["`},
		{name: "no from", body: `{"to":"12065551234","body":"x"}`, status: 422, detail: `"from":["`},
		{name: "no text", body: `{"to":"12065551234","from":"12065550101"}`, status: 422, detail: `"body":["`},
		{name: "to is a number", body: change(`"12065551234"`, "12065551234"), status: 422, detail: `"to":["`},
		{name: "text is null", body: change(`"1234\nhello"`, "null"), status: 422, detail: `"body":["`},
		{name: "text is empty", body: change(`1234\nhello`, ""), status: 422, detail: `"body":["`},
		{name: "text is not UTF-8", body: change("hello", "\xff"), status: 422, detail: `"body":["`},
		{name: "short number", body: change("12065551234", "2065551234"), status: 422, detail: `"to":["`},
		{name: "long number", body: change("12065551234", "120655512345"), status: 422, detail: `"to":["`},
		{name: "letters", body: change("12065551234", "1206555123x"), status: 422, detail: `"to":["`},
		{name: "area code", body: change("12065551234", "11111111111"), status: 422, detail: `"to":["`},
		{name: "exchange", body: change("12065551234", "12061551234"), status: 422, detail: `"to":["`},
		{name: "other country", body: change("12065551234", "+4915112345678"), status: 422, detail: `"to":["`},
		{name: "plus under strict digits", body: change("12065551234", "+12065551234"), status: 422, detail: `"to":["`},
		{name: "v2 number", path: "/v2/messages", body: change("12065551234", "11111111111"), status: 403, detail: `"to":["`},
		{name: "from of another account", body: change("12065550101", "12065550199"), status: 403},
		{name: "callback", body: change("{", `{"dlr_callback":"/x",`), status: 422, detail: `"dlr_callback":["`},
		{name: "is_mms", body: change("{", `{"is_mms":1,`), status: 422, detail: `"is_mms":["`},
		{name: "media_urls", body: change("{", `{"media_urls":[1],`), status: 422, detail: `"media_urls":["`},
		{name: "opted out", body: change("12065551234", "12065550999"), status: 400, detail: "1110: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.path == "" {
				c.path = "/v2.1/messages"
			}
			if c.body == "" {
				c.body = good
			}
			o := options()
			o.StrictDigits = true
			s := flowroutetest.New(o)
			r := post(c.path, c.body)
			if c.spoil != nil {
				c.spoil(r)
			}
			w := serve(s, r)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.detail) {
				t.Errorf("status %d, want %d with %q: %s", w.Code, c.status, c.detail, w.Body)
			}
			var got struct {
				Errors []struct {
					ID     string
					Status int
					Title  string
				}
			}
			decode(t, w, &got)
			uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
			if len(got.Errors) != 1 || !uuid.MatchString(got.Errors[0].ID) || got.Errors[0].Status != c.status || got.Errors[0].Title == "" {
				t.Errorf("error %s", w.Body)
			}
			if len(s.Messages()) != 0 {
				t.Error("accepted")
			}
		})
	}
}

func TestRateCountsClockSeconds(t *testing.T) {
	now := time.Unix(1000, 900_000_000)
	o := options()
	o.Rate = 5
	o.Now = func() time.Time { return now }
	s := flowroutetest.New(o)
	send := func(path string, n int) (passed, limited int) {
		var wg sync.WaitGroup
		statuses := make(chan int, n)
		for range n {
			wg.Go(func() { statuses <- serve(s, post(path, good)).Code })
		}
		wg.Wait()
		close(statuses)
		for status := range statuses {
			switch status {
			case 200, 202:
				passed++
			case 429:
				limited++
			}
		}
		return passed, limited
	}
	unauthorized := post("/v2.1/messages", good)
	unauthorized.SetBasicAuth("other", "key")
	serve(s, unauthorized) // does not count
	for _, c := range []struct {
		path                string
		after               time.Duration
		n, passed, rejected int
	}{
		{"/v2.1/messages", 0, 20, 5, 15},
		{"/v2/messages", 0, 6, 5, 1},                        // each endpoint has its own window
		{"/v2.1/messages", 50 * time.Millisecond, 1, 0, 1},  // the same clock second
		{"/v2.1/messages", 100 * time.Millisecond, 3, 3, 0}, // the next one
		{"/v2.1/messages", 0, 3, 2, 1},
	} {
		now = now.Add(c.after)
		if passed, rejected := send(c.path, c.n); passed != c.passed || rejected != c.rejected {
			t.Errorf("%+v: %d passed, %d rejected", c, passed, rejected)
		}
	}
	want := flowroutetest.Counts{Requests: 34, Limited: 18, Accepted: 15}
	if got := s.Requests(); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
}

func TestLookUp(t *testing.T) {
	now := time.Unix(1513874674, 930_000_000)
	o := options()
	o.Now = func() time.Time { return now }
	s := flowroutetest.New(o)
	serve(s, post("/v2.1/messages", strings.Replace(good, "hello", strings.Repeat("é", 70), 1)))
	id := s.Messages()[0].ID
	get := func(path string) *httptest.ResponseRecorder {
		r := post(path, "")
		r.Method = http.MethodGet
		return serve(s, r)
	}
	now = now.Add(999 * time.Millisecond)
	if w := get("/v2.1/messages/" + id); w.Code != 404 {
		t.Errorf("before the delay: %d", w.Code)
	}
	now = now.Add(time.Millisecond)
	w := get("/v2.1/messages/" + id)
	for _, part := range []string{
		id, `"to":"` + to, `"message_encoding":8`, `"amount_display":"$0.0080"`, `"status":"message buffered"`,
		`"status_code":1003`, `"timestamp":"2017-12-21T16:44:34.93Z"`,
	} {
		if w.Code != 200 || !strings.Contains(w.Body.String(), part) {
			t.Errorf("status %d, no %s in %s", w.Code, part, w.Body)
		}
	}
	if w := get("/v2/messages/" + id); w.Code != 200 || strings.Contains(w.Body.String(), "delivery_receipts") {
		t.Errorf("v2: %d %s", w.Code, w.Body)
	}
	if w := get("/v2.1/messages/mdr2-unknown"); w.Code != 404 {
		t.Errorf("unknown: %d", w.Code)
	}
}

func TestKeepsTheNewest(t *testing.T) {
	o := options()
	o.Keep = 3
	s := flowroutetest.New(o)
	for i := range 10 {
		serve(s, post("/v2.1/messages", strings.Replace(good, "hello", fmt.Sprint(i), 1)))
	}
	var bodies string
	for _, m := range s.Messages() {
		bodies += strings.TrimPrefix(m.Body, "1234\n")
	}
	if bodies != "789" || s.Requests().Accepted != 10 {
		t.Errorf("kept %q of %+v", bodies, s.Requests())
	}
	s.Reset()
	if len(s.Messages()) != 0 || s.Requests() != (flowroutetest.Counts{}) {
		t.Error("not reset")
	}
}

func TestOptionsPrintMasked(t *testing.T) {
	o := options()
	text, _ := json.Marshal(o)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		text = fmt.Appendf(text, verb+verb, o, &o)
	}
	if strings.Contains(string(text), "secret") || strings.Contains(string(text), "access") {
		t.Errorf("%s", text)
	}
}

func TestServerOnUsedAddress(t *testing.T) {
	s, err := flowroutetest.NewServer("", options())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := flowroutetest.NewServer(strings.TrimPrefix(s.URL, "http://"), options()); err == nil {
		t.Error("two servers on one address")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	again, err := flowroutetest.NewServer(strings.TrimPrefix(s.URL, "http://"), options())
	if err != nil {
		t.Fatalf("after Close: %v", err)
	}
	_ = again.Close()
}
