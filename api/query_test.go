package api

import (
	"strings"
	"testing"
)

func TestQuery(t *testing.T) {
	a := newAPI(t)
	for _, test := range []struct{ id, query string }{
		{"a", "auth_id=a&code=%s"},
		{"a", "code=%s&auth_id=a"},
		{"a", "&&auth_id=a&&code=%s&"},
		{"a", "%61uth_id=%61&c%6Fde=%s"},
		{"a b", "auth_id=a+b&code=%s"},
		{"a b", "auth_id=a%20b&code=%s"},
		{"a+b", "auth_id=a%2Bb&code=%s"},
		{"a%b", "auth_id=a%25b&code=%s"},
		{"a;b", "auth_id=a%3Bb&code=%s"},
		{"a&b=c", "auth_id=a%26b=c&code=%s"},
		{"a\x00", "auth_id=a%00&code=%s"},
		{"\ufffd", "auth_id=%EF%BF%BD&code=%s"},
		{"ü\U0001d11e", "auth_id=%C3%BC%f0%9d%84%9e&code=%s"},
		{"a", "auth_id=a&code=+%s%09%0D%0A"},
		{"a", "auth_id=a&code=000%s"},
		// Unknown arguments are ignored, whatever they hold and however often.
		{"a", "auth_id=a&code=%s&x=1&x=2&=&y&number=1&number=2"},
		{"a", "Auth_ID=b&CODE=1&auth_id=a&code=%s&auth_id%20=b"},
		{"a", "auth_id=a&code=%s&x=%FF&%FF=x"},
	} {
		code := a.create(t, test.id)
		got := a.do(t, "GET", "/?"+strings.Replace(test.query, "%s", code, 1), "")
		if got.is(t, 200, verified(test.id)); t.Failed() {
			t.Fatal(test.query)
		}
		a.create(t, test.id)
		deletion := strings.ReplaceAll(test.query, "%s", "1")
		a.do(t, "DELETE", "/?"+deletion+"&code=1&code=2", "").is(t, 200,
			`{"message":"Success: Verification code removed.","auth_id":`+quote(test.id)+`}`)
		a.do(t, "GET", checkQuery(test.id, "12345"), "").is(t, 400, unknown)
	}
}

// An unknown argument changes nothing about an answer, not even its form.
func TestQueryPretty(t *testing.T) {
	a := newAPI(t)
	for _, target := range []string{"/healthz", "/nowhere", "/?auth_id=a&code=1", "/?auth_id=a"} {
		sign := "?"
		if strings.Contains(target, "?") {
			sign = "&"
		}
		plain, pretty := a.do(t, "GET", target, ""), a.do(t, "GET", target+sign+"pretty", "")
		if plain.text != pretty.text {
			t.Errorf("%s: %q, with pretty %q", target, plain.text, pretty.text)
		}
	}
}

func TestQueryRefused(t *testing.T) {
	a := newAPI(t)
	code := a.create(t, "a")
	for _, test := range []struct{ query, rule string }{
		{"", "auth_id is missing"},
		{"x=1", "auth_id is missing"},
		{"code=1234", "auth_id is missing"},
		{"Auth_id=a&code=1234", "auth_id is missing"},
		{"auth_id=a&code=1234&auth_id=a", "auth_id must be given once"},
		{"auth_id=a&code=1234&auth_id=b", "auth_id must be given once"},
		{"auth_id=a&code=1234&auth%5Fid=b", "auth_id must be given once"},
		{"auth_id=a&code=1234&auth_id", "auth_id must be given once"},
		{"auth_id=a&auth_id=&code=1234", "auth_id must be given once"},
		{"auth_id&code=1234", "auth_id must be 1 to 120 characters"},
		{"auth_id=&code=1234", "auth_id must be 1 to 120 characters"},
		{"auth_id=%FF&code=1234", "auth_id must be valid UTF-8"},
		{"auth_id=a%C3&code=1234", "auth_id must be valid UTF-8"},
		{"auth_id=%ED%A0%80&code=1234", "auth_id must be valid UTF-8"},
		{"auth_id=%u0061&code=1234", "the query must be URL-encoded, including semicolons"},
		{"auth_id=a%&code=1234", "the query must be URL-encoded, including semicolons"},
		{"auth_id=a%2&code=1234", "the query must be URL-encoded, including semicolons"},
		{"auth_id=a%zz&code=1234", "the query must be URL-encoded, including semicolons"},
		{"auth_id=a&code=1234&x=%zz", "the query must be URL-encoded, including semicolons"},
		{"auth_id=a;b&code=1234", "the query must be URL-encoded, including semicolons"},
		{"auth_id=a;code=1234", "the query must be URL-encoded, including semicolons"},
		{"auth_id=a&code=1234;x=1", "the query must be URL-encoded, including semicolons"},
	} {
		a.untouched(t, func() {
			a.do(t, "GET", "/?"+test.query, "").isUsage(t, 400, "Required arguments: auth_id and code; "+test.rule)
			a.do(t, "DELETE", "/?"+test.query, "").isUsage(t, 400, "Required arguments: auth_id; "+test.rule)
		})
		if t.Failed() {
			t.Fatal(test.query)
		}
	}
	for _, test := range []struct{ query, rule string }{
		{"auth_id=a", "code is missing"},
		{"auth_id=a&Code=1234", "code is missing"},
		{"auth_id=a&code=1&code=2", "code must be given once"},
		{"auth_id=a&code=1&c%6fde=1", "code must be given once"},
		{"auth_id=a&code", "code must be digits"},
		{"auth_id=a&code=", "code must be digits"},
		{"auth_id=a&code=+", "code must be digits"},
		{"auth_id=a&code=%2B1234", "code must be digits"},
		{"auth_id=a&code=12%0034", "code must be digits"},
		{"auth_id=a&code=%FF", "code must be valid UTF-8"},
	} {
		a.untouched(t, func() {
			a.do(t, "GET", "/?"+test.query, "").isUsage(t, 400, "Required arguments: auth_id and code; "+test.rule)
		})
	}
	// Neither a body nor its type stands in for the query.
	a.untouched(t, func() {
		a.do(t, "GET", "/", `{`+members+`}`, "Content-Type", "application/json").isUsage(t, 400, "auth_id is missing")
		a.do(t, "DELETE", "/", `{`+members+`}`, "Content-Type", "application/json").isUsage(t, 400, "auth_id is missing")
	})
	a.spend(t, "a", code, 2)
}
