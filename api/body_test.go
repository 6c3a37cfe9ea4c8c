package api

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// members are valid for both routes with a body.
const members = `"auth_id":"a","recipient":"12065550100","code":"1234"`

func TestBodyAccepted(t *testing.T) {
	a, got := newAsked(t)
	for _, body := range []string{
		`{` + members + `}`,
		" \t\r\n{ " + members + " }\n\n ",
		"{\t\"auth_id\"\n:\r\"a\" , \"recipient\" : 12065550100\n,\"code\":1234\t}",
		`{"\u0061uth_id":"a","r\u0065cipient":"12065550100","cod\u0065":"1234"}`,
		// Unknown members are ignored, whatever they hold.
		`{"":null,` + members + `}`,
		`{"x":"\ud800",` + members + `}`,
		`{"x":{"a":1,"a":2,"auth_id":"b","Code":"}]\"\\"},` + members + `}`,
		`{"x":[[],{},"]",{"y":["{"]}],"y":-1.5e-7,"z":true,` + members + `,"zz":[ 1 , 2 ]}`,
		`{"authid":"b","auth_id ":"b","auth-id":"b",` + members + `}`,
		`{` + members + `,"x":` + strings.Repeat("[", 1900) + strings.Repeat("]", 1900) + `}`,
	} {
		a.do(t, "POST", "/", body).is(t, 200, created("a"))
		a.do(t, "POST", "/verify", body).is(t, 200, verified("a"))
		got.is(t, codes.CreateRequest{ID: "a", Recipient: number}, codes.CheckRequest{ID: "a", Code: "1234", Recipient: number})
	}
	// The wrong case is refused only for members of the route.
	a.do(t, "POST", "/", `{"auth_id":"a","recipient":"12065550100","Code":1}`).is(t, 200, created("a"))
}

// TestBodyRefused: the refusal names the rule, and the service is not asked.
// FuzzDecodeObject has more bodies that are not JSON.
func TestBodyRefused(t *testing.T) {
	const (
		object = "the body must be one JSON object"
		twice  = "the body must not have a member twice"
		utf8   = "the body must be valid UTF-8"
		bom    = "the body must not begin with a byte-order mark"
		lower  = "the body must spell auth_id in lower case"
	)
	a, got := newAsked(t)
	for name, test := range map[string]struct{ body, rule string }{
		"empty":               {"", object},
		"an array":            {"[{" + members + "}]", object},
		"null":                {"null", object},
		"a form":              {"auth_id=a&recipient=12065550100&code=1234", object},
		"half":                {`{` + members, object},
		"a second object":     {`{` + members + "}\n{" + members + "}\n", object},
		"BOM":                 {"\ufeff{" + members + `}`, bom},
		"BOM alone":           {"\ufeff", bom},
		"UTF-16 with BOM":     {"\xff\xfe{\x00}\x00", utf8},
		"Latin-1":             {"{\"x\":\"\xe9\"," + members + `}`, utf8},
		"a broken name":       {"{\"x\xff\":1," + members + `}`, utf8},
		"a broken argument":   {"{\"auth_id\":\"a\xff\",\"recipient\":\"12065550100\",\"code\":\"1234\"}", utf8},
		"a raw surrogate":     {"{\"x\":\"\xed\xa0\x80\"," + members + `}`, utf8},
		"twice":               {`{` + members + `,"auth_id":"a"}`, twice},
		"twice, first null":   {`{"auth_id":null,` + members + `}`, twice},
		"twice, escaped":      {`{` + members + `,"\u0061uth_id":"b"}`, twice},
		"unknown twice":       {`{"x":1,` + members + `,"\u0078":1}`, twice},
		"no name twice":       {`{"":1,"":1,` + members + `}`, twice},
		"wrong case":          {`{"Auth_ID":"a",` + members[14:] + `}`, lower},
		"wrong case besides":  {`{` + members + `,"AUTH_ID":"b"}`, lower},
		"wrong case, escaped": {`{` + members + `,"\u0041uth_id":"b"}`, lower},
		"no auth_id":          {`{` + members[14:] + `}`, "auth_id is missing"},
		"nothing known":       {`{"x":{` + members + `}}`, "auth_id is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			a.do(t, "POST", "/", test.body).isUsage(t, 400, "auth_id and recipient; "+test.rule)
			a.do(t, "POST", "/verify", test.body).isUsage(t, 400, "auth_id and code; "+test.rule)
		})
	}
	a.do(t, "POST", "/", `{"auth_id":"a"}`).isUsage(t, 400, "recipient is missing")
	a.do(t, "POST", "/", `{"auth_id":"a","Recipient":"12065550100"}`).isUsage(t, 400, "spell recipient in lower case")
	a.do(t, "POST", "/verify", `{"auth_id":"a"}`).isUsage(t, 400, "code is missing")
	a.do(t, "POST", "/verify", `{"auth_id":"a","code":"1","Recipient":"12065550100"}`).isUsage(t, 400, "spell recipient in lower case")
	a.do(t, "POST", "/?auth_id=a&recipient=12065550100", `{}`).isUsage(t, 400, "auth_id is missing") // the URL does not count
	if len(*got) > 0 {
		t.Errorf("the service was asked %+v", *got)
	}
}

