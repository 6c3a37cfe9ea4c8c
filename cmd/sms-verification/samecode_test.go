package main

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// longCodes are settings whose codes are never the same by chance.
var longCodes = []string{"CODE_LENGTH=30", "AUTH_MESSAGE={code}\n{minutes}"}

// resending starts two replicas that send the same code again. Extra lines win.
func resending(t *testing.T, extra ...string) ([]*process, *flowroutetest.Server) {
	t.Helper()
	sim := startSimulator(t, flowroutetest.Options{})
	env := environment(redistest.Server(t), sim, slices.Concat([]string{"RESEND=same"}, longCodes, extra)...)
	return []*process{serveReady(t, env), serveReady(t, env)}, sim
}

// sendCode asks for a code and returns it.
func sendCode(t *testing.T, sim *flowroutetest.Server, url, id, recipient string) string {
	t.Helper()
	if a := create(t, url, id, recipient); a.status != http.StatusOK {
		t.Fatalf("create: %d %s", a.status, a.raw)
	}
	return codeSent(t, sim, recipient)
}

// wrongCode enters a wrong code, which leaves so many attempts.
func wrongCode(t *testing.T, url, id, code string, left int64) {
	t.Helper()
	if a := verify(t, url, id, code); a.body.Reason != "InvalidAuthCode" || *a.body.AttemptsLeft != left {
		t.Errorf("a wrong code: %d %s, want %d attempts left", a.status, a.raw, left)
	}
}

// rightCode enters a code on one replica, and again on the other.
func rightCode(t *testing.T, fleet []*process, id, code string) {
	t.Helper()
	if a := verify(t, fleet[0].URL, id, code); !a.body.Authenticated {
		t.Errorf("the code: %d %s", a.status, a.raw)
	}
	if a := verify(t, fleet[1].URL, id, code); a.body.Reason != "UnknownAuthId" {
		t.Errorf("the code for the second time: %d %s", a.status, a.raw)
	}
}

// TestSameCode: another replica sends the same code again, and says what is left
// of its attempts and its lifetime.
func TestSameCode(t *testing.T) {
	t.Parallel()
	fleet, sim := resending(t, "CODE_EXPIRATION=121")
	first := create(t, fleet[0].URL, "a", anyone)
	code := codeSent(t, sim, anyone)
	if first.body.ExpiresIn != 121 || *first.body.AttemptsLeft != 3 {
		t.Errorf("the first request: %s", first.raw)
	}
	wrongCode(t, fleet[1].URL, "a", otherCode(code), 2)
	time.Sleep(1100 * time.Millisecond)
	again := create(t, fleet[1].URL, "a", anyone)
	if left := again.body.ExpiresIn; again.status != http.StatusOK || *again.body.AttemptsLeft != 2 || left > 120 || left < 100 {
		t.Errorf("the second request: %d %s, want 2 attempts and 120 s", again.status, again.raw)
	}
	m := sim.Messages()
	if len(m) != 2 || m[0].Body != code+"\n3" || m[1].Body != code+"\n2" {
		t.Errorf("sent %+v, want the code %s for 3 and for 2 minutes", m, code)
	}
	wrongCode(t, fleet[0].URL, "a", otherCode(code), 1)
	rightCode(t, fleet, "a", code)
}

// TestSameCodeKeepsAttempts: no number of requests gives more attempts.
func TestSameCodeKeepsAttempts(t *testing.T) {
	t.Parallel()
	fleet, sim := resending(t)
	code := sendCode(t, sim, fleet[0].URL, "a", anyone)
	for left := int64(2); left >= 0; left-- {
		if again := sendCode(t, sim, fleet[left%2].URL, "a", anyone); again != code {
			t.Fatalf("with %d attempts left: another code", left+1)
		}
		wrongCode(t, fleet[1].URL, "a", otherCode(code), left)
	}
	if a := verify(t, fleet[0].URL, "a", code); a.body.Reason != "UnknownAuthId" {
		t.Errorf("after all attempts: %d %s", a.status, a.raw)
	}
	next := sendCode(t, sim, fleet[1].URL, "a", anyone)
	if next == code {
		t.Error("a code without attempts was sent again")
	}
	wrongCode(t, fleet[0].URL, "a", otherCode(next), 2)
}

