package app

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// PhoneView draws an SMS as a phone shows it.
func PhoneView(to, body string) string {
	const width = 40
	lines := []string{"SMS to +" + to, ""}
	for line := range strings.SplitSeq(body, "\n") {
		lines = append(lines, wrap(line, width)...)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "  ╭%s╮\n", strings.Repeat("─", width+2))
	for _, line := range lines {
		fmt.Fprintf(&b, "  │ %s%s │\n", line, strings.Repeat(" ", width-utf8.RuneCountInString(line)))
	}
	fmt.Fprintf(&b, "  ╰%s╯\n", strings.Repeat("─", width+2))
	return b.String()
}

// wrap breaks a line between words, or inside a word that is too long.
func wrap(line string, width int) []string {
	var lines []string
	current := []rune{}
	for word := range strings.SplitSeq(line, " ") {
		rest := []rune(word)
		switch {
		case len(current) == 0:
			current = rest
		case len(current)+1+len(rest) <= width:
			current = append(append(current, ' '), rest...)
		default:
			lines = append(lines, string(current))
			current = rest
		}
		for len(current) > width {
			lines = append(lines, string(current[:width]))
			current = current[width:]
		}
	}
	return append(lines, string(current))
}
