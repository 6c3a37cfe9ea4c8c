package codes

import (
	"strings"
	"testing"
)

const boundForm = "the last line must be @host #{code}"

func TestReviewMessage(t *testing.T) {
	const code = "123456"
	for text, wants := range map[string][]string{
		"123456\nWelcome to Example!": nil,
		"123456":                      nil,
		"Your code is 123456.\n\n@shop.example #123456":                 nil,
		"@shop.example #123456":                                         {"whole message"},
		"\n \n@shop.example #123456":                                    {"whole message"},
		"123456\n@localhost #123456":                                    nil,
		"123456\n@shop.example #123456 @bank.example":                   nil,
		"Your code is 123456\nFA+9qCX9VSu":                              nil,
		"<#> Your code is 123456\nFA+9qCX9VSu":                          nil,
		"<#> Your code is 123456 FA+9qCX9VSu":                           nil,
		"123456 for information":                                        nil, // a word of 11 letters is no hash
		"Café: 123456":                                                  nil, // one segment either way
		"write to me@shop.example, code 123456":                         nil,
		"@shop.example #123456\nThanks!":                                {boundForm + ": it is not the last one"},
		"123456\n@shop.example #123456\n":                               {"not the last one"},
		"123456\n@shop.example":                                         {"one space and #{code}"},
		"123456\n@shop.example 123456":                                  {"one space and #{code}"},
		"123456\n@shop.example  #123456":                                {"one space and #{code}"},
		"123456\n@shop.example#123456":                                  {"host alone", "one space and #{code}"},
		"123456\n@https://shop.example #123456":                         {"without https://"},
		"123456\nhttps://shop.example #123456":                          {"without https://"},
		"123456\n@shop.example:8443 #123456":                            {"port or path"},
		"123456\n@shop.example/login #123456":                           {"port or path"},
		"123456\n@shop.example #12345":                                  {"nothing but {code} after #"},
		"123456\n@shop.example #123456.":                                {"nothing but {code} after #"},
		"123456\n@shop.example #123456 Thanks":                          {"nothing may follow"},
		"123456\n@shop.example #123456 @bank.example @c.example":        {"nothing may follow"},
		"Your code is 123456 @shop.example #123456":                     {"a line of its own"},
		"<#> Your code is 123456":                                       {"app's hash of 11 characters"},
		"<#> 123456\nFA+9qCX9VS":                                        {"app's hash of 11 characters"},
		"<#> 123456 " + strings.Repeat("x", 130) + "\nFA+9qCX9VSu":      {"at most 140 bytes, this one has 153"},
		"123456 " + strings.Repeat("x", 130) + "\nFA+9qCX9VSu":          {"at most 140 bytes"},
		"Don’t share 123456. " + strings.Repeat("x", 60):                {"2 segments because of ’ (U+2019); in ASCII alone it would take 1"},
		"“123456” – " + strings.Repeat("x", 60) + " “":                  {"because of “ (U+201C), ” (U+201D), – (U+2013);"},
		"👍 123456 " + strings.Repeat("x", 61):                           {"👍 (U+1F44D)"},
		"Don’t.\n" + strings.Repeat("x", 70) + "\n@shop.example #12345": {"2 segments", "nothing but {code} after #"},
	} {
		got := ReviewMessage(Text(text), code)
		if len(got) != len(wants) {
			t.Errorf("%q: %q, want %q", text, got, wants)
			continue
		}
		for i, want := range wants {
			if !strings.Contains(got[i], want) || strings.Contains(got[i], code) {
				t.Errorf("%q: %q, want %q", text, got[i], want)
			}
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
		strings.Repeat("€", 153):           {3, true}, // 76 to a segment, with a unit to spare
		strings.Repeat("a", 69) + "’":      {1, false},
		strings.Repeat("a", 70) + "’":      {2, false},
		strings.Repeat("ç", 70):            {1, false}, // the GSM alphabet has the capital only
		strings.Repeat("ç", 134):           {2, false},
		strings.Repeat("ç", 135):           {3, false},
		strings.Repeat("👍", 35):            {1, false},
		strings.Repeat("👍", 67):            {3, false},
		"`":                                {1, false},
	} {
		if n, gsm := StandardSegments(Text(text)); n != want.n || gsm != want.gsm {
			t.Errorf("%d characters of %.5q: %d segments, GSM %v; want %+v", len([]rune(text)), text, n, gsm, want)
		}
	}
}
