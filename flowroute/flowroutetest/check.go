package flowroutetest

import (
	"bytes"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	maxBody   = 64 << 10 // bytes of a request
	mediaType = "application/vnd.api+json"
)

// refusal is the answer to a message that fails a check.
type refusal struct {
	status int
	detail any // a string, or an object for one about a member
}

// about is a refusal because of one member.
func about(status int, member, rule string) *refusal {
	return &refusal{status, map[string]any{
		"data": map[string]any{"attributes": map[string]any{member: []string{rule}}},
	}}
}

// parsePath splits /v2.1/messages and /v2.1/messages/{id}.
func parsePath(path string) (endpoint, id string, found bool) {
	parts := strings.Split(path, "/")
	if len(parts) < 3 || len(parts) > 4 || parts[0] != "" || parts[2] != "messages" ||
		!slices.Contains([]string{"v2", "v2.1", "v2.2"}, parts[1]) {
		return "", "", false
	}
	if len(parts) == 4 {
		return parts[1], parts[3], parts[3] != ""
	}
	return parts[1], "", true
}

func (s *Simulator) authorized(r *http.Request) bool {
	user, password, ok := r.BasicAuth()
	userOK := subtle.ConstantTimeCompare([]byte(user), []byte(s.options.AccessKey))
	passwordOK := subtle.ConstantTimeCompare([]byte(password), []byte(s.options.SecretKey))
	return ok && userOK&passwordOK == 1
}

// check parses a message and returns it, or why it is refused.
func (s *Simulator) check(r *http.Request, endpoint string) (Message, *refusal) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" && (media != mediaType || endpoint == "v2") {
		return Message{}, &refusal{http.StatusUnsupportedMediaType, "The Content-Type is not supported."}
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil || len(raw) > maxBody {
		return Message{}, &refusal{http.StatusBadRequest, "The body cannot be read or is too long."}
	}
	members, refused := parseObject(raw)
	if refused != nil {
		return Message{}, refused
	}
	attributes, refused := unwrap(members, endpoint)
	if refused != nil {
		return Message{}, refused
	}
	text, refused := textMember(attributes, endpoint)
	if refused != nil {
		return Message{}, refused
	}
	if !utf8.Valid(raw) {
		return Message{}, about(http.StatusUnprocessableEntity, text, "Must be valid UTF-8.")
	}
	m, refused := s.parseMessage(attributes, text, endpoint)
	if refused != nil {
		return Message{}, refused
	}
	if !s.owned[m.From] {
		return Message{}, &refusal{http.StatusForbidden, "The from number is not enabled for messaging on this account."}
	}
	if refused := checkOptional(attributes); refused != nil {
		return Message{}, refused
	}
	m.Callback, _ = attributes["dlr_callback"].(string)
	m.mms = attributes["media_urls"] != nil
	if s.optedOut(m) {
		return Message{}, &refusal{http.StatusBadRequest, optedOut}
	}
	return m, nil
}

func (s *Simulator) optedOut(m Message) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.optOuts[Pair{m.To, m.From}]
}

// parseObject parses one JSON object and refuses trailing data.
func parseObject(raw []byte) (map[string]any, *refusal) {
	var members map[string]any
	decoder := json.NewDecoder(bytes.NewReader(raw))
	err := decoder.Decode(&members)
	if _, end := decoder.Token(); err != nil || members == nil || !errors.Is(end, io.EOF) {
		return nil, &refusal{http.StatusBadRequest, "The body must be one JSON object."}
	}
	return members, nil
}

