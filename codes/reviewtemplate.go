package codes

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// ReviewTemplate returns warnings about likely mistakes in a template, such as the
// notation of other programs, which is sent as it is. Each warning says what to write
// instead.
func ReviewTemplate(t Template) []string {
	var text, literals strings.Builder
	var placeholders []string
	for _, p := range t.parts {
		text.WriteString(p.literal + p.placeholder)
		if p.placeholder != "" {
			placeholders = append(placeholders, p.placeholder)
			literals.WriteByte('\x00') // so that the text before and after it is not joined
		}
		literals.WriteString(p.literal)
	}
	return slices.Concat(
		reviewFlask(text.String(), placeholders),
		reviewPlaceholders(literals.String()),
		reviewText(text.String()),
	)
}

// ReviewOrgName returns warnings about likely mistakes in an organization's name.
func ReviewOrgName(name string) []string {
	warnings := reviewText(name)
	if strings.Contains(name, "\n") {
		warnings = append(warnings, "a line break is in the name and goes out with it: write the name on one line")
	}
	if strings.TrimSpace(name) != name && strings.TrimSpace(name) != "" {
		warnings = append(warnings, "white space before or after the name goes out with it: remove it")
	}
	return warnings
}

var doubled = regexp.MustCompile(`\{\s*\{(code|org|minutes)?\}\s*\}`)

// reviewFlask finds the text of this service's predecessor, which was formatted
// twice: {} was the name, and {{}} the code.
func reviewFlask(text string, placeholders []string) (warnings []string) {
	if found := doubled.FindString(text); found != "" {
		warnings = append(warnings, fmt.Sprintf("%s goes out with braces around the value: write {code} for the code, {org} for the name, {minutes} for the lifetime", found))
	}
	empty := 0
	for _, p := range placeholders {
		if p == "{}" {
			empty++
		}
	}
	if empty > 1 {
		warnings = append(warnings, "{} is the code wherever it stands, and it is in the text more than once: write {code} for the code and {org} for the name")
	}
	return warnings
}

var foreignPlaceholder = regexp.MustCompile(`\$?\{ *[A-Za-z0-9_][A-Za-z0-9_. -]*\}|%[sd]\b|%\([a-z_]+\)s|\$[A-Z][A-Z_]+\b|<(?:code|org|minutes)>|\[(?:code|org|minutes)\]`)

// reviewPlaceholders finds text that looks like a placeholder but is none.
func reviewPlaceholders(literals string) (warnings []string) {
	if found := unique(foreignPlaceholder.FindAllString(literals, -1)); len(found) > 0 {
		warnings = append(warnings, strings.Join(found, ", ")+" is no placeholder and goes out as it is: the placeholders are {code}, {org} and {minutes}")
	}
	if strings.Contains(literals, "$\x00") {
		warnings = append(warnings, "$ before a placeholder goes out with it: write {code}, not ${code}")
	}
	return warnings
}

var (
	typedEscape = regexp.MustCompile(`\\(?:[nrt"']|u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2})`)
	markup      = regexp.MustCompile(`(?i)<br */?>|&(?:amp|lt|gt|quot|apos|nbsp|#[0-9]+|#x[0-9a-f]+);|%0[ad]`)
	inQuotes    = regexp.MustCompile("(?s)^\\s*(?:\\$?'.*'|\\$?\"[^\"]*\"|`[^`]*`|“[^”]*”|‘.*’)\\s*$")
)

// reviewText finds traces of an editor, a shell or a file format.
func reviewText(text string) (warnings []string) {
	if found := unique(typedEscape.FindAllString(text, -1)); len(found) > 0 {
		warnings = append(warnings, strings.Join(found, ", ")+` is typed as separate characters, which go out as they are: write the character itself; a line break is \n within double quotes in YAML, and $'…\n…' in bash`)
	}
	if found := unique(markup.FindAllString(text, -1)); len(found) > 0 {
		warnings = append(warnings, strings.Join(found, ", ")+" is markup, which phones show as it is: write the character itself")
	}
	if inQuotes.MatchString(text) {
		warnings = append(warnings, "the quotes around the text go out with it: remove them; the env files of Docker and Kubernetes keep quotes as they are")
	}
	if strings.Contains(text, "\r") {
		warnings = append(warnings, "a carriage return is in the text and goes out with it: save the file with Unix line endings, not those of Windows")
	}
	var hidden []string
	for _, r := range text {
		if isHidden(r) {
			hidden = append(hidden, fmt.Sprintf("%U", r))
		}
	}
	if found := unique(hidden); len(found) > 0 {
		warnings = append(warnings, "invisible or broken characters are in the text ("+strings.Join(found, ", ")+"): remove them, and save the file as UTF-8 without a byte-order mark")
	}
	return warnings
}

// isHidden reports whether a character is a control character, or another that
// nobody types on purpose. Joiners and direction marks do not count, since emoji and
// some scripts need them.
func isHidden(r rune) bool {
	switch r {
	case '\n', '\r': // have their own warnings
		return false
	case '\u00ad', '\u200b', '\u2028', '\u2029', '\ufeff', unicode.ReplacementChar:
		return true
	}
	return unicode.IsControl(r)
}

// unique sorts the list and removes duplicates.
func unique(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}
