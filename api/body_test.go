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
)

// members is a good body for both routes that take one.
const members = `"auth_id":"a","recipient":"12065550100","code":"1234"`

func TestBodyAccepted(t *testing.T) {
	a := newAPI(t)
	for _, body := range []string{
		`{` + members + `}`,
		" \t\r\n{ " + members + " }\n\n ",
		"{\t\"auth_id\"\n:\r\"a\" , \"recipient\" : 12065550100\n,\"code\":1234\t}",
		`{"code":"1234","recipient":"12065550100","auth_id":"a"}`,
		`{"\u0061uth_id":"a","r\u0065cipient":"12065550100","cod\u0065":"1234"}`,
		// Unknown members are ignored, whatever they hold.
		`{` + members + `,"x":1}`,
		`{"":null,` + members + `}`,
		`{"x":"\ud800",` + members + `}`,
		`{"x":{"a":1,"a":2,"auth_id":"b","Code":"}]\"\\"},` + members + `}`,
		`{"x":[[],{},"]",{"y":["{"]}],"y":-1.5e-7,"z":true,` + members + `,"zz":[ 1 , 2 ]}`,
		`{"authid":"b","auth_id ":"b","auth-id":"b",` + members + `}`,
		`{` + members + `,"x":` + strings.Repeat("[", 1900) + strings.Repeat("]", 1900) + `}`,
		`{` + members + `,"x":` + strings.Repeat(`{"":`, 700) + "0" + strings.Repeat("}", 700) + `}`,
	} {
		if got := a.do(t, "POST", "/", body); got.status != http.StatusOK {
			t.Errorf("POST / %.80s: %d %s", body, got.status, got.text)
		}
		a.do(t, "DELETE", "/?auth_id=a", "")
		if got := a.do(t, "POST", "/verify", body); got.reason() != string(UnknownAuthID) {
			t.Errorf("POST /verify %.80s: %d %s", body, got.status, got.text)
		}
	}
	// A name in the wrong case is a fault only where the right one means something.
	if got := a.do(t, "POST", "/", `{"auth_id":"a","recipient":"12065550100","Code":1}`); got.status != http.StatusOK {
		t.Errorf("Code on POST /: %s", got.text)
	}
}

