package api

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/flowroute/sms-verification/codes"
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

// TestSameAnswer: a request that is repeated with its key gives the same answer, to the
// byte, and has one effect.
func TestSameAnswer(t *testing.T) {
	for status, err := range map[int]error{200: nil, 500: codes.ErrRejected} {
		a := newAPI(t)
		a.sender.FailWith(err)
		first := a.do(t, "POST", "/", createBody("a"), "Idempotency-Key", "k")
		a.sender.FailWith(nil)
		a.untouchedBut(t, 1, func() { // the claim of the key
			again := a.do(t, "POST", "/", ` {"recipient":"+`+number+`","x":1,"auth_id":"a"}`, "Idempotency-Key", "k")
			if first.status != status || again.status != status || again.text != first.text {
				t.Errorf("first %d %s then %d %s", first.status, first.text, again.status, again.text)
			}
		})
	}
	bothWays(t, func(t *testing.T, a *testAPI, check func(id, code string, headers ...string) answer) {
		code := a.create(t, "a")
		for range 2 {
			check("a", wrong(code), "Idempotency-Key", "wrong").is(t, 400, wrongLeft(2))
		}
		for range 2 {
			check("a", code, "Idempotency-Key", "right").is(t, 200, verified("a"))
		}
	})
}
