package flowroutetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// optedOut is Flowroute's answer for a number that sent STOP.
const optedOut = "1110: Message accepted by the SMSC but the phone rejected the message"

// accepted is the answer to an accepted message.
func accepted(r *http.Request, m Message) (status int, body any) {
	if m.Endpoint == "v2" {
		return http.StatusOK, map[string]any{"data": map[string]any{"id": m.ID}}
	}
	return http.StatusAccepted, map[string]any{"data": map[string]any{
		"id":    m.ID,
		"type":  "message",
		"links": map[string]any{"self": "http://" + r.Host + "/" + m.Endpoint + "/messages/" + m.ID},
	}}
}

// lookUp answers with a message and its receipts.
func (s *Simulator) lookUp(w http.ResponseWriter, endpoint, id string) {
	m, found := s.find(id)
	if !found || s.options.Now().Sub(m.At) < s.options.LookupDelay {
		s.fail(w, http.StatusNotFound, "The requested message was not found.")
		return
	}
	const nanodollars = 4_000_000 // per segment
	attributes := map[string]any{
		"to":                 m.To,
		"from":               m.From,
		"body":               m.Body,
		"direction":          "outbound",
		"message_encoding":   m.Encoding,
		"message_type":       "longcode",
		"amount_display":     fmt.Sprintf("$%.4f", float64(m.Segments*nanodollars)/1e9),
		"amount_nanodollars": m.Segments * nanodollars,
		"timestamp":          timestamp(m.At),
	}
	if endpoint == "v2" {
		attributes["message_type"] = "long-code"
		attributes["has_mms"] = false
		attributes["callback_url"] = nil
	} else {
		attributes["is_mms"] = false
		attributes["status"] = "message buffered"
		attributes["delivery_receipts"] = []any{
			map[string]any{"level": 2, "status": "message buffered", "status_code": 1003,
				"status_code_description": "Message accepted by Carrier", "timestamp": timestamp(m.At)},
			map[string]any{"level": 1, "status": "smsc submit", "status_code": nil,
				"status_code_description": "Message has been sent", "timestamp": timestamp(m.At)},
		}
	}
	answer(w, http.StatusOK, map[string]any{"data": map[string]any{
		"id": m.ID, "type": "message", "attributes": attributes,
	}})
}

// find searches from the newest message, which is the likeliest.
func (s *Simulator) find(id string) (Message, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.messages) - 1; i >= 0; i-- {
		if s.messages[i].ID == id {
			return s.messages[i], true
		}
	}
	return Message{}, false
}

func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.00Z") }

func (s *Simulator) notFound(w http.ResponseWriter, _ *http.Request) {
	s.fail(w, http.StatusNotFound, "The requested URL was not found on the server.")
}

// fail answers with an error in Flowroute's form. The detail is a string or
// an object.
func (s *Simulator) fail(w http.ResponseWriter, status int, detail any) {
	if status == http.StatusTooManyRequests {
		s.count(&s.counts.Limited)
	}
	answer(w, status, map[string]any{"errors": []any{map[string]any{
		"id": uuid(), "status": status, "title": http.StatusText(status), "detail": detail,
	}}})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // fails only when the client has left
}

// uuid returns a random UUID, version 4.
func uuid() string {
	h := []byte(randomHex())
	h[12] = '4'
	h[16] = "89ab"[h[16]%4]
	return fmt.Sprintf("%s-%s-%s-%s-%s", h[:8], h[8:12], h[12:16], h[16:20], h[20:])
}
