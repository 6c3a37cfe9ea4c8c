package main

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
)

// TestOverload: of creates that wait for Flowroute MAX_IN_FLIGHT are accepted and
// the rest is refused at once, while checks go on.
func TestOverload(t *testing.T) {
	const limit, requests, slow = 20, 200, 2 * time.Second
	p, sim := service(t, fmt.Sprint("MAX_IN_FLIGHT=", limit))
	code := sendCode(t, sim, p.URL, "checked", "12065550199")
	inParallel(requests, func(int) *answer { return get(t, p.URL+"/healthz") }) // opens connections
	fail(t, sim, "", flowroutetest.Fault{Kind: flowroutetest.Slow, Delay: slow})

	done := make(chan []*answer)
	refusedWithin := make([]time.Duration, requests)
	go func() {
		done <- inParallel(requests, func(i int) (a *answer) {
			took := timed(1, func(int) { a = create(t, p.URL, fmt.Sprint("id-", i), fmt.Sprintf("1206555%04d", 1000+i)) })
			if a.status == 503 {
				refusedWithin[i] = took
			}
			return a
		})
	}()
	eventually(t, 10*time.Second, "MAX_IN_FLIGHT creates are in flight", func() bool { return len(sim.Messages()) == 1+limit })
	checked := timed(1, func(int) { verify(t, p.URL, "checked", code).want(t, 200, "") })
	inFlight := sums(t, []*process{p}, "smsv_requests_in_flight", "kind")
	answers := <-done
	if count(answers, "") != limit || count(answers, gotUnavailable) != requests-limit || inFlight["create"] != limit {
		t.Errorf("%d sent, %d refused, %v in flight", count(answers, ""), count(answers, gotUnavailable), inFlight)
	}
	if slowest := patient(500 * time.Millisecond); slices.Max(refusedWithin) > slowest || checked > slowest {
		t.Errorf("refused after %v, checked after %v", slices.Max(refusedWithin), checked)
	}
	shed := sums(t, []*process{p}, "smsv_requests_shed_total", "kind")
	if shed["create"] != requests-limit || shed["check"] != 0 {
		t.Errorf("shed %v", shed)
	}
}
