package api

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
)

const (
	createdA = `{"message":"Success: Verification code created.","auth_id":"a","expires_in":3600,"attempts_left":3,"resend_after":0}`
	reused   = `{"message":"This Idempotency-Key came with other arguments; use a new one for a new request","reason":"IdempotencyConflict"}`
)

func wrongLeft(left int) string {
	return fmt.Sprintf(`{"message":"Invalid code","reason":"InvalidAuthCode","attempts_left":%d}`, left)
}

// checksOnce checks a code with a key, as a query and as a body.
func checksOnce(t *testing.T, run func(t *testing.T, check func(t testing.TB, a *testAPI, key, id, code string) answer)) {
	t.Run("GET /", func(t *testing.T) {
		run(t, func(t testing.TB, a *testAPI, key, id, code string) answer {
			t.Helper()
			return a.do(t, "GET", checkQuery(id, code), "", "Idempotency-Key", key)
		})
	})
	t.Run("POST /verify", func(t *testing.T) {
		run(t, func(t testing.TB, a *testAPI, key, id, code string) answer {
			t.Helper()
			return a.do(t, "POST", "/verify", `{"auth_id":`+quote(id)+`,"code":`+quote(code)+`}`, "Idempotency-Key", key)
		})
	})
}

func (a *testAPI) sent(t testing.TB, want int) {
	t.Helper()
	if n := len(a.sender.Messages()); n != want {
		t.Errorf("%d messages, want %d", n, want)
	}
}

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

// The same request gives the same answer, to the byte, and sends once.
func TestSameCreate(t *testing.T) {
	for name, test := range map[string]struct {
		err    error // of the sender
		status int
		reason Reason
		sent   int
	}{
		"created":     {nil, 200, "", 1},
		"rejected":    {fmt.Errorf("carrier: %w", codes.ErrRejected), 500, MessageRejected, 0},
		"unconfirmed": {fmt.Errorf("carrier: %w", codes.ErrUnconfirmed), 500, MessageUnconfirmed, 1},
		"unforeseen":  {errors.New("what nobody foresaw"), 500, InternalError, 0},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t)
			a.sender.FailWith(test.err)
			first := a.do(t, "POST", "/", createBody("a"), "Idempotency-Key", "k")
			a.sender.FailWith(nil)
			for range 3 {
				a.backend.Advance(3 * time.Minute)
				a.untouchedBut(t, 1, func() { // the claim
					again := a.do(t, "POST", "/", ` {"recipient":"+`+number+`","x":1,"auth_id":"a"}`, "Idempotency-Key", "k")
					if again.status != test.status || again.reason() != string(test.reason) || again.text != first.text || first.status != test.status {
						t.Errorf("first %d %s then %d %s", first.status, first.text, again.status, again.text)
					}
				})
			}
			a.sent(t, test.sent)
			a.backend.Advance(time.Minute) // ten in all
			a.do(t, "POST", "/", createBody("a"), "Idempotency-Key", "k").is(t, 200, createdA)
			a.sent(t, test.sent+1)
			a.do(t, "POST", "/", createBody("a")).is(t, 200, createdA) // without a key nothing is the same
			a.sent(t, test.sent+2)
		})
	}
}

