package codes

import (
	"errors"
	"strings"

	"golang.org/x/text/language"
)

// Locale is a language as a canonical BCP 47 tag. The empty one is none.
type Locale string

// ParseLocale parses a BCP 47 tag. From a well-formed tag it drops any unknown
// language, script or region.
func ParseLocale(s string) (Locale, error) {
	tag, err := language.Parse(s)
	var unknown language.ValueError
	if err != nil && !errors.As(err, &unknown) {
		return "", &ArgumentError{"locale", "a BCP 47 language tag, such as es-MX"}
	}
	return Locale(tag.String()), nil
}

// message returns the text for a locale: that of the longest tag that is a prefix
// of the locale (RFC 4647, lookup), or else the default.
func (p *Policy) message(l Locale) Template {
	for tag := string(l); tag != "" && len(p.Messages) > 0; tag = parent(tag) {
		if m, found := p.Messages[Locale(tag)]; found {
			return m
		}
	}
	return p.Message
}

// parent returns a tag without its last subtag, and without the single letter that
// introduced it, if any.
func parent(tag string) string {
	tag = tag[:max(0, strings.LastIndexByte(tag, '-'))]
	if n := len(tag); n == 1 || n > 1 && tag[n-2] == '-' {
		return parent(tag)
	}
	return tag
}