func TestBodyRefused(t *testing.T) {
	const (
		object = "the body must be one JSON object"
		twice  = "the body must not have a member twice"
		utf8   = "the body must be valid UTF-8"
		bom    = "the body must not begin with a byte-order mark"
	)
	for name, test := range map[string]struct{ body, rule string }{
		"empty":                  {"", object},
		"blank":                  {" \n", object},
		"an array":               {"[]", object},
		"an array of one":        {"[{" + members + "}]", object},
		"null":                   {"null", object},
		"true":                   {"true", object},
		"a number":               {"42", object},
		"a string":               {`"a"`, object},
		"a form":                 {"auth_id=a&recipient=12065550100&code=1234", object},
		"XML":                    {"<auth_id>a</auth_id>", object},
		"half":                   {`{` + members, object},
		"half a string":          {`{"auth_id":"a`, object},
		"half an escape":         {`{"auth_id":"\u12"}`, object},
		"an unknown escape":      {`{"auth_id":"\x41",` + members[13:] + `}`, object},
		"a raw control":          {"{\"x\":\"\t\"," + members + `}`, object},
		"a raw zero":             {"{\"x\":\"\x00\"," + members + `}`, object},
		"single quotes":          {`{'auth_id':'a'}`, object},
		"no quotes":              {`{auth_id:"a"}`, object},
		"a comment":              {`{` + members + `/* */}`, object},
		"a comma too many":       {`{` + members + `,}`, object},
		"a comma too few":        {`{"auth_id":"a" "recipient":"12065550100"}`, object},
		"a leading zero":         {`{"auth_id":042,"recipient":"12065550100","code":"1234"}`, object},
		"a leading plus":         {`{"auth_id":"a","recipient":+12065550100,"code":+1234}`, object},
		"NaN":                    {`{` + members + `,"x":NaN}`, object},
		"a second object":        {`{` + members + `}{}`, object},
		"a second line":          {`{` + members + "}\n{" + members + "}\n", object},
		"trailing text":          {`{` + members + `}x`, object},
		"a trailing brace":       {`{` + members + `}}`, object},
		"a trailing zero":        {`{` + members + "}\x00", object},
		"another blank before":   {"\f{" + members + `}`, object},
		"another blank after":    {`{` + members + "}\u00a0", object},
		"a mark":                 {"\ufeff{" + members + `}`, bom},
		"a mark alone":           {"\ufeff", bom},
		"a mark within":          {"{\ufeff" + members + `}`, object},
		"UTF-16":                 {"{\x00\"\x00}\x00", object},
		"UTF-16 with a mark":     {"\xff\xfe{\x00}\x00", utf8},
		"Latin-1":                {"{\"x\":\"\xe9\"," + members + `}`, utf8},
		"a broken name":          {"{\"x\xff\":1," + members + `}`, utf8},
		"a broken argument":      {"{\"auth_id\":\"a\xff\",\"recipient\":\"12065550100\",\"code\":\"1234\"}", utf8},
		"half a character":       {"{\"auth_id\":\"\xc3\",\"recipient\":\"12065550100\",\"code\":\"1234\"}", utf8},
		"a character overlong":   {"{\"x\":\"\xc0\xaf\"," + members + `}`, utf8},
		"a raw surrogate":        {"{\"x\":\"\xed\xa0\x80\"," + members + `}`, utf8},
		"twice":                  {`{` + members + `,"auth_id":"b"}`, twice},
		"twice the same":         {`{` + members + `,"auth_id":"a"}`, twice},
		"twice, first null":      {`{"auth_id":null,` + members + `}`, twice},
		"twice, escaped":         {`{` + members + `,"\u0061uth_id":"b"}`, twice},
		"twice, a pair escaped":  {"{\"\U0001d11e\":1,\"\\ud834\\udd1e\":1," + members + `}`, twice},
		"unknown twice":          {`{"x":1,` + members + `,"x":1}`, twice},
		"unknown twice, escaped": {`{"x":1,` + members + `,"\u0078":1}`, twice},
		"no name twice":          {`{"":1,"":1,` + members + `}`, twice},
		"wrong case":             {`{"Auth_ID":"a",` + members[14:] + `}`, "the body must spell auth_id in lower case"},
		"upper case":             {`{"AUTH_ID":"a",` + members[14:] + `}`, "the body must spell auth_id in lower case"},
		"wrong case besides":     {`{` + members + `,"Auth_id":"b"}`, "the body must spell auth_id in lower case"},
		"wrong case, escaped":    {`{` + members + `,"\u0041uth_id":"b"}`, "the body must spell auth_id in lower case"},
		"no auth_id":             {`{` + members[14:] + `}`, "auth_id is missing"},
		"nothing":                {`{}`, "auth_id is missing"},
		"nothing known":          {`{"x":{` + members + `}}`, "auth_id is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t)
			code := a.create(t, "a")
			a.untouched(t, func() {
				a.do(t, "POST", "/", test.body).isUsage(t, 400, "auth_id and recipient; "+test.rule)
				a.do(t, "POST", "/verify", test.body).isUsage(t, 400, "auth_id and code; "+test.rule)
			})
			a.spend(t, "a", code, 2)
		})
	}
}

