package main

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/flowroute/sms-verification/cmd/sms-verification/internal/app"
	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// TestNumbersToTry: every number does what its line on the page says, and
// every number of the simulator has a line.
func TestNumbersToTry(t *testing.T) {
	t.Parallel()
	p := serveReady(t, debugEnvironment("FLOWROUTE_TIMEOUT=5s", "FLOWROUTE_MAX_WAIT=0s"))
	listed := map[string]bool{}
	t.Run("numbers", func(t *testing.T) {
		for _, number := range app.NumbersToTry() {
			listed[number.Phone] = true
			t.Run(number.Phone, func(t *testing.T) {
				t.Parallel()
				a := create(t, p.URL, number.Phone, number.Phone)
				if got := strings.TrimSpace(strconv.Itoa(a.status) + " " + a.body.Reason); got != number.Answer {
					t.Errorf("%s: %s, want %s", number.Does, a.raw, number.Answer)
				}
			})
		}
	})
	for number := range flowroutetest.MagicNumbers() {
		if !listed[number] {
			t.Errorf("the page does not list %s", number)
		}
	}
}

// TestActing: the two numbers that the service acts out itself, in debug mode.
func TestActing(t *testing.T) {
	t.Parallel()
	p := serveReady(t, debugEnvironment())
	for _, headers := range [][]string{nil, {"Idempotency-Key: k"}} {
		a := create(t, p.URL, "a", string(app.LimitedNumber), headers...)
		if a.status != 429 || a.body.Limit != "SEND_LIMITS 1/1m" || a.body.RetryAfter != 60 || a.header.Get("Retry-After") != "60" {
			t.Errorf("limited: %d %s", a.status, a.raw)
		}
		a = create(t, p.URL, "b", string(app.ExpiredNumber), headers...)
		if a.status != 200 || a.body.ExpiresIn != 1 {
			t.Errorf("expired: %d %s", a.status, a.raw)
		}
		for _, want := range []string{"ExpiredAuthCode", "UnknownAuthId"} {
			if a := verify(t, p.URL, "b", "1234"); a.body.Reason != want {
				t.Errorf("expired: %d %s, want %s", a.status, a.raw, want)
			}
		}
	}
}

// TestNoPageOutsideDebugMode: nor the numbers.
func TestNoPageOutsideDebugMode(t *testing.T) {
	t.Parallel()
	p := serveReady(t, environment(redistest.Server(t), startSimulator(t, flowroutetest.Options{})))
	for _, path := range []string{"/debug", "/debug/", "/debug/page.js", "/debug/messages?to=" + anyone} {
		for _, address := range []string{p.URL, p.Admin} {
			if a := get(t, address+path); a.status != 404 || a.body.Reason != "NotFound" {
				t.Errorf("%s: %d %s", path, a.status, a.raw)
			}
		}
	}
	if a := do(t, http.MethodGet, p.URL+"/", "", "Accept: text/html"); a.status != 400 || a.body.Reason != "InvalidAPIUsage" {
		t.Errorf("a browser: %d %s", a.status, a.raw)
	}
	for _, number := range []string{string(app.LimitedNumber), string(app.ExpiredNumber)} {
		if a := create(t, p.URL, "a", number); a.status != 200 || a.body.ExpiresIn != 3600 {
			t.Errorf("%s: %d %s", number, a.status, a.raw)
		}
	}
}
