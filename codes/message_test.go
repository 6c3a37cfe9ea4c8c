package codes_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// FuzzTemplate compares the template with the standard library's replacer.
func FuzzTemplate(f *testing.F) {
	for _, text := range []string{
		"{code}\nWelcome to {org}! Use this one-time code to complete your signup.",
		"{}", "{code}{}{code}", "{{code}}", "{{}}", "{code{code}}", "{org} {code} {org}", "{org}{code}", "}{ {code} }{",
		`{code} \n \{code\} \\ %s %d $1 {0} {x} { } {Code} {ORG} {code`, `\{code}`, "{code} für {minutes} 分 \xff", "{minutes}{minutes}{}",
		"", "code", "{org}", "{minutes}", "{code", "code}", "{ code }", "{Code}", "{cod{org}e}", "{\n}", "{org", "{co{}de}",
	} {
		for _, org := range []string{"Your Organization Name", "A {code} & {}{org} Co", ""} {
			f.Add(text, "0042", org, int64(3600))
		}
	}
	for _, seconds := range []int64{1, 60, 61, 3600, 9_000_000_000} {
		f.Add("{code} {minutes}", "0042", "", seconds)
	}
	f.Fuzz(func(t *testing.T, text, code, org string, seconds int64) {
		seconds = min(max(seconds, 0), 9_000_000_000)
		minutes := fmt.Sprint(seconds/60 + min(1, seconds%60))
		want := strings.NewReplacer("{code}", code, "{}", code, "{org}", org, "{minutes}", minutes).Replace(text)
		places := strings.Count(text, "{code}") + strings.Count(text, "{}")

		template, err := codes.ParseTemplate(text)
		if places == 0 {
			if !errors.Is(err, codes.ErrNoCode) {
				t.Fatalf("no placeholder for the code in %q: %v", text, err)
			}
			return
		}
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		got := string(template.Render(codes.Code(code), org, time.Duration(seconds)*time.Second))
		if got != want {
			t.Fatalf("%q = %q, want %q", text, got, want)
		}
		const mark = "\x00<mark>\x00"
		marked := string(template.Render(mark, "", 0))
		if n := strings.Count(marked, mark); n != places+strings.Count(text, mark) {
			t.Fatalf("%q contains the code %d times, want %d", text, n, places)
		}
	})
}

func TestSegments(t *testing.T) {
	repeat := strings.Repeat
	for _, test := range []struct {
		name, text string
		want       int
		ascii      bool
	}{
		{"empty", "", 1, true},
		{"one", "a", 1, true},
		{"160", repeat("a", 160), 1, true},
		{"161", repeat("a", 161), 2, true},
		{"280", repeat("a", 280), 2, true},
		{"281", repeat("a", 281), 3, true},
		{"420", repeat("a", 420), 3, true},
		{"421", repeat("a", 421), 4, true},
		{"what GSM counts twice", repeat("[", 160), 1, true},
		{"control characters", repeat("\n\x00\x7f", 53), 1, true},
		{"70 UCS-2", repeat("é", 70), 1, false},
		{"71 UCS-2", repeat("é", 71), 2, false},
		{"140 UCS-2", repeat("é", 140), 2, false},
		{"141 UCS-2", repeat("é", 141), 3, false},
		{"35 emoji", repeat("😀", 35), 1, false},
		{"36 emoji", repeat("😀", 36), 2, false},
		{"a smart quote in 70", "’" + repeat("a", 69), 1, false},
		{"a smart quote in 71", repeat("a", 70) + "’", 2, false},
		{"a smart quote in 160", repeat("a", 159) + "’", 3, false},
		{"the first that is not ASCII", "\u0080", 1, false},
		{"invalid UTF-8", "\xff", 1, false},
	} {
		if n, ascii := codes.Segments(codes.Text(test.text)); n != test.want || ascii != test.ascii {
			t.Errorf("%s: %d segments, ASCII %t; want %d, %t", test.name, n, ascii, test.want, test.ascii)
		}
	}
}

func TestStandardSegments(t *testing.T) {
	for text, want := range map[string]struct {
		n   int
		gsm bool
	}{
		"":                                 {1, true},
		strings.Repeat("a", 160):           {1, true},
		strings.Repeat("a", 161):           {2, true},
		strings.Repeat("a", 306):           {2, true},
		strings.Repeat("a", 307):           {3, true},
		strings.Repeat("é", 160):           {1, true},
		strings.Repeat("€", 80):            {1, true},
		strings.Repeat("€", 81):            {2, true},
		strings.Repeat("a", 152) + "€€€€€": {2, true}, // no character is split
		strings.Repeat("€", 153):           {3, true}, // 76 to a segment, one unit unused
		strings.Repeat("a", 69) + "’":      {1, false},
		strings.Repeat("a", 70) + "’":      {2, false},
		strings.Repeat("ç", 70):            {1, false}, // the GSM alphabet has only the capital letter
		strings.Repeat("ç", 134):           {2, false},
		strings.Repeat("ç", 135):           {3, false},
		strings.Repeat("👍", 35):            {1, false},
		strings.Repeat("👍", 67):            {3, false},
		"`":                                {1, false},
	} {
		if n, gsm := codes.StandardSegments(codes.Text(text)); n != want.n || gsm != want.gsm {
			t.Errorf("%d characters of %.5q: %d segments, GSM %v; want %+v", len([]rune(text)), text, n, gsm, want)
		}
	}
}
