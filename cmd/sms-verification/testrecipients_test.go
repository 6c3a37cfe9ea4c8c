package main

import (
	"strings"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// TestTestRecipients: nothing is sent to test recipients, and their code is fixed,
// until TEST_RECIPIENTS_UNTIL passes while the service runs.
func TestTestRecipients(t *testing.T) {
	t.Parallel()
	const number, code = "12065550177", "0077315024"
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	until := time.Now().Add(10 * time.Second).Truncate(time.Second)
	env := environment(redis, sim, "TEST_RECIPIENTS="+number+"="+code, "TEST_RECIPIENTS_UNTIL="+until.Format(time.RFC3339),
		"CODE_LENGTH=10", "ALLOWED_PREFIXES=1206555", "SEND_LIMITS_TOTAL=2/1h", "UNVERIFIED_MODE=enforce", "UNVERIFIED_LIMITS=all:2/1h",
		"FLOWROUTE_RATE=1", "FLOWROUTE_MAX_WAIT=0s", "LOG_LEVEL=debug")
	p := serveReady(t, env)
	contains(t, "the log", p.stderr.String(), "TEST_RECIPIENTS bypasses the SMS until "+until.Format(time.RFC3339), "1 codes")

	for range 5 { // neither the pace nor the limits on messages allow as many
		create(t, p.URL, "a", "+"+number).want(t, 200, "").wantLeft(t, 3)
	}
	verify(t, p.URL, "a", "1").want(t, 400, "InvalidAuthCode").wantLeft(t, 2)
	verify(t, p.URL, "a", strings.TrimLeft(code, "0")).want(t, 200, "")
	verify(t, p.URL, "a", code).want(t, 400, "UnknownAuthId")
	if n := sim.Requests().Requests; n != 0 {
		t.Fatalf("%d requests to Flowroute", n)
	}

	time.Sleep(time.Until(until))
	create(t, p.URL, "b", "+"+number).want(t, 200, "")
	if m := sim.Messages(); len(m) != 1 || m[0].To != number {
		t.Fatalf("%d messages after the end, want one", len(m))
	}
	verify(t, p.URL, "b", code).want(t, 400, "InvalidAuthCode")
	lacks(t, "what is shown", p.stderr.String()+p.stdout.String()+get(t, p.Admin+"/metrics").raw, number, "77315024")
	ended := refuses(t, 2, env, "check")
	contains(t, "check after the end", ended, "TEST_RECIPIENTS_UNTIL")
	checked, _ := command(t, 0, append(env, "TEST_RECIPIENTS_UNTIL=2999-01-31"), "check")
	contains(t, "check", checked, "Warning: TEST_RECIPIENTS bypasses the SMS until 2999-02-01")
	lacks(t, "check", ended+checked, "77315024")
}
