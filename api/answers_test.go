package api

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

const (
	expired  = `{"message":"Expired code","reason":"ExpiredAuthCode","attempts_left":0}`
	unknown  = `{"message":"Unknown auth id","reason":"UnknownAuthId","attempts_left":0}`
	notNow   = `{"message":"Not available; try again later","reason":"ServiceUnavailable","retry_after":1}`
	internal = `{"message":"Internal error","reason":"InternalError"}`
)

func verified(id string) string {
	return `{"authenticated":true,"auth_id":` + quote(id) + `,"message":"Success: Authorization code verified."}`
}

func wrongLeft(left int) string {
	return fmt.Sprintf(`{"message":"Invalid code","reason":"InvalidAuthCode","attempts_left":%d}`, left)
}

// TestCheckAnswers: the two routes that check a code give the same answers.
func TestCheckAnswers(t *testing.T) {
	for _, route := range []string{"GET /", "POST /verify"} {
		t.Run(route, func(t *testing.T) {
			a := newAPI(t)
			check := func(code string) answer {
				t.Helper()
				if route == "GET /" {
					return a.do(t, "GET", checkQuery("a", code), "")
				}
				return a.do(t, "POST", "/verify", `{"auth_id":"a","code":`+quote(code)+`}`)
			}
			check("1234").is(t, 400, unknown)
			code := a.create(t, "a")
			check(code).is(t, 200, verified("a"))
			check(code).is(t, 400, unknown)
			code = a.create(t, "a")
			for left := 2; left >= 0; left-- {
				check(wrong(code)).is(t, 400, wrongLeft(left))
			}
			check(code).is(t, 400, unknown)
			code = a.create(t, "a")
			a.backend.Advance(time.Hour)
			check(code).is(t, 400, expired)
			check(code).is(t, 400, unknown)
		})
	}
}

func TestCancelAnswer(t *testing.T) {
	a := newAPI(t)
	code := a.create(t, "a/ü")
	for range 2 { // whether or not there is one
		a.do(t, "DELETE", "/?auth_id="+url.QueryEscape("a/ü"), "").is(t, 200,
			`{"message":"Success: Verification code removed.","auth_id":"a/ü"}`)
	}
	a.do(t, "GET", checkQuery("a/ü", code), "").is(t, 400, unknown)
}

// TestErrors: each error of the service has its answer. Failures of the service or the
// carrier are logged as warnings with their cause.
func TestErrors(t *testing.T) {
	for _, test := range []struct {
		err        error
		everywhere bool // else of creates alone
		status     int
		body       string
	}{
		{fmt.Errorf("cause: %w", codes.ErrUnavailable), true, 503, notNow},
		{&codes.UnavailableError{RetryAfter: 6100 * time.Millisecond, Cause: "cause"}, true, 503,
			`{"message":"Too busy; try again later","reason":"ServiceUnavailable","retry_after":7}`},
		{errors.New("cause"), true, 500, internal},
		{codes.ErrProfileNotAllowed, true, 403,
			`{"message":"This API key may not use the profile; its operator can add the key's name to the profile's callers","reason":"ProfileNotAllowed"}`},
		{codes.ErrRecipientNotAllowed, false, 403, `{"message":"Messages to this number are not allowed","reason":"RecipientNotAllowed"}`},
		{codes.ErrKeyReused, false, 422,
			`{"message":"This Idempotency-Key came with other arguments; use a new one for a new request","reason":"IdempotencyConflict"}`},
		{&codes.InProgressError{RetryAfter: 59500 * time.Millisecond}, false, 409,
			`{"message":"The request with this Idempotency-Key is still running; ask again later","reason":"IdempotencyConflict","retry_after":60}`},
		{fmt.Errorf("wrapped: %w", &codes.LimitError{Limit: "SEND_LIMITS 1/10m", RetryAfter: 539100 * time.Millisecond}), false, 429,
			`{"message":"Limit reached: SEND_LIMITS 1/10m","reason":"RateLimited","limit":"SEND_LIMITS 1/10m","retry_after":540}`},
		{fmt.Errorf("cause: %w", codes.ErrRejected), false, 500,
			`{"message":"The message was refused by the carrier; check the number, or ask its owner whether the phone accepts SMS","reason":"MessageRejected"}`},
		{fmt.Errorf("cause: %w", codes.ErrSenderRefused), false, 500,
			`{"message":"The carrier refuses this service's account or sender; its operator must correct the settings. Nothing was sent","reason":"SenderRefused"}`},
		{fmt.Errorf("cause: %w", codes.ErrUnconfirmed), false, 500,
			`{"message":"The message may or may not have been sent; the code is valid if it arrives","reason":"MessageUnconfirmed"}`},
	} {
		a := newAPI(t, withService(func(any) error { return test.err }))
		for _, c := range calls("") {
			if test.everywhere || c.kind == "create" {
				a.call(t, c).is(t, test.status, test.body)
			}
		}
		for _, line := range a.lines(t) {
			cause, _ := line["error"].(string)
			if (line["level"] == "WARN") != (test.status >= 500) || strings.Contains(cause, "cause") != (test.status >= 500) {
				t.Errorf("%v: logged %v", test.err, line)
			}
		}
		if limited := strings.Contains(a.metrics(t), `smsv_limits_hit_total{limit="SEND_LIMITS 1/10m"} 1`); limited != (test.status == 429) {
			t.Errorf("%v: limits in metrics: %v", test.err, limited)
		}
	}
}

func TestHealth(t *testing.T) {
	a := newAPI(t)
	a.do(t, "GET", "/healthz", "").is(t, 200, `{"status":"ok"}`)
	a.do(t, "GET", "/readyz", "").is(t, 200, `{"status":"ready"}`)
	a.state.ready = false
	a.do(t, "GET", "/healthz", "").is(t, 200, `{"status":"ok"}`)
	a.do(t, "GET", "/readyz", "").is(t, 503,
		`{"message":"Not ready: no contact with Redis yet, or shutting down","reason":"ServiceUnavailable","retry_after":1}`)
	a.do(t, "GET", "/", "").isUsage(t, 400) // requests that still arrive are served
}
