package main

import (
	"testing"
	"time"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
)

// resending starts two replicas that send the same code again. Extra lines win.
func resending(t *testing.T, extra ...string) ([]*process, *flowroutetest.Server) {
	t.Helper()
	// No two of such long codes are the same by chance.
	return services(t, 2, append([]string{"RESEND=same", "CODE_LENGTH=30", "AUTH_MESSAGE={code}\n{minutes}"}, extra...)...)
}

// TestSameCode: another replica sends the same code again, and answers with the
// attempts and the lifetime that are left.
func TestSameCode(t *testing.T) {
	t.Parallel()
	fleet, sim := resending(t, "CODE_EXPIRATION=121")
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

// TestSameCodeOfProfile: RESEND=same of a profile is that of the profile alone.
func TestSameCodeOfProfile(t *testing.T) {
	t.Parallel()
	fleet, sim := resending(t, "RESEND=new", `PROFILES={"login": {"resend": "same"}, "signup": {}}`)
	for profile, want := range map[string]int{"login": 1, "signup": 2, "": 2} {
		codes := map[string]bool{}
		for _, p := range fleet {
			createUnder(t, p.URL, profile, "a", anyone, "").want(t, 200, "")
			codes[codeSent(t, sim, anyone)] = true
		}
		if len(codes) != want {
			t.Errorf("profile %q: %d codes in two messages, want %d", profile, len(codes), want)
		}
	}
}
