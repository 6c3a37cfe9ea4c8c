package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowroute/sms-verification/codes"
)

const tooBusy = `{"message":"Too busy; try again later","reason":"ServiceUnavailable","retry_after":1}`

// kinds are the two kinds of work, and requests of each.
func kinds() map[string][][]string {
	return map[string][][]string{
		"create": {{"POST", "/", createBody("a")}, {"POST", "/", createBody("a"), "Idempotency-Key", "k"}},
		"check": {
			{"GET", checkQuery("a", "1"), ""}, {"GET", checkQuery("a", "1"), "", "Idempotency-Key", "k"},
			{"POST", "/verify", `{"auth_id":"a","code":"1"}`}, {"DELETE", "/?auth_id=a", ""},
			{"GET", "/status?auth_id=a", ""},
		},
	}
}

// TestShed: when all slots of a kind are taken, more requests of the kind are refused at
// once. The other kind is not affected.
func TestShed(t *testing.T) {
	for hanging, calls := range kinds() {
		t.Run(hanging, func(t *testing.T) {
			entered, release := make(chan struct{}, 99), make(chan struct{})
			hang := withService(func(r any) error {
				if _, create := r.(codes.CreateRequest); create == (hanging == "create") {
					entered <- struct{}{}
					select {
					case <-release:
					case <-time.After(5 * time.Second): // so that a failing test ends
					}
				}
				return nil
			})
			a := newAPI(t, hang, func(f *fixture) { f.MaxInFlight = len(calls) })
			ask := func(call []string) answer {
				return a.serve(t, "192.0.2.1:1", call[0], call[1], call[2], call[3:]...)
			}
			var taken sync.WaitGroup
			for _, call := range calls { // as many as there are slots
				taken.Go(func() {
					if got := ask(call); got.status != 200 {
						t.Errorf("%s %s: %d %s", call[0], call[1], got.status, got.text)
					}
				})
				<-entered
			}
			for kind, calls := range kinds() {
				for _, call := range calls {
					got := ask(call)
					if kind == hanging {
						got.is(t, 503, tooBusy)
					} else if got.status != 200 {
						t.Errorf("%s %s: %d %s", call[0], call[1], got.status, got.text)
					}
				}
			}
			for _, path := range []string{"/healthz", "/readyz", "/openapi.yaml"} {
				if got := a.do(t, "GET", path, ""); got.status != 200 {
					t.Errorf("%s: %d", path, got.status)
				}
			}
			for kind := range kinds() {
				if kind == hanging {
					a.measured(t, kind, len(calls), len(calls))
				} else {
					a.measured(t, kind, 0, 0)
				}
			}
			if log := a.log.String(); !strings.Contains(log, "too many requests in flight") || !strings.Contains(log, `"reason":"ServiceUnavailable"`) {
				t.Errorf("the log does not name the cause: %s", log)
			}
			close(release)
			taken.Wait()
			a.measured(t, hanging, 0, len(calls))
			for _, call := range calls {
				if got := ask(call); got.status != 200 {
					t.Errorf("afterwards: %d %s", got.status, got.text)
				}
			}
		})
	}
}

// measured checks the gauge and the counter of a gate.
func (a *testAPI) measured(t testing.TB, kind string, inFlight, shed int) {
	t.Helper()
	metrics := a.metrics(t)
	for _, want := range []string{
		fmt.Sprintf(`smsv_requests_in_flight{kind=%q} %d`, kind, inFlight),
		fmt.Sprintf(`smsv_requests_shed_total{kind=%q} %d`, kind, shed),
	} {
		if !strings.Contains(metrics, want+"\n") {
			t.Errorf("no %s in\n%s", want, metrics)
		}
	}
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
			for kind, calls := range kinds() {
				for range 2 {
					for _, call := range calls {
						for _, headers := range [][]string{{"Authorization", "Bearer secret"}, {"Authorization", "Bearer wrong"}, {}} {
							serveAny(a.handler, append(call, headers...))
						}
					}
				}
				a.measured(t, kind, 0, 0)
			}
		})
	}
}

// serveAny answers a request and recovers from a panic.
func serveAny(h http.Handler, call []string) {
	defer func() { _ = recover() }()
	r := httptest.NewRequest(call[0], call[1], strings.NewReader(call[2]))
	setHeaders(r, call[3:]...)
	h.ServeHTTP(httptest.NewRecorder(), r)
}

// TestGateIsExact: refused requests never hold a slot, not even for a moment, or they would
// keep others from a free one.
func TestGateIsExact(t *testing.T) {
	const capacity, crowd = 3, 8
	g := newGate("create", capacity, prometheus.NewRegistry())
	var refused sync.WaitGroup
	stop := make(chan struct{})
	for range capacity {
		if err := g.enter(); err != nil {
			t.Errorf("a free slot was refused: %v", err)
		}
	}
	for range crowd {
		refused.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := g.enter(); !errors.Is(err, codes.ErrUnavailable) {
					t.Errorf("full, but: %v", err)
					return
				}
			}
		})
	}
	for end := time.Now().Add(100 * time.Millisecond); time.Now().Before(end); {
		if inside := g.inside.Load(); inside != capacity {
			t.Errorf("%d slots are taken, want all %d", inside, capacity)
			break
		}
	}
	close(stop)
	refused.Wait()
	for range capacity {
		g.leave()
	}
	if inside := g.inside.Load(); inside != 0 {
		t.Errorf("%d inside, and nobody is", inside)
	}
}

func TestGateWithoutLimit(t *testing.T) {
	g := newGate("create", 0, prometheus.NewRegistry())
	for range 1000 {
		if err := g.enter(); err != nil {
			t.Fatal(err)
		}
	}
}
