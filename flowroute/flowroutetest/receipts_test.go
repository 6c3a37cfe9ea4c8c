package flowroutetest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
)

// hook receives receipts. It answers the first ones with the statuses in refuse.
type hook struct {
	mu     sync.Mutex
	refuse []int
	bodies []string
	url    string
}

func newHook(t *testing.T, refuse ...int) *hook {
	t.Helper()
	h := &hook{refuse: refuse}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	h.url = server.URL + "/dlr/token"
	return h
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bodies = append(h.bodies, string(body))
	if r.Method != http.MethodPost || r.URL.Path != "/dlr/token" || r.Header.Get("Content-Type") != "application/json" {
		w.WriteHeader(http.StatusNotFound)
	}
	if len(h.refuse) > 0 {
		w.WriteHeader(h.refuse[0])
		h.refuse = h.refuse[1:]
	}
}

func (h *hook) got() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.bodies)
}

func callingBack(t *testing.T) *flowroutetest.Simulator {
	t.Helper()
	o := options()
	o.ReceiptDelay, o.ReceiptRetry = 10*time.Millisecond, time.Millisecond
	s := flowroutetest.New(o)
	t.Cleanup(s.Close)
	return s
}

// settled waits until no receipt is pending.
func settled(t *testing.T, s *flowroutetest.Simulator) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); s.Pending() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d still pending", s.Pending())
		}
	}
}

// send sends a message with a callback, and returns its id.
func send(t *testing.T, s http.Handler, to, callback string) string {
	t.Helper()
	w := serve(s, post("/v2.1/messages", fmt.Sprintf(`{"to":%q,"from":%q,"body":"1234","dlr_callback":%q}`, to, from, callback)))
	var accepted struct{ Data struct{ ID string } }
	decode(t, w, &accepted)
	if w.Code != http.StatusAccepted {
		t.Fatalf("status %d", w.Code)
	}
	return accepted.Data.ID
}

const (
	submit   = `1 smsc submit <nil>`
	buffered = `2 message buffered 1003`
)

// summary returns the content of a receipt, with status_code as Go prints it.
func summary(t *testing.T, id, body string) string {
	t.Helper()
	var whole map[string]any
	if err := json.Unmarshal([]byte(body), &whole); err != nil {
		t.Fatal(err)
	}
	text := ""
	if data, ok := whole["data"].(map[string]any); ok {
		whole = data
	} else {
		text = "flat "
	}
	attributes, _ := whole["attributes"].(map[string]any)
	if whole["id"] != id || whole["type"] != "delivery_receipt" || attributes["body"] != "1234" {
		t.Errorf("receipt %s", body)
	}
	if level := attributes["level"]; level != nil {
		text += fmt.Sprint(level, " ")
	}
	text += fmt.Sprint(attributes["status"])
	if code, given := attributes["status_code"]; given {
		text += fmt.Sprintf(" %v", code)
		if _, isText := code.(string); isText {
			text += " as text"
		}
	}
	if _, extra := whole["meta"]; extra {
		text += " and more"
	}
	return text
}

