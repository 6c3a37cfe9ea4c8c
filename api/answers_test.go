package api

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
)

const (
	unknown  = `{"message":"Unknown auth id","reason":"UnknownAuthId","attempts_left":0}`
	notNow   = `{"message":"Not available; try again later","reason":"ServiceUnavailable","retry_after":1}`
	internal = `{"message":"Internal error","reason":"InternalError"}`
)

func verified(id string) string {
	return `{"authenticated":true,"auth_id":` + quote(id) + `,"message":"Success: Authorization code verified."}`
}

// bothWays checks a code as a query and as a body.
func bothWays(t *testing.T, run func(t *testing.T, check func(t testing.TB, a *testAPI, id, code string) answer)) {
	t.Run("GET /", func(t *testing.T) {
		run(t, func(t testing.TB, a *testAPI, id, code string) answer {
			t.Helper()
			return a.do(t, "GET", checkQuery(id, code), "")
		})
	})
	t.Run("POST /verify", func(t *testing.T) {
		run(t, func(t testing.TB, a *testAPI, id, code string) answer {
			t.Helper()
			return a.do(t, "POST", "/verify", `{"auth_id":`+quote(id)+`,"code":`+quote(code)+`}`)
		})
	})
}

func TestCreated(t *testing.T) {
	a := newAPI(t)
	first := a.create(t, "a")
	sent := a.sender.Messages()
	if len(sent) == 0 || sent[0].To != number || len(first) != codeLength {
		t.Fatalf("%d messages, a code of %d digits", len(sent), len(first))
	}
	a.spend(t, "a", first, 2)
	second := a.createUntil(t, "a", func(code string) bool { return code != first })
	a.spend(t, "a", second, 2) // replaced: the attempts are back
	a.do(t, "GET", checkQuery("a", first), "").is(t, 400, `{"message":"Invalid code","reason":"InvalidAuthCode","attempts_left":1}`)
	a.do(t, "GET", checkQuery("a", second), "").is(t, 200, verified("a"))
}

func TestRight(t *testing.T) {
	bothWays(t, func(t *testing.T, check func(testing.TB, *testAPI, string, string) answer) {
		a := newAPI(t)
		code := a.create(t, "a")
		a.create(t, "b")
		check(t, a, "a", code).is(t, 200, verified("a"))
		check(t, a, "a", code).is(t, 400, unknown)
		a.spend(t, "b", a.lastCode(t), 2) // another's entry is not touched
	})
}

func TestWrong(t *testing.T) {
	bothWays(t, func(t *testing.T, check func(testing.TB, *testAPI, string, string) answer) {
		a := newAPI(t)
		code := a.create(t, "a")
		for left := 2; left >= 0; left-- {
			check(t, a, "a", wrong(code)).is(t, 400, fmt.Sprintf(`{"message":"Invalid code","reason":"InvalidAuthCode","attempts_left":%d}`, left))
		}
		check(t, a, "a", code).is(t, 400, unknown)
	})
}

func TestExpired(t *testing.T) {
	bothWays(t, func(t *testing.T, check func(testing.TB, *testAPI, string, string) answer) {
		a := newAPI(t)
		code := a.create(t, "a")
		a.backend.Advance(time.Hour)
		check(t, a, "a", code).is(t, 400, `{"message":"Expired code","reason":"ExpiredAuthCode","attempts_left":0}`)
		check(t, a, "a", code).is(t, 400, unknown)
	})
}

func TestUnknown(t *testing.T) {
	bothWays(t, func(t *testing.T, check func(testing.TB, *testAPI, string, string) answer) {
		check(t, newAPI(t), "nobody", "1234").is(t, 400, unknown)
	})
}

func TestRemoved(t *testing.T) {
	a := newAPI(t)
	code := a.create(t, "a/ü")
	for range 2 { // whether or not there is one
		a.do(t, "DELETE", "/?auth_id="+url.QueryEscape("a/ü"), "").is(t, 200,
			`{"message":"Success: Verification code removed.","auth_id":"a/ü"}`)
	}
	a.do(t, "GET", checkQuery("a/ü", code), "").is(t, 400, unknown)
}

func TestRecipientNotAllowed(t *testing.T) {
	a := newAPI(t)
	a.untouched(t, func() {
		a.do(t, "POST", "/", `{"auth_id":"a","recipient":"19005550100"}`).is(t, 403,
			`{"message":"Messages to this number are not allowed","reason":"RecipientNotAllowed"}`)
	})
}

func TestLimits(t *testing.T) {
	windows := codestest.Windows(t, "1/10m")
	for name, limits := range map[string]codes.Limits{
		"SEND_LIMITS":       {Sends: windows},
		"GUESS_LIMITS":      {Guesses: windows},
		"SEND_LIMITS_TOTAL": {Total: windows},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t, func(f *fixture) { f.limits = limits })
			a.do(t, "POST", "/", createBody("a"))
			code := a.lastCode(t)
			a.spend(t, "a", code, 2)
			a.backend.Advance(time.Minute)
			a.do(t, "POST", "/", createBody("a")).is(t, 429, fmt.Sprintf(
				`{"message":"Limit reached: %s 1/10m","reason":"RateLimited","limit":"%s 1/10m","retry_after":540}`, name, name))
			if n := len(a.sender.Messages()); n != 1 {
				t.Errorf("%d messages", n)
			}
			if want := fmt.Sprintf(`smsv_limits_hit_total{"limit":"%s 1/10m"} 1 0`, name); !strings.Contains(a.metrics(t), want) {
				t.Errorf("no %s in\n%s", want, a.metrics(t))
			}
			a.spend(t, "a", code, 1) // the live entry is as it was
			a.do(t, "GET", checkQuery("a", code), "").is(t, 200, verified("a"))
		})
	}
}

