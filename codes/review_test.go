package codes_test

import (
	"strings"
	"testing"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
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
		"@shop.example #123456\nThanks!":                                {boundForm + "; it is not the last one"},
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
		got := codes.ReviewMessage(codes.Text(text), code)
		wantWarnings(t, text, got, wants)
		if strings.Contains(strings.Join(got, " "), code) {
			t.Errorf("%q: the code is in %q", text, got)
		}
	}
}

// wantWarnings compares each warning with a part of it.
func wantWarnings(t *testing.T, text string, got, wants []string) {
	t.Helper()
	if len(got) != len(wants) {
		t.Errorf("%q: %q, want %q", text, got, wants)
		return
	}
	for i, want := range wants {
		if !strings.Contains(got[i], want) {
			t.Errorf("%q: %q, want %q", text, got[i], want)
		}
	}
}

func TestReviewTemplate(t *testing.T) {
	const escape, quotes, hidden, no = "is typed as separate characters", "the quotes around the text", "invisible or broken characters are in the text", "is no placeholder"
	for text, wants := range map[string][]string{
		"{code}\nWelcome to {org}! Use this one-time code to complete your signup.":         nil,
		"{} is your {org} code. Valid for {minutes} minutes.\n\n@shop.example #{code}":      nil, // {} and {code} once each
		"{code} is your code.\n\n@shop.example #{code}":                                     nil,
		"<#> {code} is your code.\nFA+9qCX9VSu":                                             nil,
		"{code} costs 5 $ or 100 % less, {}":                                                nil,
		`"{code}" is your "{org}" code`:                                                     nil,
		"Don't share {code}, 'friend'":                                                      nil,
		"{code} 👩\u200d👩\u200d👧 \u200f":                                                     nil,
		"{code} – R&D; see https://shop.example/a?b=1&c=2":                                  nil,
		`{code} is your code.\n\n@shop.example #{code}`:                                     {`\n ` + escape},
		`{code}\tis\r\nyour \"code\" \u2013 it\'s`:                                          {`\", \', \n, \r, \t, \u2013 ` + escape},
		"{code} is your {organization} code":                                                {"{organization} " + no},
		"{code} lasts {minute}":                                                             {"{minute} " + no},
		"{code} {CODE} {0} { org } {user.name} {{name}}":                                    {"{ org }, {0}, {CODE}, {name}, {user.name} " + no},
		"{code} of $ORG_NAME, ${ORG_NAME}, %s, %(org)s, <org>, [org]":                       {"$ORG_NAME, ${ORG_NAME}, %(org)s, %s, <org>, [org] " + no},
		"${code} is your code":                                                              {"$ before a placeholder"},
		"{{code}} is your {{ org }} code":                                                   {"{{code}} goes out with braces", "{ org } " + no},
		"{{}}\nWelcome to {}! Use this one-time code to complete your signup.":              {"{{}} goes out with braces", "more than once"},
		`$'{{}}\nWelcome to {}! Use this one-time code to complete your signup.'`:           {"{{}} goes out with braces", "more than once", escape, quotes},
		"{}\nWelcome to {}! Use this one-time code to complete your signup.":                {"more than once"},
		`"{code} is your code."`:                                                            {quotes},
		"'{code} is your code. Don't share it.'\n":                                          {quotes},
		"“{code} is your code.”":                                                            {quotes},
		"`{code} is your code.`":                                                            {quotes},
		"{code} is your code.<br>&nbsp;R&amp;D&#39;s%0AThanks":                              {"%0A, &#39;, &amp;, &nbsp;, <br> is markup"},
		"{code} is your code.\r\n\r\n@shop.example #{code}":                                 {"a carriage return is in the text"},
		"\ufeff{code} is your code\u200b. \x00Soft\u00adhyphen, line\u2028break, caf\ufffd": {hidden + " (U+0000, U+00AD, U+200B, U+2028, U+FEFF, U+FFFD)"},
	} {
		wantWarnings(t, text, codes.ReviewTemplate(codestest.Template(t, text)), wants)
	}
}

func TestReviewOrgName(t *testing.T) {
	for name, wants := range map[string][]string{
		"Your Organization Name": nil,
		"{Curly} & Co":           nil, // put in literally
		"Müller's “Café”":        nil,
		"":                       nil,
		"Example\r":              {"a carriage return", "white space before or after"},
		"Exa\rmple":              {"a carriage return"},
		"Example\n":              {"a line break", "white space before or after"},
		" Example":               {"white space before or after"},
		`"Example"`:              {"quotes around the text"},
		`Example\nShop`:          {`\n is typed`},
		"R&amp;D":                {"&amp; is markup"},
		"\ufeffExample":          {"U+FEFF"},
	} {
		wantWarnings(t, name, codes.ReviewOrgName(name), wants)
	}
}

// TestReviewWebOTP: WebOTP takes codes of 4 to 10 characters.
func TestReviewWebOTP(t *testing.T) {
	for digits, wants := range map[int][]string{
		3: {"4 to 10 characters only: set CODE_LENGTH"}, 4: nil, 10: nil, 11: {"4 to 10 characters only: set CODE_LENGTH"},
	} {
		code := strings.Repeat("1", digits)
		text := code + " is your code.\n\n@shop.example #" + code
		wantWarnings(t, text, codes.ReviewMessage(codes.Text(text), codes.Code(code)), wants)
		plain := code + " is your code."
		wantWarnings(t, plain, codes.ReviewMessage(codes.Text(plain), codes.Code(code)), nil)
	}
}