func TestReceipts(t *testing.T) {
	for number, want := range map[string][]string{
		to:            {submit, buffered},
		"15005550101": {submit, "2 smsc reject 1110"},
		"15005550102": nil,
		"15005550103": {submit},
		"15005550104": {submit, buffered, "2 delivered <nil>"},
		"15005550105": {submit, "2 carrier musing 1999"},
		"15005550106": {"flat smsc submit <nil>", "flat message buffered 1003"},
		"15005550107": {submit, buffered + " as text"},
		"15005550108": {submit, "2 message buffered <nil>"},
		"15005550109": {"1 smsc submit", "2 message buffered"},
		"15005550110": {buffered, submit},
		"15005550111": {submit, buffered, submit, buffered},
		"15005550112": {submit, buffered},
		"15005550113": {submit + " and more", buffered + " and more"},
		"15005550114": {"flat smsc submit <nil>", "flat smsc reject 1110", "flat smsc submit <nil>", "flat smsc reject 1110"},
	} {
		t.Run(number, func(t *testing.T) {
			s, h := callingBack(t), newHook(t)
			id := send(t, s, number, h.url)
			if early := flowroutetest.MagicDeliveries()[number].Early; early != (len(want) > 0 && len(h.got()) == len(want)) {
				t.Errorf("%d receipts before the answer", len(h.got()))
			}
			settled(t, s)
			var got []string
			for _, body := range h.got() {
				got = append(got, summary(t, id, body))
			}
			if number == "15005550110" && !slices.Equal(got, want) { // it is about the order
				t.Errorf("receipts %q, want %q", got, want)
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("receipts %q, want %q", got, want)
			}
			c := s.Requests()
			taken, rejected := int64(0), int64(0)
			if strings.Contains(fmt.Sprint(want), "buffered") {
				taken = 1
			}
			if strings.Contains(fmt.Sprint(want), "reject") {
				rejected = 1
			}
			if c.Receipts != int64(len(want)) || c.Delivered != taken || c.Undelivered != rejected || c.Lost+c.Unanswered != 0 {
				t.Errorf("counts %+v", c)
			}
		})
	}
}

func TestReceiptsArePostedAgain(t *testing.T) {
	s := callingBack(t)
	h := newHook(t, 503, 202, 301, 404)
	send(t, s, "15005550103", h.url)
	settled(t, s)
	if c := s.Requests(); len(h.got()) != 5 || c.Receipts != 1 || c.Unanswered != 4 || c.Lost != 0 {
		t.Errorf("%d posts, counts %+v", len(h.got()), c)
	}
	h = newHook(t, 500, 500, 500, 500, 500)
	send(t, s, "15005550103", h.url)
	settled(t, s)
	if c := s.Requests(); len(h.got()) != 5 || c.Receipts != 1 || c.Lost != 1 {
		t.Errorf("%d posts, counts %+v", len(h.got()), c)
	}
}

func TestDeliver(t *testing.T) {
	s, h := callingBack(t), newHook(t)
	put := func(path, body string, status int) {
		t.Helper()
		r := httptest.NewRequest(http.MethodPut, path, strings.NewReader(body))
		r.RemoteAddr = "127.0.0.1:1"
		if w := serve(s, r); w.Code != status {
			t.Errorf("%s %s: %d", path, body, w.Code)
		}
	}
	put("/_sim/receipts/default", `{"outcome":"silent"}`, 204)
	put("/_sim/receipts/"+to, `{"outcome":"unreachable","code":"string"}`, 204)
	put("/_sim/receipts/"+to, `{"outcome":"lost"}`, 400)
	put("/_sim/receipts/"+to, `{"code":"hex"}`, 400)
	put("/_sim/receipts/"+to, `{"when":"soon"}`, 400)
	id := send(t, s, to, h.url)
	other := send(t, s, "12065550777", h.url)
	settled(t, s)
	var got []string
	for _, body := range h.got() {
		if strings.Contains(body, other) {
			got = append(got, summary(t, other, body))
		} else {
			got = append(got, summary(t, id, body))
		}
	}
	slices.Sort(got)
	if want := []string{submit, submit, "2 smsc reject 1110 as text"}; !slices.Equal(got, want) {
		t.Errorf("receipts %q, want %q", got, want)
	}
}

// TestCallbackHosts: receipts are posted to loopback only, unless configured.
func TestCallbackHosts(t *testing.T) {
	s := callingBack(t)
	for _, target := range []string{"http://10.1.2.3/", "http://example.com/", "http://127.0.0.1.example.com/", "http://[::2]/", "http://169.254.169.254/"} {
		send(t, s, "15005550103", target)
	}
	settled(t, s)
	if c := s.Requests(); c.Lost != 5 || c.Unanswered != 0 {
		t.Errorf("counts %+v", c)
	}
}

