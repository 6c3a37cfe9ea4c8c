package app

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		line string
		want []string
	}{
		{"", []string{""}},
		{"short", []string{"short"}},
		{"just enough", []string{"just", "enough"}},
		{"one two three", []string{"one two", "three"}},
		{"exactly 10", []string{"exactly 10"}},
		{"abcdefghijk", []string{"abcdefghij", "k"}},
		{"a abcdefghijklmnopqrstuvw b", []string{"a", "abcdefghij", "klmnopqrst", "uvw b"}},
		{"äöüßäöüßäö ü", []string{"äöüßäöüßäö", "ü"}},
		{"日本語日本語日本語日本語", []string{"日本語日本語日本語日", "本語"}},
		{"a  b", []string{"a  b"}},
	} {
		if got := wrap(c.line, 10); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.line, got, c.want)
		}
	}
}

// TestPhoneView: the frame is straight, whatever the text is.
func TestPhoneView(t *testing.T) {
	for _, body := range []string{"", "1234", "1234\nWelcome", "\n\n", strings.Repeat("9", 1000), strings.Repeat("über ", 50), "日本語\n" + strings.Repeat("語", 100)} {
		view := PhoneView("12065550142", body)
		lines := strings.Split(strings.TrimSuffix(view, "\n"), "\n")
		for i, line := range lines {
			if utf8.RuneCountInString(line) != 46 {
				t.Errorf("line %d of %q is %d wide: %q", i, body, utf8.RuneCountInString(line), line)
			}
		}
		shown := ""
		for _, line := range lines[3 : len(lines)-1] {
			shown += strings.Trim(line, " │")
		}
		squeeze := strings.NewReplacer(" ", "", "\n", "")
		if squeeze.Replace(shown) != squeeze.Replace(body) {
			t.Errorf("%q is shown as %q", body, shown)
		}
	}
}
