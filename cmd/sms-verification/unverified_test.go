package main

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// inSeattle is the nth number of an exchange, 1206555.
func inSeattle(n int) string { return fmt.Sprintf("1206555%04d", n) }

// TestUnverifiedOnACluster: a code that one replica verifies makes room at the others,
// and a message that Flowroute refused or a receipt rejected does not count.
func TestUnverifiedOnACluster(t *testing.T) {
	sim := startSimulator(t, flowroutetest.Options{ReceiptDelay: time.Millisecond})
	if err := sim.Deliver(inSeattle(1), flowroutetest.Delivery{Outcome: flowroutetest.Unreachable}); err != nil {
		t.Fatal(err)
	}
	fail(t, sim, inSeattle(2), flowroutetest.Fault{Kind: flowroutetest.Refuse, Status: http.StatusUnprocessableEntity})
	fleet := withReceipts(t, 3, redistest.Cluster(t), sim, "UNVERIFIED_MODE=enforce", "UNVERIFIED_LIMITS=exchange:1/1h,area:1/1h,all:1/1h")
	create(t, fleet[0].URL, "rejected", inSeattle(1)).want(t, 200, "")
	settled(t, sim)
	create(t, fleet[1].URL, "refused", inSeattle(2)).want(t, 500, "MessageRejected")
	code := sendCode(t, sim, fleet[2].URL, "verified", inSeattle(3))
	create(t, fleet[0].URL, "too-many", inSeattle(4)).wantLimit(t, "UNVERIFIED_LIMITS exchange:1/1h")
	verify(t, fleet[1].URL, "verified", code).want(t, 200, "")
	create(t, fleet[0].URL, "next", inSeattle(4)).want(t, 200, "")
	create(t, fleet[2].URL, "too-many", inSeattle(5)).wantLimit(t, "UNVERIFIED_LIMITS exchange:1/1h")
}

// TestPumpingOneExchange: at the defaults, messages to an exchange under attack stop at
// its allowance. People in other exchanges, some of the same area code, get their codes.
func TestPumpingOneExchange(t *testing.T) {
	fleet, sim := services(t, 3, "UNVERIFIED_MODE=enforce")
	const requests, people = 1800, 80
	var attack sync.WaitGroup
	attack.Go(func() {
		for i := range requests / 6 {
			inParallel(6, func(w int) *answer { return create(t, fleet[w%3].URL, fmt.Sprint("pump-", i, w), inSeattle(6*i+w)) })
		}
	})
	for n := range people {
		number := fmt.Sprintf("%s%03d0%03d", []string{"1206", "1425"}[n%2], 600+n, n)
		code := sendCode(t, sim, fleet[n%3].URL, fmt.Sprint("person-", n), number)
		verify(t, fleet[(n+1)%3].URL, fmt.Sprint("person-", n), code).want(t, 200, "")
	}
	attack.Wait()
	if sent := len(sim.Messages()); sent != 20+people {
		t.Errorf("%d messages, want 20 to the exchange and %d to people", sent, people)
	}
	if refusals := sums(t, fleet, "smsv_unverified_refusals_total", ""); refusals["exchange,enforce"] != requests-20 || total(t, fleet, "smsv_unverified_refusals_total") != requests-20 {
		t.Errorf("refusals %v, want %d of the exchange", refusals, requests-20)
	}
}