func TestTurnTooFarOff(t *testing.T) {
	a := newAPI(t, func(f *fixture) { f.limits = codes.Limits{Pace: codes.Pace{Rate: 1, MaxWait: 100 * time.Millisecond}} })
	a.do(t, "POST", "/", createBody("a"))
	code := a.lastCode(t)
	a.do(t, "POST", "/", createBody("a")).is(t, 503,
		`{"message":"Too busy; try again later","reason":"ServiceUnavailable","retry_after":2}`)
	if n := len(a.sender.Messages()); n != 1 {
		t.Errorf("%d messages", n)
	}
	a.do(t, "GET", checkQuery("a", code), "").is(t, 200, verified("a"))
}

// A create that sent nothing changes nothing: the entry before it stays as it
// was, and no place in the limit is taken.
func TestSendFails(t *testing.T) {
	for name, test := range map[string]struct {
		err      error
		body     string
		replaces bool // the entry before, and takes a place in the limit
	}{
		"rejected": {
			fmt.Errorf("carrier: %w", codes.ErrRejected),
			`{"message":"The message was refused by the carrier; check the number, or ask its owner whether the phone accepts SMS","reason":"MessageRejected"}`,
			false,
		},
		"sender refused": {
			fmt.Errorf("carrier: %w", codes.ErrSenderRefused),
			`{"message":"The carrier refuses this service's account or sender; its operator must correct the settings. Nothing was sent","reason":"SenderRefused"}`,
			false,
		},
		"unconfirmed": {
			fmt.Errorf("carrier: %w", codes.ErrUnconfirmed),
			`{"message":"The message may or may not have been sent; the code is valid if it arrives","reason":"MessageUnconfirmed"}`,
			true,
		},
		"unavailable": {fmt.Errorf("carrier: %w", codes.ErrUnavailable), notNow, false},
		"asks to wait": {
			&codes.UnavailableError{RetryAfter: 6100 * time.Millisecond, Cause: "carrier"},
			`{"message":"Too busy; try again later","reason":"ServiceUnavailable","retry_after":7}`,
			false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t, func(f *fixture) { f.limits.Sends = codestest.Windows(t, "2/10m") })
			a.do(t, "POST", "/", createBody("a"))
			code := a.lastCode(t)
			a.spend(t, "a", code, 2)
			a.sender.FailWith(test.err)
			status := 500
			if errors.Is(test.err, codes.ErrUnavailable) {
				status = 503
			}
			a.do(t, "POST", "/", createBody("a")).is(t, status, test.body)
			a.sender.FailWith(nil)
			if log := a.log.String(); !strings.Contains(log, `"level":"WARN"`) || !strings.Contains(log, `carrier`) {
				t.Errorf("logged %s", log)
			}
			if test.replaces {
				a.do(t, "GET", checkQuery("a", code), "").is(t, 400, wrongLeft(2))
			} else {
				a.spend(t, "a", code, 1)
				a.do(t, "GET", checkQuery("a", code), "").is(t, 200, verified("a"))
			}
			if got := a.do(t, "POST", "/", createBody("a")).status; got == 429 != test.replaces {
				t.Errorf("asked for another: %d", got)
			}
		})
	}
}

// A store that cannot be reached lets nothing through.
func TestStoreFails(t *testing.T) {
	a := newAPI(t)
	code := a.create(t, "a")
	sent := len(a.sender.Messages())
	a.backend.failWith(fmt.Errorf("store: %w", codes.ErrUnavailable))
	a.do(t, "POST", "/", createBody("a")).is(t, 503, notNow)
	a.do(t, "GET", checkQuery("a", code), "").is(t, 503, notNow)
	a.do(t, "POST", "/verify", `{"auth_id":"a","code":"`+code+`"}`).is(t, 503, notNow)
	a.do(t, "DELETE", "/?auth_id=a", "").is(t, 503, notNow)
	if len(a.sender.Messages()) != sent {
		t.Error("a message was sent")
	}
	a.backend.failWith(errors.New("what nobody foresaw"))
	a.do(t, "POST", "/", createBody("a")).is(t, 500, internal)
	a.do(t, "GET", checkQuery("a", code), "").is(t, 500, internal)
	a.do(t, "POST", "/verify", `{"auth_id":"a","code":"`+code+`"}`).is(t, 500, internal)
	a.do(t, "DELETE", "/?auth_id=a", "").is(t, 500, internal)
	a.backend.failWith(nil)
	a.do(t, "GET", checkQuery("a", code), "").is(t, 200, verified("a"))
}

func TestHealth(t *testing.T) {
	a := newAPI(t)
	a.do(t, "GET", "/healthz", "").is(t, 200, `{"status":"ok"}`)
	a.do(t, "GET", "/readyz", "").is(t, 200, `{"status":"ready"}`)
	a.state.ready = false
	a.do(t, "GET", "/healthz", "").is(t, 200, `{"status":"ok"}`)
	a.do(t, "GET", "/readyz", "").is(t, 503,
		`{"message":"Not ready: no contact with Redis yet, or shutting down","reason":"ServiceUnavailable","retry_after":1}`)
	a.do(t, "GET", "/", "").isUsage(t, 400) // whoever comes all the same is served
}
