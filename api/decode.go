package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// errNotText says that a member is neither a string nor a plain integer.
var errNotText = errors.New("a string or a whole number")

// decodeObject reads one JSON object, more strictly than encoding/json, which
// quietly takes the last of two members of one name, names in the wrong case
// and broken UTF-8. It returns the raw values of the wanted members, nil for
// one that is missing; other members are only checked. Its errors complete
// the sentence "the body must …".
func decodeObject(body []byte, want ...string) ([]json.RawMessage, error) {
	switch {
	case bytes.HasPrefix(body, []byte("\xef\xbb\xbf")):
		return nil, errors.New("not begin with a byte-order mark")
	case !utf8.Valid(body):
		return nil, errors.New("be valid UTF-8")
	}
	body = bytes.Trim(body, " \t\r\n")
	if !json.Valid(body) || body[0] != '{' {
		return nil, errors.New("be one JSON object")
	}
	values := make([]json.RawMessage, len(want))
	seen := map[string]bool{}
	for rest := blanks(body[1:]); rest[0] != '}'; {
		raw := rest[:valueLength(rest)]
		name, err := unquote(raw)
		if err != nil {
			return nil, errors.New("be one JSON object")
		}
		if seen[name] {
			return nil, errors.New("not have a member twice")
		}
		seen[name] = true
		rest = blanks(rest[len(raw):])
		rest = blanks(rest[1:]) // the colon
		value := rest[:valueLength(rest)]
		for i, w := range want {
			if name == w {
				values[i] = value
			} else if strings.EqualFold(name, w) {
				return nil, errors.New("spell " + w + " in lower case")
			}
		}
		rest = blanks(rest[len(value):])
		if rest[0] == ',' {
			rest = blanks(rest[1:])
		}
	}
	return values, nil
}

func blanks(b []byte) []byte { return bytes.TrimLeft(b, " \t\r\n") }

// valueLength is the length of the value that valid JSON begins with.
func valueLength(b []byte) int {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			for i++; b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i // the end of what holds a bare value
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i
			}
		}
	}
	return len(b)
}

// text is the content of a JSON string, or the digits of a JSON integer
// without sign, fraction or exponent.
func text(raw json.RawMessage) (string, error) {
	if raw[0] != '"' {
		for _, c := range raw {
			if c < '0' || c > '9' {
				return "", errNotText
			}
		}
		return string(raw), nil
	}
	if !surrogatesPaired(raw) {
		return "", errors.New("text without unpaired surrogates")
	}
	s, err := unquote(raw)
	if err != nil {
		return "", errNotText
	}
	return s, nil
}

// unquote is the content of a valid JSON string.
func unquote(raw []byte) (s string, err error) {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), nil // as nearly all are
	}
	err = json.Unmarshal(raw, &s)
	return s, err
}

// surrogatesPaired looks at the escapes of a JSON string: encoding/json would
// put the same replacement character for every unpaired surrogate, so that
// two different ids became one.
func surrogatesPaired(raw []byte) bool {
	unit := func(i int) rune { // the surrogate escaped at i, or 0
		if i+6 > len(raw) || raw[i] != '\\' || raw[i+1] != 'u' {
			return 0
		}
		n, err := strconv.ParseUint(string(raw[i+2:i+6]), 16, 16)
		if err != nil || !utf16.IsSurrogate(rune(n)) {
			return 0
		}
		return rune(n)
	}
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		if high := unit(i); high != 0 {
			if utf16.DecodeRune(high, unit(i+6)) == utf8.RuneError {
				return false
			}
			i += 6
		}
		i++ // what is escaped
	}
	return true
}