// TestSameCodeOfProfile: where only a profile has resend, requests without it get
// a new code.
func TestSameCodeOfProfile(t *testing.T) {
	t.Parallel()
	fleet, sim := resending(t, "RESEND=new", `PROFILES={"login": {"resend": "same"}, "signup": {}}`)
	for profile, same := range map[string]bool{"login": true, "signup": false, "": false} {
		recipient := map[string]string{"login": "12065550111", "signup": "12065550122", "": "12065550133"}[profile]
		codes := map[string]bool{}
		for _, p := range fleet {
			createUnder(t, p.URL, profile, "a", recipient, "")
			codes[codeSent(t, sim, recipient)] = true
		}
		if (len(codes) == 1) != same {
			t.Errorf("profile %q: %d codes in two messages", profile, len(codes))
		}
	}
	code := codeSent(t, sim, "12065550111")
	if a := verifyUnder(t, fleet[1].URL, "login", "a", code); !a.body.Authenticated {
		t.Errorf("the code of the profile: %d %s", a.status, a.raw)
	}
}

// TestSameCodeEnds: a new code is sent to another number, in the second half of
// the lifetime, and once the code was used or removed.
func TestSameCodeEnds(t *testing.T) {
	t.Parallel()
	const lifetime = 5 * time.Second
	fleet, sim := resending(t, fmt.Sprintf("CODE_EXPIRATION=%d", lifetime/time.Second))
	for id, change := range map[string]func(id, code string) (recipient string){
		"another-recipient": func(string, string) string { return "12065550177" },
		"after-half-of-the-lifetime": func(string, string) string {
			time.Sleep(lifetime/2 + 100*time.Millisecond)
			return anyone
		},
		"after-use": func(id, code string) string {
			rightCode(t, fleet, id, code)
			return anyone
		},
		"after-DELETE": func(id, _ string) string {
			do(t, http.MethodDelete, fleet[1].URL+"/?auth_id="+id, "")
			return anyone
		},
	} {
		code := sendCode(t, sim, fleet[0].URL, id, anyone)
		recipient := change(id, code)
		a := create(t, fleet[1].URL, id, recipient)
		if a.status != http.StatusOK || a.body.ExpiresIn != int64(lifetime/time.Second) || *a.body.AttemptsLeft != 3 {
			t.Errorf("%s: %d %s", id, a.status, a.raw)
		}
		next := codeSent(t, sim, recipient)
		if next == code {
			t.Errorf("%s: the same code", id)
		}
		wrongCode(t, fleet[0].URL, id, code, 2)
		rightCode(t, fleet, id, next)
	}
}

// TestSameCodeRefused: if the message is not sent again, or nobody knows, the code
// that the person has stays as it is.
func TestSameCodeRefused(t *testing.T) {
	t.Parallel()
	fleet, sim := resending(t)
	for reason, f := range map[string]flowroutetest.Fault{
		"MessageRejected":    {Kind: flowroutetest.Refuse, Status: http.StatusUnprocessableEntity},
		"SenderRefused":      {Kind: flowroutetest.Refuse, Status: http.StatusForbidden},
		"MessageUnconfirmed": {Kind: flowroutetest.BadGateway},
	} {
		code := sendCode(t, sim, fleet[0].URL, reason, anyone)
		wrongCode(t, fleet[1].URL, reason, otherCode(code), 2)
		fail(t, sim, anyone, f)
		for _, p := range fleet {
			if a := create(t, p.URL, reason, anyone); a.body.Reason != reason {
				t.Errorf("answer %d %s, want %s", a.status, a.raw, reason)
			}
		}
		fail(t, sim, anyone, flowroutetest.Fault{})
		wrongCode(t, fleet[0].URL, reason, otherCode(code), 1)
		rightCode(t, fleet, reason, code)
	}
}