// Answers without effect are not kept: the key is free for any request.
func TestRefusalsAreNotKept(t *testing.T) {
	key := []string{"Idempotency-Key", "k", "Authorization", "Bearer secret"}
	for name, test := range map[string]struct {
		refused func(a *testAPI) answer
		status  int
	}{
		"bad arguments": {func(a *testAPI) answer {
			return a.do(t, "POST", "/", `{"auth_id":"a"}`, key...)
		}, 400},
		"not JSON": {func(a *testAPI) answer {
			return a.do(t, "POST", "/", createBody("a"), append(key, "Content-Type", "text/plain")...)
		}, 415},
		"wrong API key": {func(a *testAPI) answer {
			return a.do(t, "POST", "/", createBody("a"), "Idempotency-Key", "k", "Authorization", "Bearer wrong")
		}, 401},
		"not allowed": {func(a *testAPI) answer {
			return a.do(t, "POST", "/", `{"auth_id":"a","recipient":"19005550100"}`, key...)
		}, 403},
		"limit": {func(a *testAPI) answer {
			a.do(t, "POST", "/", createBody("a"), "Authorization", "Bearer secret")
			defer a.backend.Advance(time.Minute)
			return a.do(t, "POST", "/", createBody("a"), key...)
		}, 429},
		"no carrier": {func(a *testAPI) answer {
			a.sender.FailWith(fmt.Errorf("carrier: %w", codes.ErrUnavailable))
			defer a.sender.FailWith(nil)
			return a.do(t, "POST", "/", createBody("a"), key...)
		}, 503},
		"no sender": {func(a *testAPI) answer {
			a.sender.FailWith(fmt.Errorf("carrier: %w", codes.ErrSenderRefused))
			defer a.sender.FailWith(nil)
			return a.do(t, "POST", "/", createBody("a"), key...)
		}, 500},
		"no store": {func(a *testAPI) answer {
			a.backend.failWith(fmt.Errorf("store: %w", codes.ErrUnavailable))
			defer a.backend.failWith(nil)
			return a.do(t, "POST", "/", createBody("a"), key...)
		}, 503},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t, withKey, func(f *fixture) { f.limits.Sends = codestest.Windows(t, "1/1m") })
			if got := test.refused(a); got.status != test.status {
				t.Fatalf("%d %s, want %d", got.status, got.text, test.status)
			}
			sent := len(a.sender.Messages())
			if got := a.do(t, "POST", "/", createBody("another"), key...); got.status != 200 {
				t.Errorf("then %d %s", got.status, got.text)
			}
			a.sent(t, sent+1)
		})
	}
}

// A check that was not answered is asked for again, at the price of one attempt.
func TestUnavailableCheckIsNotKept(t *testing.T) {
	checksOnce(t, func(t *testing.T, check func(testing.TB, *testAPI, string, string, string) answer) {
		a := newAPI(t)
		code := a.create(t, "a")
		a.backend.failWith(fmt.Errorf("store: %w", codes.ErrUnavailable))
		check(t, a, "k", "a", wrong(code)).is(t, 503, notNow)
		a.backend.failWith(nil)
		check(t, a, "k", "a", wrong(code)).is(t, 400, wrongLeft(2))
		check(t, a, "k", "a", wrong(code)).is(t, 400, wrongLeft(2))
		a.spend(t, "a", code, 1)
	})
}

func TestSameKeyOtherArguments(t *testing.T) {
	a := newAPI(t)
	a.do(t, "POST", "/", `{"auth_id":42,"recipient":`+number+`}`, "Idempotency-Key", "k")
	a.untouchedBut(t, 3, func() {
		a.do(t, "POST", "/", createBody("43"), "Idempotency-Key", "k").is(t, 422, reused)
		a.do(t, "POST", "/", `{"auth_id":42,"recipient":"12065550101"}`, "Idempotency-Key", "k").is(t, 422, reused)
		if got := a.do(t, "POST", "/", createBody("42"), "Idempotency-Key", "k"); got.status != 200 { // as a string: the same
			t.Errorf("%d %s", got.status, got.text)
		}
	})
	checksOnce(t, func(t *testing.T, check func(testing.TB, *testAPI, string, string, string) answer) {
		a := newAPI(t)
		code := a.create(t, "a")
		check(t, a, "k", "a", wrong(code)).is(t, 400, wrongLeft(2))
		check(t, a, "k", "a", " 00"+wrong(code)).is(t, 400, wrongLeft(2)) // blanks and zeros do not count
		check(t, a, "k", "a", code).is(t, 422, reused)
		check(t, a, "k", "b", wrong(code)).is(t, 422, reused)
		a.spend(t, "a", code, 1)
	})
}

