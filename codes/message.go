package codes

import (
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
)

// Template is the text of the SMS with places for the code and its
// circumstances.
type Template struct{ parts []part }

// part is a placeholder, or, when that is empty, literal text.
type part struct{ placeholder, literal string }

var placeholders = []string{"{code}", "{}", "{org}", "{minutes}"}

// ErrNoCode says that a message would not tell the code.
var ErrNoCode = errors.New("must contain the code: {code} or {}")

// ParseTemplate reads a message text. {code} or {} stands for the code, {org}
// for the organization's name, {minutes} for the lifetime in minutes, rounded
// up. Every other character, other braces and backslashes too, is literal.
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

// Render fills the template in. The organization's name goes in literally:
// braces in it are not looked at.
func (t Template) Render(code Code, org string, lifetime time.Duration) Text {
	var b strings.Builder
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

// Segments returns how many messages the carrier bills for a text and whether
// it goes out as plain ASCII, by Flowroute's rule: up to 160 ASCII characters
// are one segment, a longer ASCII text has 140 to a segment, and any other
// character makes the whole text UCS-2 with 70 UTF-16 units to a segment.
// Source: Flowroute, "Message Length & Concatenation".
func Segments(t Text) (n int, ascii bool) {
	units := 0
	ascii = true
	for _, r := range string(t) {
		ascii = ascii && r < 0x80
		units += utf16.RuneLen(r)
	}
	switch {
	case !ascii:
		return (units + 69) / 70, false
	case units <= 160:
		return 1, true
	default:
		return (units + 139) / 140, true
	}
}