// TestSameCodeInParallel: many requests for one id at once send one code, and it
// is right once.
func TestSameCodeInParallel(t *testing.T) {
	t.Parallel()
	fleet, sim := resending(t)
	const requests = 30
	for i, a := range inParallel(requests, func(i int) *answer { return create(t, fleet[i%2].URL, "a", anyone) }) {
		if a.status != http.StatusOK {
			t.Errorf("request %d: %d %s", i, a.status, a.raw)
		}
	}
	m := sim.Messages()
	for _, other := range m {
		if other.Body != m[0].Body {
			t.Fatal("two codes were sent")
		}
	}
	accepted := 0
	for _, a := range inParallel(requests, func(i int) *answer { return verify(t, fleet[i%2].URL, "a", codeSent(t, sim, anyone)) }) {
		if a.body.Authenticated {
			accepted++
		}
	}
	if len(m) != requests || accepted != 1 {
		t.Errorf("%d messages, accepted %d times; want %d and once", len(m), accepted, requests)
	}
}

// TestSameCodeIdempotent: a request with the key of an earlier one gets its
// answer, and sends nothing.
func TestSameCodeIdempotent(t *testing.T) {
	t.Parallel()
	fleet, sim := resending(t)
	code := sendCode(t, sim, fleet[0].URL, "a", anyone)
	const key = "Idempotency-Key: again"
	again := create(t, fleet[0].URL, "a", anyone, key)
	wrongCode(t, fleet[0].URL, "a", otherCode(code), 2)
	if a := create(t, fleet[1].URL, "a", anyone, key); a.status != http.StatusOK || a.raw != again.raw {
		t.Errorf("repeated: %d %s, want %s", a.status, a.raw, again.raw)
	}
	if m := sim.Messages(); len(m) != 2 || m[0].Body != m[1].Body {
		t.Errorf("messages %+v, want two with one code", m)
	}
	wrongCode(t, fleet[1].URL, "a", otherCode(code), 1)
}

// TestSameCodeReceipts: the receipts of every message of a code are counted, and
// the status is that of the newest.
func TestSameCodeReceipts(t *testing.T) {
	t.Parallel()
	sim := startSimulator(t, flowroutetest.Options{ReceiptDelay: time.Millisecond})
	fleet := withReceipts(t, redistest.Server(t), sim, append(longCodes, "RESEND=same")...)
	const messages = 4
	for i := range messages {
		if i == messages-1 {
			if err := sim.Deliver(anyone, flowroutetest.Delivery{Outcome: flowroutetest.Unreachable}); err != nil {
				t.Fatal(err)
			}
		}
		sendCode(t, sim, fleet[i%2].URL, "a", anyone)
		settled(t, sim)
	}
	if m := sim.Messages(); m[0].Body != m[messages-1].Body {
		t.Errorf("two codes were sent: %+v", m)
	}
	delivered, undelivered := total(sum(t, fleet, "smsv_codes_delivered_total", "area")), total(sum(t, fleet, "smsv_codes_undelivered_total", "area"))
	if delivered != messages-1 || undelivered != 1 {
		t.Errorf("%d messages delivered and %d not, want %d and 1", delivered, undelivered, messages-1)
	}
	for _, p := range fleet {
		contains(t, "status", get(t, p.URL+"/status?auth_id=a").raw, `"state":"failed"`)
	}
}

// TestSameCodeNewSecret: the code is sent again although CODE_SECRET was changed
// since.
func TestSameCodeNewSecret(t *testing.T) {
	t.Parallel()
	const before, after = "0123456789abcdef-before", "0123456789abcdef-after"
	sim := startSimulator(t, flowroutetest.Options{})
	env := environment(redistest.Server(t), sim, append(longCodes, "RESEND=same")...)
	old := serveReady(t, append(slices.Clone(env), "CODE_SECRET="+before))
	changed := serveReady(t, append(slices.Clone(env), "CODE_SECRET="+after, "CODE_SECRET_PREVIOUS="+before))
	code := sendCode(t, sim, old.URL, "a", anyone)
	wrongCode(t, changed.URL, "a", otherCode(code), 2)
	for left := int64(1); left >= 0; left-- {
		if again := sendCode(t, sim, changed.URL, "a", anyone); again != code {
			t.Fatal("another code since the secret was changed")
		}
		if left > 0 {
			wrongCode(t, changed.URL, "a", otherCode(code), left)
		}
	}
	rightCode(t, []*process{changed, old}, "a", code)
}
