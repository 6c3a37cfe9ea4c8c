package api

import (
	"testing"

	"github.com/flowroute/sms-verification/codes"
)

func TestQuery(t *testing.T) {
	a, got := newAsked(t)
	for query, id := range map[string]codes.ID{
		"auth_id=a&code=0042":                      "a",
		"code=0042&auth_id=a":                      "a",
		"&&auth_id=a&&code=0042&":                  "a",
		"%61uth_id=%61&c%6Fde=0042":                "a",
		"auth_id=a+b&code=0042":                    "a b",
		"auth_id=a%20b&code=0042":                  "a b",
		"auth_id=a%2Bb&code=0042":                  "a+b",
		"auth_id=a%3Bb&code=0042":                  "a;b",
		"auth_id=a%26b=c&code=0042":                "a&b=c",
		"auth_id=a%00&code=0042":                   "a\x00",
		"auth_id=%C3%BC%f0%9d%84%9e&code=0042":     "ü\U0001d11e",
		"auth_id=a&code=+0042%09%0D%0A":            "a",
		"auth_id=a&code=0042&x=1&x=2&=&y&number=1": "a", // unknown arguments are ignored
		"Auth_ID=b&CODE=1&auth_id=a&code=0042":     "a",
		"auth_id=a&code=0042&x=%FF&%FF=x":          "a",
	} {
		a.do(t, "GET", "/?"+query, "").is(t, 200, verified(string(id)))
		a.do(t, "DELETE", "/?"+query+"&code=2", "") // code is no argument of this route
		a.do(t, "GET", "/status?"+query+"&code=2", "")
		got.is(t, codes.CheckRequest{ID: id, Code: "0042"}, codes.CancelRequest{ID: id}, codes.StatusRequest{ID: id})
		if t.Failed() {
			t.Fatal(query)
		}
	}
}

// TestQueryPretty: Echo would indent the answer; here an unknown argument changes nothing.
func TestQueryPretty(t *testing.T) {
	a := newAPI(t)
	for _, target := range []string{"/healthz?", "/nowhere?", "/?auth_id=a&code=1&", "/?auth_id=a&"} {
		plain, pretty := a.do(t, "GET", target, ""), a.do(t, "GET", target+"pretty", "")
		if plain.text != pretty.text {
			t.Errorf("%s: %q, with pretty %q", target, plain.text, pretty.text)
		}
	}
}

// TestQueryRefused: the refusal names the argument and its rule, and the service is not
// asked.
func TestQueryRefused(t *testing.T) {
	const encoding = "the query must be URL-encoded, including semicolons"
	a, got := newAsked(t)
	for query, rule := range map[string]string{ // on every route
		"":                                     "auth_id is missing",
		"code=1234":                            "auth_id is missing",
		"Auth_id=a&code=1234":                  "auth_id is missing",
		"auth_id=a&code=1234&auth_id=a":        "auth_id must be given once",
		"auth_id=a&code=1234&auth%5Fid=b":      "auth_id must be given once",
		"auth_id=a&code=1234&auth_id":          "auth_id must be given once",
		"auth_id&code=1234":                    "auth_id must be 1 to 120 characters",
		"auth_id=&code=1234":                   "auth_id must be 1 to 120 characters",
		"auth_id=%FF&code=1234":                "auth_id must be valid UTF-8",
		"auth_id=%ED%A0%80&code=1234":          "auth_id must be valid UTF-8",
		"auth_id=%u0061&code=1234":             encoding,
		"auth_id=a%&code=1234":                 encoding,
		"auth_id=a&code=1234&x=%zz":            encoding,
		"auth_id=a;code=1234":                  encoding,
		"auth_id=a&code=1&profile=":            "profile must not be empty",
		"auth_id=a&code=1&profile":             "profile must not be empty",
		"auth_id=a&code=1&profile=x&profile=x": "profile must be given once",
		"auth_id=a&code=1&profile=%FF":         "profile must be valid UTF-8",
	} {
		a.do(t, "GET", "/?"+query, "").isUsage(t, 400, "Required arguments: auth_id and code; "+rule)
		a.do(t, "DELETE", "/?"+query, "").isUsage(t, 400, "Required arguments: auth_id; "+rule)
		a.do(t, "GET", "/status?"+query, "").isUsage(t, 400, "Required arguments: auth_id; "+rule)
	}
	for query, rule := range map[string]string{
		"":                            "code is missing",
		"Code=1234":                   "code is missing",
		"code=1&c%6fde=1":             "code must be given once",
		"code":                        "code must be digits",
		"code=+":                      "code must be digits",
		"code=%2B1234":                "code must be digits",
		"code=12%0034":                "code must be digits",
		"code=%FF":                    "code must be valid UTF-8",
		"code=1&recipient=":           "recipient must not be empty",
		"code=1&recipient=%FF":        "recipient must be valid UTF-8",
		"code=1&recipient=1206555010": "recipient must be 1 and ten digits",
		"code=1&recipient=" + number + "&recipient=" + number: "recipient must be given once",
	} {
		a.do(t, "GET", "/?auth_id=a&"+query, "").isUsage(t, 400, "Required arguments: auth_id and code; "+rule)
	}
	// A body does not stand in for the query.
	for _, method := range []string{"GET", "DELETE"} {
		a.do(t, method, "/", `{`+members+`}`, "Content-Type", "application/json").isUsage(t, 400, "auth_id is missing")
	}
	if len(*got) > 0 {
		t.Errorf("the service was asked %+v", *got)
	}
}
