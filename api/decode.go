package api

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

var (
	errNotText   = errors.New("a string or a whole number")
	errNotObject = errors.New("be one JSON object")
)

// decodeObject reads one JSON object and returns the raw values of the wanted
// members, nil for a missing one. The values of other members are only checked for
// syntax. It refuses duplicate names, wanted names in the wrong case and invalid UTF-8,
// all of which encoding/json accepts. Its errors complete "the body must …".
func decodeObject(body []byte, want ...string) ([]jsontext.Value, error) {
	switch {
	case bytes.HasPrefix(body, []byte("\xef\xbb\xbf")):
		return nil, errors.New("not begin with a byte-order mark")
	case !utf8.Valid(body):
		return nil, errors.New("be valid UTF-8")
	}
	// Members that this API does not know may hold anything: duplicate names further
	// down, and unpaired surrogates.
	d := jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if begin, err := d.ReadToken(); err != nil || begin.Kind() != jsontext.BeginObject.Kind() {
		return nil, errNotObject
	}
	values := make([]jsontext.Value, len(want))
	seen := map[string]bool{}
	for d.PeekKind() == '"' {
		token, err := d.ReadToken()
		if err != nil {
			return nil, errNotObject
		}
		name := token.String()
		if seen[name] {
			return nil, errors.New("not have a member twice")
		}
		seen[name] = true
		value, err := d.ReadValue()
		if err != nil {
			return nil, errNotObject
		}
		for i, w := range want {
			if name == w {
				end := int(d.InputOffset()) // value itself is valid until the next read
				values[i] = body[end-len(value) : end]
			} else if strings.EqualFold(name, w) {
				return nil, errors.New("spell " + w + " in lower case")
			}
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, errNotObject
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errNotObject
	}
	return values, nil
}

// text is the content of a JSON string, or the digits of a JSON integer without sign,
// fraction or exponent.
func text(raw jsontext.Value) (string, error) {
	switch raw.Kind() {
	case '"':
		content, err := jsontext.AppendUnquote(make([]byte, 0, 128), raw)
		if err != nil { // encoding/json would make one id of two that differ in it
			return "", errors.New("text without unpaired surrogates")
		}
		return string(content), nil
	case '0':
		if !bytes.ContainsFunc(raw, func(r rune) bool { return r < '0' || r > '9' }) {
			return string(raw), nil
		}
	}
	return "", errNotText
}
