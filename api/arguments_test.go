package api

import (
	"strings"
	"testing"

	"github.com/flowroute/sms-verification/codes"
)

func created(id string) string {
	return `{"message":"Success: Verification code created.","auth_id":` + quote(id) + `,"expires_in":3600,"attempts_left":3,"resend_after":0}`
}

// TestAuthID: an auth_id is the same in a body and in a query, and comes back as it is.
func TestAuthID(t *testing.T) {
	a, got := newAsked(t)
	clef := "\U0001d11e" // four bytes, two UTF-16 units, one character
	for literal, want := range map[string]string{
		`"a"`:                            "a",
		`" "`:                            " ",
		`"+%&=;"`:                        "+%&=;",
		`"</script>\u2028"`:              "</script>\u2028",
		`"a\u0000b"`:                     "a\x00b",
		`"` + "\ufffd" + `"`:             "\ufffd",
		`"\\ud800"`:                      `\ud800`,
		`"\uD834\uDD1E"`:                 clef,
		`"\n\ud834\udd1e\ud834\udd1e\\"`: "\n" + clef + clef + `\`,
		quote(strings.Repeat(clef, 120)): strings.Repeat(clef, 120),
		`"` + strings.Repeat(`\ud834\udd1e`, 120) + `"`: strings.Repeat(clef, 120),
		`42`:                           "42",
		`"042"`:                        "042",
		`0`:                            "0",
		`9007199254740993`:             "9007199254740993",
		"1" + strings.Repeat("0", 119): "1" + strings.Repeat("0", 119),
	} {
		a.do(t, "POST", "/", `{"auth_id":`+literal+`,"recipient":"`+number+`"}`).is(t, 200, created(want))
		a.do(t, "POST", "/verify", `{"auth_id":`+literal+`,"code":"1"}`).is(t, 200, verified(want))
		a.do(t, "GET", checkQuery(want, "1"), "").is(t, 200, verified(want))
		check := codes.CheckRequest{ID: codes.ID(want), Code: "1"}
		got.is(t, codes.CreateRequest{ID: codes.ID(want), Recipient: number}, check, check)
	}
}

func TestRecipient(t *testing.T) {
	a, got := newAsked(t)
	for _, literal := range []string{`"12065550100"`, `"+12065550100"`, `12065550100`, `"\u002b120655\u00350100"`} {
		a.do(t, "POST", "/", `{"recipient":`+literal+`,"auth_id":"a"}`)
		got.is(t, codes.CreateRequest{ID: "a", Recipient: number})
	}
}

func TestCode(t *testing.T) {
	a, got := newAsked(t)
	for literal, want := range map[string]codes.Code{
		`"0042"`: "0042", `42`: "42", `0`: "0", `"\t\r\n 0042 \u000a"`: "0042", quote(strings.Repeat("0", 3000)): codes.Code(strings.Repeat("0", 3000)),
	} {
		a.do(t, "POST", "/verify", `{"auth_id":"a","code":`+literal+`}`)
		got.is(t, codes.CheckRequest{ID: "a", Code: want})
	}
}

// TestArgumentsRefused: the refusal of a JSON value names the argument and its rule, and
// the service is not asked.
func TestArgumentsRefused(t *testing.T) {
	a, got := newAsked(t)
	refused := func(route, name, literal string) {
		t.Helper()
		members := map[string]string{"auth_id": `"a"`, "recipient": `"` + number + `"`, "code": `"1"`}
		members[name] = literal
		body := `{"x":1`
		for n, value := range members {
			body += `,"` + n + `":` + value
		}
		required := map[string]string{"/": "auth_id and recipient; ", "/verify": "auth_id and code; "}[route]
		a.do(t, "POST", route, body+"}").isUsage(t, 400, required+name+" must ")
		if len(*got) > 0 {
			t.Fatalf("%s %s was accepted: %+v", name, literal, *got)
		}
	}
	for route, names := range map[string][]string{
		"/":       {"auth_id", "recipient", "profile", "locale", "client"},
		"/verify": {"auth_id", "code", "recipient", "profile"},
	} {
		for _, name := range names {
			for _, literal := range []string{
				`""`, `null`, `true`, `[]`, `{}`, `["a"]`, `-1`, `-0`, `1.0`, `1e3`, `1E3`,
				`"\ud800"`, `"\uDFFF"`, `"a\ud800a"`, `"\udc00\ud800"`, `"\ud800\u0041"`, `"\ud800\n\udc00"`, `"\ud800\\udc00"`,
				`"\ud834\udd1e\udd1e"`, `"\ud834\ud834\udd1e"`, `"\\\ud800"`, `"\u005c\ud800"`,
			} {
				refused(route, name, literal)
			}
		}
	}
	for name, literals := range map[string][]string{ // one for each rule; package codes has the rest
		"auth_id":   {quote(strings.Repeat("é", 121)), "1" + strings.Repeat("0", 120)},
		"recipient": {`"1206555010"`, `22065550100`, `"12065550100 "`, `"1-206-555-0100"`, `"１２０６５５５０１００"`},
		"locale":    {`42`, `"spanish please"`},
		"client":    {quote(strings.Repeat("é", 121))},
	} {
		for _, literal := range literals {
			refused("/", name, literal)
		}
	}
	for _, literal := range []string{`"12a4"`, `"+1"`, `"1 2"`, `"\u00a01"`, `"１２"`} {
		refused("/verify", "code", literal)
	}
}
