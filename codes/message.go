package codes

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// Template is the text of the SMS, with placeholders.
type Template struct{ parts []part }

// part is a placeholder, or, when that is empty, literal text.
type part struct{ placeholder, literal string }

var placeholders = []string{"{code}", "{}", "{org}", "{minutes}"}

// ErrNoCode says that a message would not hold the code.
var ErrNoCode = errors.New("must contain the code: {code} or {}")

// ParseTemplate parses a message text. {code} or {} stands for the code, {org}
// for the organization's name, {minutes} for the lifetime in minutes, rounded
// up. Every other character is literal, including other braces and backslashes.
func ParseTemplate(text string) (Template, error) {
	var t Template
	hasCode := false
	literal := 0 // where the literal text before i begins
	for i := 0; i < len(text); {
		p := placeholderAt(text[i:])
		if p == "" {
			i++
			continue
		}
		t.parts = append(t.parts, part{literal: text[literal:i]}, part{placeholder: p})
		hasCode = hasCode || p == "{code}" || p == "{}"
		i += len(p)
		literal = i
	}
	t.parts = append(t.parts, part{literal: text[literal:]})
	if !hasCode {
		return Template{}, ErrNoCode
	}
	return t, nil
}

func placeholderAt(s string) string {
	for _, p := range placeholders {
		if strings.HasPrefix(s, p) {
			return p
		}
	}
	return ""
}

// Render fills in the placeholders. Braces in the organization's name are literal.
func (t Template) Render(code Code, org string, lifetime time.Duration) Text {
	var b strings.Builder
	b.Grow(160) // one segment has at most 160 characters
	for _, p := range t.parts {
		switch p.placeholder {
		case "{code}", "{}":
			b.WriteString(string(code))
		case "{org}":
			b.WriteString(org)
		case "{minutes}":
			minutes := (lifetime + time.Minute - 1) / time.Minute
			b.WriteString(strconv.FormatInt(int64(minutes), 10))
		default:
			b.WriteString(p.literal)
		}
	}
	return Text(b.String())
}
