package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/flowroute/sms-verification/codes"
)

const tooBusy = `{"message":"Too busy; try again later","reason":"ServiceUnavailable","retry_after":1}`

// TestShed: when all slots of a kind are taken, more requests of the kind are refused at
// once. The other kinds are not affected.
func TestShed(t *testing.T) {
	kinds := []string{"create", "check", "receipt"}
	kindOf := func(request any) string {
		switch request.(type) {
		case codes.CreateRequest:
			return "create"
		case codes.Receipt:
			return "receipt"
		}
		return "check"
	}
	receipt := call{"receipt", "POST", webhook, receiptBody(t, bufferedReceipt)}
	for _, hanging := range kinds {
		t.Run(hanging, func(t *testing.T) {
			var held []call
			rest := []call{{"", "GET", "/healthz", ""}, {"", "GET", "/readyz", ""}, {"", "GET", "/openapi.yaml", ""}}
			for _, c := range slices.Concat(calls(""), calls(""), slices.Repeat([]call{receipt}, maxReceipts)) {
				if c.kind == hanging {
					held = append(held, c)
				} else {
					rest = append(rest, c)
				}
			}
			entered, released := make(chan struct{}, 99), make(chan struct{})
			release := sync.OnceFunc(func() { close(released) })
			defer release() // also if the test fails
			a := newAPI(t, withReceipts, func(f *fixture) { f.MaxInFlight = len(held) }, withService(func(r any) error {
				if kindOf(r) == hanging {
					entered <- struct{}{}
					<-released
				}
				return nil
			}))
			pass := func(c call) {
				if got := a.call(t, c); got.status != 200 {
					t.Errorf("%s %s: %d %s", c.method, c.target, got.status, got.text)
				}
			}
			var taken sync.WaitGroup
			for _, c := range held { // as many as there are slots
				taken.Go(func() { pass(c) })
				<-entered
			}
			for _, c := range held {
				a.call(t, c).is(t, 503, tooBusy)
			}
			for _, c := range rest {
				pass(c)
			}
			for _, kind := range kinds {
				if kind == hanging {
					a.measured(t, kind, len(held), len(held))
				} else {
					a.measured(t, kind, 0, 0)
				}
			}
			if log := a.log.String(); !strings.Contains(log, "too many requests in flight") || !strings.Contains(log, `"reason":"ServiceUnavailable"`) {
				t.Errorf("the log does not name the cause: %s", log)
			}
			release()
			taken.Wait()
			a.measured(t, hanging, 0, len(held))
			for _, c := range held {
				pass(c)
			}
		})
	}
}

// measured checks the gauge and the counter of a gate.
func (a *testAPI) measured(t testing.TB, kind string, inFlight, shed int) {
	t.Helper()
	a.hasMetrics(t, fmt.Sprintf("smsv_requests_in_flight{kind=%q} %d\n", kind, inFlight), fmt.Sprintf("smsv_requests_shed_total{kind=%q} %d\n", kind, shed))
}

// TestSlotsAreFreed: however a request ends, it frees its slot.
func TestSlotsAreFreed(t *testing.T) {
	for name, end := range map[string]fake{
		"well":       func(any) error { return nil },
		"badly":      func(any) error { return codes.ErrUnavailable },
		"in a panic": func(any) error { panic("broken") },
		"broken off": func(any) error { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t, withService(end), withKey, func(f *fixture) { f.MaxInFlight = 1 })
			for _, c := range slices.Repeat(calls(""), 2) {
				for _, key := range []string{"Bearer secret", "Bearer wrong", ""} {
					func() {
						defer func() { _ = recover() }()
						a.serve(t, "192.0.2.1:1", c.method, c.target, c.body, "Authorization", key)
					}()
				}
			}
			a.measured(t, "create", 0, 0)
			a.measured(t, "check", 0, 0)
		})
	}
}