// The same key of another caller, or on another route, is another request.
func TestSameKeyOtherRequest(t *testing.T) {
	a := newAPI(t, threeKeys)
	send := func(secret, id string, want int) {
		t.Helper()
		if got := a.do(t, "POST", "/", createBody(id), "Idempotency-Key", "k", "Authorization", "Bearer "+secret); got.status != 200 {
			t.Errorf("%d %s", got.status, got.text)
		}
		a.sent(t, want)
	}
	send("old", "a", 1)
	send("new", "a", 1) // the same holder with its other key
	send("Bearer x", "b", 2)
	send("Bearer x", "b", 2)
	code := a.lastCode(t)
	check := func(secret, code string) answer {
		return a.do(t, "GET", checkQuery("b", code), "", "Idempotency-Key", "k", "Authorization", "Bearer "+secret)
	}
	for range 2 {
		check("Bearer x", wrong(code)).is(t, 400, wrongLeft(2))
		check("new", code).is(t, 400, unknown) // the entry is not this caller's
	}
	for range 2 {
		a.do(t, "POST", "/verify", `{"auth_id":"b","code":"`+code+`"}`, "Idempotency-Key", "k", "Authorization", "Bearer Bearer x").is(t, 200, verified("b"))
	}
}

func TestSameCheck(t *testing.T) {
	checksOnce(t, func(t *testing.T, check func(testing.TB, *testAPI, string, string, string) answer) {
		a := newAPI(t)
		check(t, a, "unknown", "a", "1").is(t, 400, unknown)
		code := a.create(t, "a")
		for range 3 {
			check(t, a, "unknown", "a", "1").is(t, 400, unknown) // also when there is one by now
			check(t, a, "wrong", "a", wrong(code)).is(t, 400, wrongLeft(2))
		}
		a.spend(t, "a", code, 1) // one was spent
		a.backend.Advance(codes.KeepAnswers - time.Second)
		check(t, a, "wrong", "a", wrong(code)).is(t, 400, wrongLeft(2))
		a.backend.Advance(time.Second)
		check(t, a, "wrong", "a", wrong(code)).is(t, 400, wrongLeft(0)) // ten minutes later it is a new request

		code = a.create(t, "a")
		for range 3 {
			check(t, a, "right", "a", code).is(t, 200, verified("a"))
		}
		a.do(t, "GET", checkQuery("a", code), "").is(t, 400, unknown)
		newer := a.create(t, "a")
		check(t, a, "right", "a", code).is(t, 200, verified("a"))
		a.spend(t, "a", newer, 2) // the new one is not touched
		a.backend.Advance(codes.KeepAnswers)
		check(t, a, "right", "b", code).is(t, 400, unknown) // free for other arguments

		a.backend.Advance(time.Hour - codes.KeepAnswers)
		for range 2 {
			check(t, a, "expired", "a", newer).is(t, 400, `{"message":"Expired code","reason":"ExpiredAuthCode","attempts_left":0}`)
		}
		check(t, a, "after-it", "a", newer).is(t, 400, unknown)
	})
}

// held is a sender that holds messages until it is told.
type held struct {
	entered chan codes.Message
	release chan struct{}
}

func (h held) Send(_ context.Context, m codes.Message) (string, error) {
	h.entered <- m
	<-h.release
	return "id", nil
}

func TestCreateInProgress(t *testing.T) {
	b := newBackend()
	h := held{make(chan codes.Message, 9), make(chan struct{})}
	a := newAPI(t, func(f *fixture) { f.Service = newService(t, f.Hasher, codes.Limits{}, b, h) })
	create := func() answer { return a.serve(t, "192.0.2.1:1", "POST", "/", createBody("a"), "Idempotency-Key", "k") }
	ask := func() chan answer {
		answers := make(chan answer, 1)
		go func() { answers <- create() }()
		<-h.entered
		return answers
	}
	inProgress := func(retryAfter int) string {
		return fmt.Sprintf(`{"message":"The request with this Idempotency-Key is still running; ask again later","reason":"IdempotencyConflict","retry_after":%d}`, retryAfter)
	}
	first := ask()
	create().is(t, 409, inProgress(60)) // until the deadline
	b.Advance(59500 * time.Millisecond)
	create().is(t, 409, inProgress(1))
	a.do(t, "POST", "/", createBody("b"), "Idempotency-Key", "k").is(t, 422, reused)
	b.Advance(500 * time.Millisecond)
	second := ask() // as after a crash
	close(h.release)
	for _, answers := range []chan answer{first, second} {
		(<-answers).is(t, 200, createdA)
	}
	create().is(t, 200, createdA)
	if len(h.entered) != 0 {
		t.Error("sent a third time")
	}
}
