package api

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
)

// A key that breaks the rules is refused on every route that reads one, and
// nothing happens.
func TestIdempotencyKeyRules(t *testing.T) {
	a := newAPI(t)
	code := a.create(t, "a")
	keyed := func(method, target, body string, keys ...string) answer {
		t.Helper()
		r := httptest.NewRequest(method, target, strings.NewReader(body))
		setHeaders(r)
		r.Header["Idempotency-Key"] = keys
		w := httptest.NewRecorder()
		a.handler.ServeHTTP(w, r)
		got := a.read(t, w.Result())
		a.check(t, method, target, got)
		return got
	}
	a.untouched(t, func() {
		for _, keys := range [][]string{
			{""}, {" "}, {strings.Repeat("k", 256)}, {"a b"}, {" a"}, {"a "}, {"a\tb"}, {"a\x00"}, {"a\x1f"}, {"a\x7f"},
			{"ä"}, {"\xff"}, {"a\u00a0b"}, {"ｋ"}, {"a", "a"}, {"a", ""}, {"", "a"}, {"a", "b", "c"},
		} {
			for _, got := range []answer{
				keyed("POST", "/", createBody("a"), keys...),
				keyed("POST", "/verify", `{"auth_id":"a","code":"`+code+`"}`, keys...),
				keyed("GET", checkQuery("a", code), "", keys...),
			} {
				got.isUsage(t, 400, "Idempotency-Key", "once", "1 to 255")
				if message, _ := got.json["message"].(string); strings.Contains(message, strings.Repeat("k", 9)) {
					t.Error("the message repeats the key")
				}
			}
		}
		a.raw(t, "GET "+checkQuery("a", code)+" HTTP/1.1\r\nHost: a\r\nIdempotency-Key:\r\n\r\n", false).isUsage(t, 400, "Idempotency-Key")
	})
	a.spend(t, "a", code, 2) // none of it spent one
	for i, key := range []string{"k", "!", "~", strings.Repeat("k", 255), `"1,2";\%00{}`} {
		id := fmt.Sprintf("good-%d", i)
		if got := keyed("POST", "/", createBody(id), key); got.status != 200 {
			t.Errorf("%q: %d %s", key, got.status, got.text)
		}
		keyed("GET", checkQuery(id, a.lastCode(t)), "", key).is(t, 200, verified(id))
	}
	keyed("DELETE", "/?auth_id=a", "", "", "b c").is(t, 200, `{"message":"Success: Verification code removed.","auth_id":"a"}`) // reads none
}
