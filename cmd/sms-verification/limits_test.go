package main

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// readReport runs limits and reads its JSON.
func readReport(t *testing.T, env []string, args ...string) (r limitsReport) {
	t.Helper()
	out := succeeds(t, env, append([]string{"limits", "--json"}, args...)...)
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("limits %v: %v: %q", args, err, out)
	}
	return r
}

// TestLimitsFreesALockedOutNumber: wrong codes lock a number out; limits shows
// it, and limits --clear lets the person in again.
func TestLimitsFreesALockedOutNumber(t *testing.T) {
	t.Parallel()
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	env := environment(redis, sim, "SEND_LIMITS=5/10m,20/24h", "GUESS_LIMITS=2/24h", "RETRIES_ALLOWED=3")
	p := serveReady(t, env)
	create(t, p.URL, "b", "12065550143")
	wrong := otherCode(sendCode(t, sim, p.URL, "a", "12065550142"))
	for range 2 {
		verify(t, p.URL, "a", wrong)
	}
	locked := create(t, p.URL, "a", "12065550142").wantLimit(t, "GUESS_LIMITS 2/24h")

	shown := readReport(t, env, "+12065550142")
	want := []limitRow{
		{Limit: "SEND_LIMITS 5/10m", Counts: "messages", Used: 1, Max: 5},
		{Limit: "SEND_LIMITS 20/24h", Counts: "messages", Used: 1, Max: 20},
		{Limit: "GUESS_LIMITS 2/24h", Counts: "wrong codes", Used: 2, Max: 2, RetryAfter: shown.Limits[2].RetryAfter, NextFree: shown.Limits[2].NextFree},
	}
	if got, want := fmt.Sprint(shown.Limits), fmt.Sprint(want); got != want || shown.RecipientEnds != "42" || shown.RefusedBy != "GUESS_LIMITS 2/24h" || shown.Cleared != nil {
		t.Errorf("shown %+v, want %s", shown, want)
	}
	left := time.Until(*shown.RefusedUntil).Seconds()
	if off := float64(locked.body.RetryAfter) - left; off < 0 || off > 10 || shown.Limits[2].RetryAfter > locked.body.RetryAfter {
		t.Errorf("refused for %v s, and for %d s by the service", left, locked.body.RetryAfter)
	}
	contains(t, "limits", succeeds(t, env, "limits", "12065550142"), "Number ending in 42", "SEND_LIMITS 5/10m: 1 of 5 messages; the next is allowed now",
		"GUESS_LIMITS 2/24h: 2 of 2 wrong codes; the next is allowed at 20", " UTC by GUESS_LIMITS 2/24h\n")
	create(t, p.URL, "a", "12065550142").want(t, 429, "RateLimited") // showing it cleared nothing

	cleared := succeeds(t, env, "limits", "12065550142", "--clear")
	lacks(t, "limits --clear", cleared, "2065550")
	contains(t, "limits --clear", cleared, "Cleared: 1 message(s), 2 wrong code(s), 0 refund(s) of rejected messages", "GUESS_LIMITS 2/24h: 0 of 2 wrong codes", "Not refused")
	create(t, p.URL, "a", "12065550142").want(t, 200, "")
	if other := readReport(t, env, "12065550143"); other.Limits[0].Used != 1 {
		t.Errorf("another number: %+v", other)
	}
	if cleared := readReport(t, env, "12065550142", "--clear"); *cleared.Cleared != (clearedCounts{Messages: 1}) || cleared.RefusedUntil != nil {
		t.Errorf("cleared again: %+v", cleared)
	}
}

