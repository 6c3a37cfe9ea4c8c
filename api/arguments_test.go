package api

import (
	"net/url"
	"strings"
	"testing"
)

func TestAuthID(t *testing.T) {
	a := newAPI(t)
	clef := "\U0001d11e" // four bytes, two UTF-16 units, one character
	for literal, want := range map[string]string{
		`"a"`:                                    "a",
		`" "`:                                    " ",
		`"+%&=;"`:                                "+%&=;",
		`"</script>\u2028"`:                      "</script>\u2028",
		`"\u0000"`:                               "\x00",
		`"a\u0000b"`:                             "a\x00b",
		`"\ufffd"`:                               "\ufffd",
		`"` + "\ufffd" + `"`:                     "\ufffd",
		`"` + "\uffff\U0010ffff" + `"`:           "\uffff\U0010ffff",
		`"\\ud800"`:                              `\ud800`,
		`"\\\\ud800"`:                            `\\ud800`,
		`"\ud834\udd1e"`:                         clef,
		`"\uD834\uDD1E"`:                         clef,
		`"\n\ud834\udd1e\ud834\udd1e\\"`:         "\n" + clef + clef + `\`,
		`"\ud7ff\ue000"`:                         "\ud7ff\ue000",
		quote(strings.Repeat("a", 120)):          strings.Repeat("a", 120),
		quote(strings.Repeat("é", 120)):          strings.Repeat("é", 120),
		quote(strings.Repeat(clef, 120)):         strings.Repeat(clef, 120),
		escaped(120):                             strings.Repeat(clef, 120),
		`42`:                                     "42",
		`"42"`:                                   "42",
		`"042"`:                                  "042",
		`0`:                                      "0",
		`9007199254740993`:                       "9007199254740993",
		"1" + strings.Repeat("0", 119):           "1" + strings.Repeat("0", 119),
		`"` + strings.Repeat("\\u0031", 2) + `"`: "11",
	} {
		a.do(t, "POST", "/", `{"auth_id":`+literal+`,"recipient":"`+number+`"}`).is(t, 200,
			`{"message":"Success: Verification code created.","auth_id":`+quote(want)+`,"expires_in":3600,"attempts_left":3,"resend_after":0}`)
		code := a.lastCode(t)
		a.spend(t, want, code, 2) // under the same id in the query
		a.do(t, "POST", "/verify", `{"auth_id":`+literal+`,"code":"`+code+`"}`).is(t, 200, verified(want))
	}
}

// escaped is a JSON string of n characters outside the first plane.
func escaped(n int) string { return `"` + strings.Repeat(`\ud834\udd1e`, n) + `"` }

func TestAuthIDIsOneOfMany(t *testing.T) {
	a := newAPI(t)
	a.do(t, "POST", "/", `{"auth_id":42,"recipient":"`+number+`"}`)
	code := a.lastCode(t)
	a.spend(t, "42", code, 2)
	for _, other := range []string{"042", "42 ", "+42", "42.0", "٤٢", "４２", "42\x00", "42\ufffd"} {
		a.do(t, "GET", checkQuery(other, code), "").is(t, 400, unknown)
	}
	a.do(t, "POST", "/verify", `{"auth_id":"42","code":"`+code+`"}`).is(t, 200, verified("42"))
}

func TestAuthIDRefused(t *testing.T) {
	a := newAPI(t)
	for _, literal := range []string{
		`""`,
		quote(strings.Repeat("a", 121)),
		quote(strings.Repeat("é", 121)),
		quote(strings.Repeat("\U0001d11e", 121)),
		escaped(121),
		"1" + strings.Repeat("0", 120),
		`-1`, `-0`, `1.0`, `1.5`, `1e3`, `1E3`, `0e0`, `1e-1`,
		`true`, `false`, `null`, `[]`, `{}`, `["a"]`, `{"a":"a"}`, `[42]`,
		`"\ud800"`, `"\uDBFF"`, `"\udc00"`, `"\uDFFF"`, // alone
		`"\ud800a"`, `"a\ud800"`, `"a\ud800a"`, `"\udc00a"`, `"a\udc00"`, // at both ends and between
		`"\ud800\ud800"`, `"\udc00\ud800"`, `"\udc00\udc00"`, // the wrong way round
		`"\ud800\u0041"`, `"\ud800A"`, `"\ud800\n\udc00"`, `"\ud800 \udc00"`, `"\ud800\\udc00"`, // something between
		`"\ud834\udd1e\udd1e"`, `"\ud834\ud834\udd1e"`, `"\ud834\udd1e\ud834"`, // beside a pair
		`"\\\ud800"`, `"\"\ud800"`, `"\u005c\ud800"`, // after other escapes
	} {
		a.untouched(t, func() {
			a.do(t, "POST", "/", `{"auth_id":`+literal+`,"recipient":"`+number+`"}`).isUsage(t, 400, "auth_id and recipient; auth_id must be ")
			a.do(t, "POST", "/verify", `{"auth_id":`+literal+`,"code":"1234"}`).isUsage(t, 400, "auth_id and code; auth_id must be ")
		})
		if t.Failed() {
			t.Fatalf("auth_id %s", literal)
		}
	}
	for _, id := range []string{"", strings.Repeat("a", 121), strings.Repeat("é", 121), "\xff", "a\xc3", "\xed\xa0\x80", "\xc0\x80", "\xf4\x90\x80\x80"} {
		a.untouched(t, func() {
			a.do(t, "GET", checkQuery(id, "1234"), "").isUsage(t, 400, "auth_id and code; auth_id must be ")
			a.do(t, "DELETE", "/?auth_id="+url.QueryEscape(id), "").isUsage(t, 400, "arguments: auth_id; auth_id must be ")
		})
	}
}

func TestRecipient(t *testing.T) {
	a := newAPI(t)
	for _, literal := range []string{`"12065550100"`, `"+12065550100"`, `12065550100`, `"\u002b120655\u00350100"`} {
		before := len(a.sender.Messages())
		a.do(t, "POST", "/", `{"recipient":`+literal+`,"auth_id":"a"}`)
		if sent := a.sender.Messages(); len(sent) != before+1 || sent[before].To != number {
			t.Errorf("recipient %s: not sent to the number", literal)
		}
	}
	for _, literal := range []string{
		`""`, `"+"`, `"1206555010"`, `"120655501000"`, `"22065550100"`, `"02065550100"`, `"2065550100"`,
		`"++12065550100"`, `"12065550100+"`, `"-12065550100"`, `"0012065550100"`, `"+112065550100"`,
		`" 12065550100"`, `"12065550100 "`, `"12065550100\n"`, `"+ 12065550100"`, `"1 206 555 0100"`, `"1-206-555-0100"`, `"1(206)5550100"`,
		`"1206555010a"`, `"1206555010\u0000"`, `"١٢٠٦٥٥٥٠١٠٠"`, `"1206555010٠"`, `"１２０６５５５０１００"`, `"12065550100\u200b"`, `"１2065550100"`,
		`1206555010`, `120655501000`, `22065550100`, `-12065550100`, `12065550100.0`, `1.20655501e10`, `12065550100e0`, `0`,
		`true`, `null`, `[]`, `{}`, `["12065550100"]`, `"\ud800"`,
	} {
		a.untouched(t, func() {
			a.do(t, "POST", "/", `{"auth_id":"a","recipient":`+literal+`}`).isUsage(t, 400, "auth_id and recipient; recipient must be ")
		})
		if t.Failed() {
			t.Fatalf("recipient %s", literal)
		}
	}
}

// What is the same answer: blanks around it and leading zeros do not count.
func TestCodeForms(t *testing.T) {
	a := newAPI(t)
	forms := map[string]func(code string) string{
		"as sent":        quote,
		"as integer":     func(c string) string { return strings.TrimLeft(c, "0") },
		"without zeros":  func(c string) string { return quote(strings.TrimLeft(c, "0")) },
		"with zeros":     func(c string) string { return quote("00000" + c) },
		"very many":      func(c string) string { return quote(strings.Repeat("0", 3000) + c) },
		"blank before":   func(c string) string { return quote(" " + c) },
		"blank after":    func(c string) string { return quote(c + " ") },
		"all the blanks": func(c string) string { return quote("\t\r\n " + c + " \t\r\n") },
		"escaped":        func(c string) string { return `"\u0020\u003` + c[:1] + c[1:] + `\u000a"` },
	}
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			code := a.createUntil(t, "a", func(code string) bool { return code[0] == '0' && code[1] != '0' })
			a.do(t, "POST", "/verify", `{"auth_id":"a","code":`+form(code)+`}`).is(t, 200, verified("a"))
			code = a.create(t, "a")
			a.do(t, "POST", "/verify", `{"auth_id":"a","code":`+form(code)+`}`).is(t, 200, verified("a"))
			code = a.create(t, "a")
			a.do(t, "POST", "/verify", `{"auth_id":"a","code":`+form(wrong(code))+`}`).is(t, 400,
				`{"message":"Invalid code","reason":"InvalidAuthCode","attempts_left":2}`)
		})
	}
}

// Digits of another length are a wrong code.
func TestCodeOfAnotherLength(t *testing.T) {
	a := newAPI(t)
	for _, other := range []func(code string) string{
		func(string) string { return `0` },
		func(string) string { return `"0"` },
		func(string) string { return `"0000"` },
		func(c string) string { return quote(c[:3]) },
		func(c string) string { return quote(c + "0") },
		func(c string) string { return quote(c + c) },
		func(c string) string { return c + `0` },
		func(c string) string { return quote("1" + strings.Repeat("0", 3000) + c) },
		func(c string) string { return "1" + strings.Repeat("0", 3000) + c },
	} {
		code := a.create(t, "a")
		a.do(t, "POST", "/verify", `{"auth_id":"a","code":`+other(code)+`}`).is(t, 400,
			`{"message":"Invalid code","reason":"InvalidAuthCode","attempts_left":2}`)
		a.do(t, "GET", checkQuery("a", code), "").is(t, 200, verified("a"))
	}
}

func TestCodeRefused(t *testing.T) {
	a := newAPI(t)
	code := a.create(t, "a")
	digits := []string{
		"", " ", "\t\r\n", "abcd", code + "a", "-1", "+" + code, "-" + code, code + ".0", "12.4", "1 2", code[:2] + "\n" + code[2:], "0x1f", "1e3",
		"１２３４", "٣", "1234\u0660", "\u00a0" + code, code + "\u00a0", "\u2003" + code, "\v" + code, code + "\f", code + "\x00", "\ufeff" + code, "²",
	}
	for _, text := range digits {
		a.untouched(t, func() {
			a.do(t, "POST", "/verify", `{"auth_id":"a","code":`+quote(text)+`}`).isUsage(t, 400, "auth_id and code; code must be digits")
			a.do(t, "GET", checkQuery("a", text), "").isUsage(t, 400, "auth_id and code; code must be digits")
		})
		if t.Failed() {
			t.Fatalf("code %q", text)
		}
	}
	for _, literal := range []string{`-1`, `-0`, `1.5`, `1234.0`, `1e3`, `1E3`, `true`, `false`, `null`, `[]`, `{}`, `[1234]`, `"\ud800"`} {
		a.untouched(t, func() {
			a.do(t, "POST", "/verify", `{"auth_id":"a","code":`+literal+`}`).isUsage(t, 400, "auth_id and code; code must be ")
		})
	}
	a.spend(t, "a", code, 2)
	a.do(t, "GET", checkQuery("a", code), "").is(t, 200, verified("a"))
}
