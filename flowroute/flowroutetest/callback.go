package flowroutetest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Callback is a kind of callback, by its name in Flowroute's paths.
type Callback string

// The callbacks of the account. A message's own dlr_callback takes precedence.
const (
	SMSReceipts Callback = "sms_dlr_callback"
	MMSReceipts Callback = "mms_dlr_callback"
	InboundSMS  Callback = "sms_callback"
	InboundMMS  Callback = "mms_callback"
)

// callbackOf parses the last part of a path. It accepts the former name too.
func callbackOf(name string) (Callback, bool) {
	switch c := Callback(name); c {
	case SMSReceipts, MMSReceipts, InboundSMS, InboundMMS:
		return c, true
	case "dlr_callback":
		return SMSReceipts, true
	}
	return "", false
}

// SetCallback sets a callback of the account; "" clears it.
func (s *Simulator) SetCallback(c Callback, target string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.callbacks[c] = target
}

func (s *Simulator) callback(c Callback) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.callbacks[c]
}

// account serves the callbacks of the account.
func (s *Simulator) account(w http.ResponseWriter, r *http.Request, c Callback) {
	switch r.Method {
	case http.MethodPut:
		target, ok := callbackURL(r)
		if !ok {
			refused := about(http.StatusUnprocessableEntity, "callback_url", "Not a valid URL.")
			s.fail(w, refused.status, refused.detail)
			return
		}
		s.SetCallback(c, target)
		w.WriteHeader(http.StatusNoContent)
	case http.MethodDelete:
		s.SetCallback(c, "")
		w.WriteHeader(http.StatusNoContent)
	default:
		target := s.callback(c)
		if target == "" {
			s.fail(w, http.StatusNotFound, "There is no callback.")
			return
		}
		product := "sms"
		if strings.HasSuffix(string(c), "dlr_callback") {
			product = "dlr"
		}
		answer(w, http.StatusOK, map[string]any{"data": map[string]any{
			"type":       "callback",
			"attributes": map[string]any{"api_version": "v2.1", "callback_url": target, "product": product},
		}})
	}
}

// callbackURL parses a callback_url, bare or within data.attributes.
func callbackURL(r *http.Request) (string, bool) {
	var body struct {
		URL  string `json:"callback_url"`
		Data struct {
			Attributes struct {
				URL string `json:"callback_url"`
			} `json:"attributes"`
		} `json:"data"`
	}
	if json.NewDecoder(io.LimitReader(r.Body, maxBody)).Decode(&body) != nil {
		return "", false
	}
	target := body.URL + body.Data.Attributes.URL
	return target, validURL(target)
}

func validURL(target string) bool {
	u, err := url.Parse(target)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}

// Inbound simulates an SMS from a subscriber to a number of the account. STOP
// refuses further messages from that number, UNSTOP allows them again. The SMS
// is posted to the callback for inbound messages, in the form of v2 or v2.1.
func (s *Simulator) Inbound(from, to, body string, v2 bool) {
	from, to = digits(from), digits(to)
	s.mu.Lock()
	switch strings.ToUpper(body) {
	case "STOP":
		s.optOuts[Pair{from, to}] = true
	case "UNSTOP":
		delete(s.optOuts, Pair{from, to})
	}
	at := s.options.Now()
	s.mu.Unlock()
	target := s.callback(InboundSMS)
	if target == "" {
		return
	}
	message := map[string]any{"to": to, "from": from, "body": body, "id": "mdr1-" + randomHex()}
	if !v2 {
		message = map[string]any{"data": map[string]any{"type": "message", "id": "mdr2-" + randomHex(), "attributes": map[string]any{
			"to": to, "from": from, "body": body, "direction": "inbound", "is_mms": false, "message_encoding": 0, "message_type": "longcode",
			"message_callback_url": target, "status": "delivered", "timestamp": timestamp(at), "amount_display": "$0.0070", "amount_nanodollars": "7000000",
		}}}
	}
	text, _ := json.Marshal(message) // strings and numbers: never fails
	s.later(0, post{url: target, body: text, answered: func() {}})
}
