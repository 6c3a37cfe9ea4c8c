package main

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/flowroute/sms-verification/cmd/sms-verification/internal/app"
	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
)

// TestNumbersToTry: each number gets the answer that the page says, and the page
// lists each number of the simulator.
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

// TestNoPageOutsideDebugMode: outside debug mode there is no page, and the numbers
// are like any other.
func TestNoPageOutsideDebugMode(t *testing.T) {
	t.Parallel()
	p, _ := service(t)
	for _, path := range []string{"/debug", "/debug/", "/debug/page.js", "/debug/messages?to=" + anyone} {
		for _, address := range []string{p.URL, p.Admin} {
			get(t, address+path).want(t, 404, "NotFound")
		}
	}
	do(t, http.MethodGet, p.URL+"/", "", "Accept: text/html").want(t, 400, "InvalidAPIUsage")
	for _, number := range []string{string(app.LimitedNumber), string(app.ExpiredNumber)} {
		if a := create(t, p.URL, "a", number).want(t, 200, ""); a.body.ExpiresIn != 3600 {
			t.Error(a.raw)
		}
	}
}
