package main

import (
	"testing"
	"time"
)

// TestSameCode: another replica sends the same code again, and answers with the
// attempts and the lifetime that are left.
func TestSameCode(t *testing.T) {
	t.Parallel()
	// No two of such long codes are the same by chance.
	fleet, sim := services(t, 2, "RESEND=same", "CODE_LENGTH=30", "AUTH_MESSAGE={code}\n{minutes}", "CODE_EXPIRATION=121")
	code := sendCode(t, sim, fleet[0].URL, "a", anyone)
	verify(t, fleet[1].URL, "a", otherCode(code)).want(t, 400, "InvalidAuthCode").wantLeft(t, 2)
	time.Sleep(1100 * time.Millisecond)
	again := create(t, fleet[1].URL, "a", anyone).want(t, 200, "").wantLeft(t, 2)
	if left := again.body.ExpiresIn; left > 120 || left < 100 {
		t.Errorf("expires in %d s, want 120", left)
	}
	m := sim.Messages()
	if len(m) != 2 || m[0].Body != code+"\n3" || m[1].Body != code+"\n2" {
		t.Errorf("sent %+v, want the code %s for 3 and for 2 minutes", m, code)
	}
	verify(t, fleet[0].URL, "a", otherCode(code)).want(t, 400, "InvalidAuthCode").wantLeft(t, 1)
	verify(t, fleet[0].URL, "a", code).want(t, 200, "")
	verify(t, fleet[1].URL, "a", code).want(t, 400, "UnknownAuthId")
}

// TestResendAfter: a create passes right after resend_after, even if the one before had
// to wait for its turn.
func TestResendAfter(t *testing.T) {
	t.Parallel()
	p, _ := service(t, "SEND_LIMITS=1/3s", "FLOWROUTE_RATE=1")
	create(t, p.URL, "other", "12065550166") // the next waits behind it
	waited := create(t, p.URL, "a", anyone).want(t, 200, "")
	if waited.body.ResendAfter != 2 {
		t.Errorf("after a wait: resend_after %d, want 2", waited.body.ResendAfter)
	}
	time.Sleep(time.Duration(waited.body.ResendAfter) * time.Second)
	create(t, p.URL, "a", anyone).want(t, 200, "")
}
