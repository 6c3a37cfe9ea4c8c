package main

import (
	"testing"
	"time"
)

// TestResendAfter: a create passes right after resend_after, and not a second
// earlier, even if it had to wait for its turn.
func TestResendAfter(t *testing.T) {
	fleet, sim := services(t, 3, "SEND_LIMITS=1/3s,3/1h", "FLOWROUTE_RATE=1")
	const key = "Idempotency-Key: first"
	first := create(t, fleet[0].URL, "0", anyone, key)
	if first.body.ResendAfter != 3 {
		t.Errorf("resend_after %d, want 3", first.body.ResendAfter)
	}
	time.Sleep(1500 * time.Millisecond)
	if a := create(t, fleet[1].URL, "0", anyone, key); a.raw != first.raw {
		t.Errorf("the repeated answer is %s, want %s", a.raw, first.raw)
	}
	create(t, fleet[1].URL, "0", anyone).want(t, 429, "RateLimited")
	time.Sleep(1500 * time.Millisecond)
	create(t, fleet[2].URL, "other", "12065550166") // the next waits behind it
	waiting := create(t, fleet[2].URL, "1", anyone).want(t, 200, "")
	if waiting.body.ResendAfter != 2 {
		t.Errorf("after a wait: resend_after %d, want 2", waiting.body.ResendAfter)
	}
	time.Sleep(time.Duration(waiting.body.ResendAfter) * time.Second)
	if last := create(t, fleet[0].URL, "2", anyone).want(t, 200, ""); last.body.ResendAfter < 3500 {
		t.Errorf("resend_after %d, want the hour of the other limit", last.body.ResendAfter)
	}
	if n := len(sim.Messages()); n != 4 {
		t.Errorf("%d messages, want 4", n)
	}
}
