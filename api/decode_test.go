package api

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// FuzzDecodeObject compares decodeObject with encoding/json and stricter rules: both must
// accept the same bodies and give them the same meaning.
func FuzzDecodeObject(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"auth_id":"a","code":1}`, " {\"code\" : 0 ,\n\"auth_id\"\t:\r\"\" } ", `{"x":[{"]":"}"}],"code":"\""}`,
		`{"auth_id":"\ud834\udd1e","code":"\ud800"}`, `{"auth_id":"\\ud800","code":"\\\udc00"}`, `{"auth_id":"\ud800\n\udc00"}`,
		`{"\u0061uth_id":null,"x":1e5,"y":true}`, `{"auth_id":1,"auth_id":2}`, `{"x":1,"\u0078":2}`, `{"Auth_ID":1}`, `{"auth_id":1,"CODE":2}`,
		`{"auth_id":-1,"code":1.0}`, `{"auth_id":1E3,"code":00}`, `{"auth_id":[],"code":{}}`, `{"auth_id":{"auth_id":1},"code":[[],"]"]}`,
		`{"a":"`, `{"a":"\u12"}`, `{"a":"\x41"}`, "{\"a\":\"\t\"}", `{'a':1}`, `{"a":1/* */}`, `{"a":1,}`, `{"a":1 "b":2}`, `{"a":+1}`, `{"a":042}`, `{"a":NaN}`,
		`{}x`, "{}\x00", "\f{}", "{\ufeff}", "{\x00\"\x00}\x00", " \n",
		`[]`, `null`, `"{"`, `{`, `{}}`, `{} {}`, "\ufeff{}", "{\"\xff\":1}", "", " ", `{"":"","":""}`, `{"\ud800":1,"\udc00":2}`,
		`{"auth_id":"` + "\u2028\x7f\U0010ffff" + `"}`, `{"a":` + strings.Repeat("[", 50) + strings.Repeat("]", 50) + `}`, "{\"auth_id\":\"\x00\"}",
	} {
		f.Add([]byte(seed))
	}
	names := []string{"auth_id", "code"}
	f.Fuzz(func(t *testing.T, body []byte) {
		values, err := decodeObject(bytes.Clone(body), names...)
		want, fine := oracle(body, names)
		if fine != (err == nil) {
			t.Fatalf("%q: %v, want accepted %v", body, err, fine)
		}
		if err != nil {
			return
		}
		for i, name := range names {
			raw, there := want[name]
			if there != (values[i] != nil) || !bytes.Equal(values[i], raw) {
				t.Fatalf("%q: %s is %q, want %q", body, name, values[i], raw)
			}
			if there {
				compareText(t, raw)
			}
		}
	})
}

// oracle decodes an object token by token with encoding/json.
func oracle(body []byte, names []string) (members map[string]jsontext.Value, fine bool) {
	if !utf8.Valid(body) || json.Unmarshal(body, &members) != nil || members == nil {
		return nil, false
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	if _, err := decoder.Token(); err != nil {
		return nil, false
	}
	count := 0
	for ; decoder.More(); count++ {
		token, err := decoder.Token()
		if err != nil {
			return nil, false
		}
		for _, name := range names {
			if token != name && strings.EqualFold(token.(string), name) {
				return nil, false
			}
		}
		var value jsontext.Value
		if err := decoder.Decode(&value); err != nil {
			return nil, false
		}
	}
	return members, count == len(members)
}

// compareText compares text with encoding/json and regular expressions.
func compareText(t *testing.T, raw jsontext.Value) {
	got, err := text(raw)
	var want string
	fine := regexp.MustCompile(`^(0|[1-9][0-9]*)$`).Match(raw)
	if fine {
		want = string(raw)
	} else if raw[0] == '"' {
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		fine = true
		// One escape at a time; a pair of surrogates is one.
		for _, escape := range regexp.MustCompile(`\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u....|\\[^u]`).FindAllString(string(raw), -1) {
			fine = fine && !regexp.MustCompile(`^\\u[dD][89a-fA-F]..$`).MatchString(escape)
		}
	}
	if fine != (err == nil) || got != want && fine {
		t.Fatalf("%q: %q, %v; want %q, accepted %v", raw, got, err, want, fine)
	}
}
