package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// TestResendAfter: a request right after resend_after passes, and one a second
// earlier does not; whatever waits for its turn in between.
func TestResendAfter(t *testing.T) {
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	fleet := replicas(t, environment(redis, sim, "SEND_LIMITS=1/3s,3/1h", "FLOWROUTE_RATE=1"))
	const key = "Idempotency-Key: first"
	first := create(t, fleet[0].URL, "0", anyone, key)
	if first.body.ResendAfter != 3 {
		t.Errorf("resend_after %d, want 3", first.body.ResendAfter)
	}
	time.Sleep(1500 * time.Millisecond)
	if a := create(t, fleet[1].URL, "0", anyone, key); a.raw != first.raw {
		t.Errorf("the repeated answer is %s, want %s", a.raw, first.raw)
	}
	if a := create(t, fleet[1].URL, "0", anyone); a.status != http.StatusTooManyRequests {
		t.Errorf("a second earlier: %d %s", a.status, a.raw)
	}
	time.Sleep(1500 * time.Millisecond)
	create(t, fleet[2].URL, "other", "12065550166") // takes the turn
	waiting := create(t, fleet[2].URL, "1", anyone)
	if waiting.status != http.StatusOK || waiting.body.ResendAfter != 2 {
		t.Errorf("after a wait for its turn: %d %s, want 2", waiting.status, waiting.raw)
	}
	time.Sleep(time.Duration(waiting.body.ResendAfter) * time.Second)
	last := create(t, fleet[0].URL, "2", anyone)
	if last.status != http.StatusOK || last.body.ResendAfter < 3500 {
		t.Errorf("right after it: %d %s, want the hour of the other limit", last.status, last.raw)
	}
	if n := len(sim.Messages()); n != 4 {
		t.Error(fmt.Sprint(n, " messages, want 4"))
	}
}