func TestBodySize(t *testing.T) {
	a := newAPI(t)
	sized := func(n int) string { return `{` + members + `}` + strings.Repeat(" ", n-len(members)-2) }
	chunked := func(body string) io.Reader { return io.MultiReader(strings.NewReader(body)) }
	for _, n := range []int{4095, 4096} {
		for _, body := range []io.Reader{strings.NewReader(sized(n)), chunked(sized(n))} {
			if got := a.send(t, "POST", "/", body); got.status != http.StatusOK {
				t.Errorf("%d bytes: %d %s", n, got.status, got.text)
			}
		}
	}
	a.untouched(t, func() {
		for _, n := range []int{4097, 1 << 20} {
			for _, route := range []string{"/", "/verify"} {
				a.send(t, "POST", route, strings.NewReader(sized(n))).isUsage(t, 413, "at most 4 KiB")
				a.send(t, "POST", route, chunked(sized(n))).isUsage(t, 413, "at most 4 KiB")
			}
		}
	})
}

func TestContentType(t *testing.T) {
	a, got := newAsked(t)
	accept := func(headers ...string) {
		t.Helper()
		a.do(t, "POST", "/", `{`+members+`}`, headers...).is(t, 200, created("a"))
	}
	for _, contentType := range []string{
		"application/json", "Application/JSON", "application/json; charset=utf-8", `application/json;charset="UTF-8"`,
		"application/json; charset=utf8", "application/json; profile=x", "application/problem+JSON; charset=utf-8",
	} {
		accept("Content-Type", contentType)
	}
	accept("Content-Encoding", "Identity")
	a.raw(t, fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Encoding:\r\nContent-Length: %d\r\n\r\n{%s}", len(members)+2, members), false).
		is(t, 200, created("a")) // an empty header is no encoding

	*got = nil
	refuse := func(headers ...string) {
		t.Helper()
		for _, route := range []string{"/", "/verify"} {
			a.do(t, "POST", route, `{`+members+`}`, headers...).isUsage(t, 415, "Content-Type must be application/json")
		}
	}
	for _, contentType := range []string{
		"", "json", "+json", "application/", "application/json-seq", "text/json", "application/x-www-form-urlencoded",
		"multipart/form-data; boundary=x", "application/json, text/plain", "application/json; charset",
		"application/json; charset=latin1", "application/json; charset=utf-16", "application/json; charset=utf8mb4",
		"application/json; charset=utf-8; charset=utf-16",
	} {
		refuse("Content-Type", contentType)
	}
	refuse("Content-Type", "application/json", "Content-Type", "application/json")
	refuse("Content-Encoding", "gzip")
	refuse("Content-Encoding", "identity, gzip")
	refuse("Content-Encoding", "identity", "Content-Encoding", "gzip")
	if len(*got) > 0 {
		t.Errorf("the service was asked %+v", *got)
	}
}

// TestBodyCutOff: an incomplete body is refused, even if the part that arrived is valid.
func TestBodyCutOff(t *testing.T) {
	a := newAPI(t)
	for _, route := range []string{"/", "/verify"} {
		a.untouched(t, func() {
			got := a.raw(t, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{%s}", route, members), true)
			a.check(t, "POST", route, got)
			got.isUsage(t, 400, "the body ended early")
		})
	}
}

// raw sends a request that no client would, and then closes its side of the connection if
// closes is set.
func (a *testAPI) raw(t testing.TB, request string, closes bool) answer {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(a.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	if closes {
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	return a.read(t, res)
}