// TestLimitsShowsUnverified: limits shows the unverified messages of a number's exchange
// and area code and of all, with the share for verified codes. --clear keeps them.
func TestLimitsShowsUnverified(t *testing.T) {
	t.Parallel()
	sim := startSimulator(t, flowroutetest.Options{})
	env := environment(redistest.Server(t), sim, "UNVERIFIED_MODE=enforce", "UNVERIFIED_LIMITS=exchange:2/1h,area:9/1h+100%,all:9/1h", "SEND_LIMITS=5/10m")
	p := serveReady(t, env)
	for _, number := range []string{"12065550142", "12065550143", "12067770144", "14255550145"} {
		create(t, p.URL, number, number)
	}
	verify(t, p.URL, "12067770144", codeSent(t, sim, "12067770144"))
	refused := create(t, p.URL, "a", "12065550146")

	shown := readReport(t, env, "12065550142", "--clear")
	full := shown.Unverified[0]
	want := []unverifiedRow{
		{limitRow{Limit: "UNVERIFIED_LIMITS exchange:2/1h", Counts: "unverified messages", Used: 2, Max: 2, RetryAfter: full.RetryAfter, NextFree: full.NextFree}, 0},
		{limitRow{Limit: "UNVERIFIED_LIMITS area:9/1h+100%", Counts: "unverified messages", Used: 2, Max: 10}, 1},
		{limitRow{Limit: "UNVERIFIED_LIMITS all:9/1h", Counts: "unverified messages", Used: 3, Max: 9}, 0},
	}
	if fmt.Sprint(shown.Unverified) != fmt.Sprint(want) || shown.UnverifiedMode != "enforce" || shown.RefusedBy != refused.body.Limit {
		t.Errorf("shown %+v, want %+v; the service says %s", shown, want, refused.raw)
	}
	if off := refused.body.RetryAfter - full.RetryAfter; off < 0 || off > 10 {
		t.Errorf("free in %d s, the service says %d s", full.RetryAfter, refused.body.RetryAfter)
	}
	contains(t, "limits", succeeds(t, env, "limits", "12065550142"), "UNVERIFIED_LIMITS exchange:2/1h: 2 of 2 unverified messages; the next is allowed at 20",
		"UNVERIFIED_LIMITS area:9/1h+100%: 2 of 10 unverified messages (9, and 1 more for verified codes); the next is allowed now",
		" UTC by UNVERIFIED_LIMITS exchange:2/1h\n")

	shadow := append(env, "UNVERIFIED_MODE=shadow")
	if shown := readReport(t, shadow, "12065550142"); shown.RefusedUntil != nil || shown.Unverified[0].NextFree == nil {
		t.Errorf("in shadow: %+v", shown)
	}
	contains(t, "limits in shadow", succeeds(t, shadow, "limits", "12065550142"), "UNVERIFIED_LIMITS refuse nothing", "Not refused")
}

// TestLimitsFailures: the exit status is 2 for wrong settings, and 1 for a Redis
// that cannot be used.
func TestLimitsFailures(t *testing.T) {
	t.Parallel()
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	for _, c := range []struct {
		name   string
		env    []string
		status int
		want   string
	}{
		{"no settings", nil, 2, "FLOWROUTE_SECRET_KEY: is required"},
		{"debug mode", debugEnvironment(), 2, "DEBUG_MODE: the limits of a service in debug mode"},
		{"no Redis", complete("REDIS_URL=redis://127.0.0.1:1/0"), 1, "connection refused"},
		{"no permission", environment(redis, sim, "SEND_LIMITS=5/10m", "REDIS_URL=redis://nobody:pw@"+redis.Addr), 1, "WRONGPASS"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, clear := range []string{"--clear=false", "--clear"} {
				errOut := refuses(t, c.status, c.env, "limits", "12065550142", clear)
				contains(t, clear, errOut, c.want)
				lacks(t, clear, errOut, "2065550142")
			}
		})
	}
	if off := readReport(t, environment(redis, sim, "UNVERIFIED_MODE=off"), "12065550142"); len(off.Limits) != 0 || len(off.Unverified) != 0 || off.UnverifiedMode != "off" || off.RefusedUntil != nil {
		t.Errorf("limits that are off: %+v", off)
	}
}