// TestCallbackOfTheAccount: it is set in either form, and used if a message has
// no callback of its own.
func TestCallbackOfTheAccount(t *testing.T) {
	s, h, own := callingBack(t), newHook(t), newHook(t)
	ask := func(method, path, body string) *httptest.ResponseRecorder {
		r := post(path, body)
		r.Method = method
		return serve(s, r)
	}
	const path = "/v2.1/messages/sms_dlr_callback"
	for _, body := range []string{`{"callback_url":"` + h.url + `"}`, `{"data":{"attributes":{"callback_url":"` + h.url + `"}}}`} {
		if w := ask("GET", path, ""); w.Code != 404 {
			t.Errorf("GET: %d", w.Code)
		}
		if w := ask("PUT", "/v2.1/messages/dlr_callback", body); w.Code != 204 || w.Body.Len() > 0 {
			t.Errorf("PUT %s: %d %s", body, w.Code, w.Body)
		}
		if w := ask("GET", path, ""); w.Code != 200 || !strings.Contains(w.Body.String(), h.url) || !strings.Contains(w.Body.String(), `"product":"dlr"`) {
			t.Errorf("GET: %d %s", w.Code, w.Body)
		}
		if w := ask("POST", path, body); w.Code != 405 {
			t.Errorf("POST: %d", w.Code)
		}
		serve(s, post("/v2.1/messages", good))
		send(t, s, to, own.url)
		settled(t, s)
		if w := ask("DELETE", path, ""); w.Code != 204 {
			t.Errorf("DELETE: %d", w.Code)
		}
	}
	serve(s, post("/v2.1/messages", good))
	settled(t, s)
	if len(h.got()) != 4 || len(own.got()) != 4 {
		t.Errorf("%d receipts at the account's, %d at the message's", len(h.got()), len(own.got()))
	}
	for _, body := range []string{`{"callback_url":"ftp://x"}`, `{"callback_url":"/x"}`, `{}`, `[]`, ``} {
		if w := ask("PUT", path, body); w.Code != 422 {
			t.Errorf("PUT %s: %d", body, w.Code)
		}
	}
	if w := ask("PUT", "/v2.1/messages/tea_callback", `{"callback_url":"`+h.url+`"}`); w.Code != 404 {
		t.Errorf("PUT of an unknown callback: %d", w.Code)
	}
}

func TestInbound(t *testing.T) {
	s, h := callingBack(t), newHook(t)
	s.SetCallback(flowroutetest.InboundSMS, h.url)
	status := func() int { return serve(s, post("/v2.1/messages", good)).Code }
	write := func(body string, v2 bool) {
		t.Helper()
		r := httptest.NewRequest(http.MethodPost, "/_sim/inbound", strings.NewReader(fmt.Sprintf(`{"from":%q,"to":%q,"body":%q,"v2":%v}`, "+"+to, from, body, v2)))
		r.RemoteAddr = "127.0.0.1:1"
		if w := serve(s, r); w.Code != 204 {
			t.Errorf("%s: %d", body, w.Code)
		}
		settled(t, s)
	}
	for _, step := range []struct {
		body string
		want int
	}{{"STOP PLEASE", 202}, {"stop", 400}, {"HELP", 400}, {"Unstop", 202}} {
		write(step.body, step.want == 400)
		if got := status(); got != step.want {
			t.Errorf("after %s: %d, want %d", step.body, got, step.want)
		}
	}
	got := h.got()
	if len(got) != 4 || !strings.Contains(got[0], `"direction":"inbound"`) || strings.Contains(got[1], "data") || !strings.Contains(got[1], `"body":"stop"`) {
		t.Errorf("passed on %q", got)
	}
}

// TestClose: receipts that are pending are dropped.
func TestClose(t *testing.T) {
	o := options()
	o.ReceiptDelay = time.Hour
	s, h := flowroutetest.New(o), newHook(t)
	send(t, s, to, h.url)
	if s.Pending() != 2 {
		t.Errorf("%d pending", s.Pending())
	}
	s.Close()
	send(t, s, to, h.url)
	s.Close()
	if len(h.got()) != 0 || s.Pending() != 0 {
		t.Errorf("%d posted, %d pending", len(h.got()), s.Pending())
	}
}
