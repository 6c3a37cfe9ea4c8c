package main

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// TestOverload: creates that hang in Flowroute are taken up to a number; more
// are refused at once, and checks do not notice.
func TestOverload(t *testing.T) {
	const places, clients, hang = 20, 200, 2 * time.Second
	refusedWithin, median := 500*time.Millisecond, 50*time.Millisecond
	if raceEnabled {
		refusedWithin, median = 1500*time.Millisecond, 250*time.Millisecond
	}
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	p := serveReady(t, environment(redis, sim, "MAX_IN_FLIGHT="+strconv.Itoa(places)))
	create(t, p.URL, "checked", "12065550199")
	code := codeSent(t, sim, "12065550199")
	number := func(i int) string { return fmt.Sprintf("1206555%04d", 1000+i) }
	inParallel(clients, func(int) *answer { return get(t, p.URL+"/healthz") }) // connects
	if err := sim.Fail("", flowroutetest.Fault{Kind: flowroutetest.Slow, Delay: hang}); err != nil {
		t.Fatal(err)
	}

	type timed struct {
		*answer
		took time.Duration
	}
	answers := make([]timed, clients)
	over := make(chan struct{})
	go func() {
		defer close(over)
		inParallel(clients, func(i int) *answer {
			begun := time.Now()
			a := create(t, p.URL, "id-"+strconv.Itoa(i), number(i))
			answers[i] = timed{a, time.Since(begun)}
			return a
		})
	}()
	eventually(t, 10*time.Second, "every place is taken", func() bool { return len(sim.Messages()) == 1+places })
	var checks []time.Duration
	for range 50 {
		begun := time.Now()
		if a := verify(t, p.URL, "nobody", "1"); a.body.Reason != "UnknownAuthId" {
			t.Errorf("check: %d %s", a.status, a.raw)
		}
		checks = append(checks, time.Since(begun))
	}
	if a := verify(t, p.URL, "checked", code); a.status != http.StatusOK {
		t.Errorf("right code: %d %s", a.status, a.raw)
	}
	if a := do(t, http.MethodDelete, p.URL+"/?auth_id=checked", ""); a.status != http.StatusOK {
		t.Errorf("cancel: %d %s", a.status, a.raw)
	}
	inFlight := get(t, p.Admin+"/metrics").raw
	select {
	case <-over:
		t.Error("the checks took longer than the creates: they prove nothing")
	default:
	}
	<-over

	var taken []int
	slowest := time.Duration(0)
	for i, a := range answers {
		switch {
		case a.status == http.StatusOK:
			taken = append(taken, i)
		case a.status == http.StatusServiceUnavailable && a.body.Reason == "ServiceUnavailable" && a.header.Get("Retry-After") == "1":
			slowest = max(slowest, a.took)
		default:
			t.Errorf("answer %d %s", a.status, a.raw)
		}
	}
	slices.Sort(checks)
	t.Logf("%d taken; the slowest refusal took %v; checks: median %v, longest %v", len(taken), slowest, checks[25], checks[49])
	if len(taken) != places || len(sim.Messages()) != 1+places {
		t.Errorf("%d taken, %d messages; there are %d places", len(taken), len(sim.Messages())-1, places)
	}
	if slowest > refusedWithin || checks[25] > median {
		t.Errorf("refused after %v, want %v; checks took %v, want %v", slowest, refusedWithin, checks[25], median)
	}
	if want := `smsv_requests_in_flight{kind="create"} ` + strconv.Itoa(places) + "\n"; !strings.Contains(inFlight, want) {
		t.Errorf("metrics lack %s", want)
	}

	if err := sim.Fail("", flowroutetest.Fault{}); err != nil {
		t.Fatal(err)
	}
	for _, i := range taken {
		if a := verify(t, p.URL, "id-"+strconv.Itoa(i), codeSent(t, sim, number(i))); a.status != http.StatusOK {
			t.Errorf("afterwards: %d %s", a.status, a.raw)
		}
	}
	for i := range places + 1 { // one after the other: all have a place
		if a := create(t, p.URL, "again-"+strconv.Itoa(i), number(i)); a.status != http.StatusOK {
			t.Errorf("afterwards: %d %s", a.status, a.raw)
		}
	}
	metrics := get(t, p.Admin+"/metrics").raw
	for _, want := range []string{
		`smsv_requests_in_flight{kind="create"} 0`, `smsv_requests_in_flight{kind="check"} 0`,
		`smsv_requests_shed_total{kind="create"} ` + strconv.Itoa(clients-places), `smsv_requests_shed_total{kind="check"} 0`,
	} {
		if !strings.Contains(metrics, want+"\n") {
			t.Errorf("metrics lack %s", want)
		}
	}
}