// unwrap returns the attributes of a message in either form: bare, or within
// data.attributes, which v2 does not support.
func unwrap(members map[string]any, endpoint string) (map[string]any, *refusal) {
	const status = http.StatusUnprocessableEntity
	known := []string{"to", "from", "body", "content", "dlr_callback", "is_mms", "media_urls"}
	if data, enveloped := members["data"]; enveloped && endpoint != "v2" {
		if len(members) > 1 {
			return nil, about(status, "data", "Must be the only member.")
		}
		envelope, isObject := data.(map[string]any)
		if !isObject {
			return nil, about(status, "data", "Must be an object.")
		}
		for name := range envelope {
			if name != "type" && name != "attributes" {
				return nil, about(status, name, "Unknown field.")
			}
		}
		if envelope["type"] != "message" {
			return nil, about(status, "type", `Must be "message".`)
		}
		if members, isObject = envelope["attributes"].(map[string]any); !isObject {
			return nil, about(status, "attributes", "Must be an object.")
		}
	}
	for name := range members {
		if !slices.Contains(known, name) {
			return nil, about(status, name, "Unknown field.")
		}
	}
	return members, nil
}

// textMember returns the name of the member that holds the text: body, or on
// v2 content too, but not both.
func textMember(attributes map[string]any, endpoint string) (string, *refusal) {
	const status = http.StatusUnprocessableEntity
	_, content := attributes["content"]
	_, body := attributes["body"]
	switch {
	case content && endpoint != "v2":
		return "", about(status, "content", "Unknown field: the text is body.")
	case content && body:
		return "", about(status, "content", "Must not be combined with body.")
	case content:
		return "content", nil
	case !body && endpoint == "v2":
		return "", about(status, "body", "Missing data for required field.")
	}
	return "body", nil
}

// parseMessage checks numbers and text.
func (s *Simulator) parseMessage(attributes map[string]any, text, endpoint string) (Message, *refusal) {
	var values [3]string
	for i, name := range []string{"to", "from", text} {
		raw, present := attributes[name]
		if !present && name == text && attributes["media_urls"] != nil {
			continue // an MMS needs no text
		}
		value, ok := raw.(string)
		switch {
		case !present:
			return Message{}, about(http.StatusUnprocessableEntity, name, "Missing data for required field.")
		case !ok:
			return Message{}, about(http.StatusUnprocessableEntity, name, "Not a valid string.")
		case value == "":
			return Message{}, about(http.StatusUnprocessableEntity, name, "Must not be empty.")
		}
		values[i] = value
	}
	status := http.StatusUnprocessableEntity
	if endpoint == "v2" {
		status = http.StatusForbidden
	}
	bare := s.options.StrictDigits && endpoint != "v2.2"
	for i, name := range []string{"to", "from"} {
		if !validNumber(digits(values[i])) || bare && values[i][0] == '+' {
			return Message{}, about(status, name, "Not a valid phone number.")
		}
	}
	return Message{To: digits(values[0]), From: digits(values[1]), Body: values[2], Endpoint: endpoint}, nil
}

// validNumber reports whether number is 1NXXNXXXXXX, N from 2 to 9: the numbers
// of North America.
func validNumber(number string) bool {
	if len(number) != 11 || number[0] != '1' || number[1] < '2' || number[4] < '2' {
		return false
	}
	return strings.Trim(number, "0123456789") == ""
}

// checkOptional checks the optional members.
func checkOptional(attributes map[string]any) *refusal {
	const status = http.StatusUnprocessableEntity
	if raw, present := attributes["dlr_callback"]; present {
		if value, ok := raw.(string); !ok || !validURL(value) {
			return about(status, "dlr_callback", "Not a valid URL.")
		}
	}
	if raw, present := attributes["is_mms"]; present && !slices.Contains([]any{true, false, "true", "false"}, raw) {
		return about(status, "is_mms", "Not a valid boolean.")
	}
	if raw, present := attributes["media_urls"]; present {
		list, _ := raw.([]any)
		noString := func(element any) bool { _, ok := element.(string); return !ok }
		if len(list) == 0 || slices.ContainsFunc(list, noString) {
			return about(status, "media_urls", "Not a valid list of strings.")
		}
	}
	return nil
}