func TestBodyLacksSecondArgument(t *testing.T) {
	a := newAPI(t)
	a.untouched(t, func() {
		a.do(t, "POST", "/", `{"auth_id":"a"}`).isUsage(t, 400, "recipient is missing")
		a.do(t, "POST", "/", `{"auth_id":"a","Recipient":"12065550100"}`).isUsage(t, 400, "spell recipient in lower case")
		a.do(t, "POST", "/verify", `{"auth_id":"a"}`).isUsage(t, 400, "code is missing")
		a.do(t, "POST", "/verify", `{"auth_id":"a","CODE":"1234"}`).isUsage(t, 400, "spell code in lower case")
		a.do(t, "POST", "/?auth_id=a&recipient=12065550100", `{}`).isUsage(t, 400, "auth_id is missing") // the URL does not count
	})
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
	a := newAPI(t)
	for _, test := range []struct {
		want    int
		headers []string
	}{
		{200, []string{"Content-Type", "application/json"}},
		{200, []string{"Content-Type", "Application/JSON"}},
		{200, []string{"Content-Type", "application/json;"}},
		{200, []string{"Content-Type", "application/json; charset=utf-8"}},
		{200, []string{"Content-Type", `application/json;charset="UTF-8"`}},
		{200, []string{"Content-Type", "application/json; charset=utf8"}},
		{200, []string{"Content-Type", "application/json;charset=UTF8"}},
		{200, []string{"Content-Type", "application/json; profile=x"}},
		{200, []string{"Content-Type", "application/vnd.api+json"}},
		{200, []string{"Content-Type", "application/problem+JSON; charset=utf-8"}},
		{200, []string{"Content-Encoding", "identity"}},
		{200, []string{"Content-Encoding", "Identity"}},
		{415, []string{"Content-Type", ""}},
		{415, []string{"Content-Type", "json"}},
		{415, []string{"Content-Type", "vnd+json"}},
		{415, []string{"Content-Type", "+json"}},
		{415, []string{"Content-Type", "application/"}},
		{415, []string{"Content-Type", "application/jsonp"}},
		{415, []string{"Content-Type", "application/json-seq"}},
		{415, []string{"Content-Type", "application/x-ndjson"}},
		{415, []string{"Content-Type", "text/json"}},
		{415, []string{"Content-Type", "text/plain"}},
		{415, []string{"Content-Type", "application/xml"}},
		{415, []string{"Content-Type", "application/x-www-form-urlencoded"}},
		{415, []string{"Content-Type", "multipart/form-data; boundary=x"}},
		{415, []string{"Content-Type", "application/json, text/plain"}},
		{415, []string{"Content-Type", "application/json application/json"}},
		{415, []string{"Content-Type", "application/json; charset"}},
		{415, []string{"Content-Type", "application/json; charset=latin1"}},
		{415, []string{"Content-Type", "application/json; charset=utf-16"}},
		{415, []string{"Content-Type", "application/json; charset=utf16"}},
		{415, []string{"Content-Type", "application/json; charset=utf-8-sig"}},
		{415, []string{"Content-Type", "application/json; charset=utf8mb4"}},
		{415, []string{"Content-Type", "application/json; charset=utf-8; charset=utf-16"}},
		{415, []string{"Content-Type", "application/json", "Content-Type", "application/json"}},
		{415, []string{"Content-Type", "application/json", "Content-Type", "text/plain"}},
		{415, []string{"Content-Encoding", "gzip"}},
		{415, []string{"Content-Encoding", "identity, gzip"}},
		{415, []string{"Content-Encoding", "identity", "Content-Encoding", "gzip"}},
	} {
		if test.want == 200 {
			if got := a.do(t, "POST", "/", `{`+members+`}`, test.headers...); got.status != 200 {
				t.Errorf("%q: %d %s", test.headers, got.status, got.text)
			}
			continue
		}
		a.untouched(t, func() {
			for _, route := range []string{"/", "/verify"} {
				got := a.do(t, "POST", route, `{`+members+`}`, test.headers...)
				if got.isUsage(t, 415, "Content-Type must be application/json"); got.status != 415 {
					t.Errorf("%q: %d %s", test.headers, got.status, got.text)
				}
			}
		})
	}
}

// An empty header names no encoding.
func TestContentEncodingEmpty(t *testing.T) {
	a := newAPI(t)
	got := a.raw(t, fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Encoding:\r\nContent-Length: %d\r\n\r\n{%s}", len(members)+2, members), false)
	if got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.text)
	}
}

// A body that does not arrive whole is not understood, even if what arrived is.
func TestBodyCutOff(t *testing.T) {
	a := newAPI(t)
	for _, route := range []string{"/", "/verify"} {
		a.untouched(t, func() {
			got := a.raw(t, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{%s}", route, members), true)
			a.check(t, "POST", route, got)
			got.isUsage(t, 400, "the body ended early; send all of it")
		})
	}
}

// raw sends what no client would, and closes its side of the connection if it
// is told to.
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
