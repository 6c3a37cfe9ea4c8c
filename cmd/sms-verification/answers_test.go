package main

import (
	"crypto/rand"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// answering is a service with its simulator, for one row of TestAnswers.
type answering struct {
	testing.TB
	sim *flowroutetest.Server
	url string
}

func (c *answering) create(id, recipient string) *answer {
	c.Helper()
	return create(c, c.url, id, recipient)
}

func (c *answering) verify(id, code string) *answer { c.Helper(); return verify(c, c.url, id, code) }

// made makes an entry and returns its code.
func (c *answering) made(id string) string { c.Helper(); return sendCode(c, c.sim, c.url, id, anyone) }

// TestAnswers: the program gives the answers of the README that depend on time, limits
// and Flowroute, sends as many messages as they say, and stores no key for ever. Package
// api tests the other answers, TestFaults those of a Flowroute that fails.
func TestAnswers(t *testing.T) {
	redis := redistest.Server(t)
	for _, row := range []struct {
		name   string
		env    []string
		ask    func(*answering) *answer
		status int
		reason string
		left   *int64 // attempts_left
		sent   int    // messages that the simulator accepted
	}{
		{name: "created", status: 200, left: new(int64(3)), sent: 1,
			ask: func(c *answering) *answer {
				a := c.create("a", anyone)
				if a.body.Message != "Success: Verification code created." || a.body.ExpiresIn != 3600 || a.body.AuthID != "a" {
					c.Error(a.raw)
				}
				return a
			}},
		{name: "expired, asked again", env: []string{"CODE_EXPIRATION=1"}, status: 400, reason: "UnknownAuthId", left: new(int64(0)), sent: 1,
			ask: func(c *answering) *answer {
				code := c.made("a")
				time.Sleep(1100 * time.Millisecond)
				c.verify("a", code).want(c, 400, "ExpiredAuthCode").wantLeft(c, 0)
				return c.verify("a", code)
			}},
		{name: "replaced", status: 400, reason: "InvalidAuthCode", left: new(int64(2)), sent: 2, env: []string{"CODE_LENGTH=20"},
			ask: func(c *answering) *answer {
				old := c.made("a")
				c.verify("a", otherCode(old))
				c.made("a")
				return c.verify("a", old)
			}},
		{name: "a limit reached", env: []string{"SEND_LIMITS=2/10m,20/24h"}, status: 429, reason: "RateLimited", sent: 2,
			ask: func(c *answering) *answer {
				c.made("a")
				code := c.made("a")
				a := c.create("a", anyone).wantLimit(c, "SEND_LIMITS 2/10m")
				if a.header.Get("Retry-After") != strconv.FormatInt(a.body.RetryAfter, 10) || a.body.RetryAfter < 590 || a.body.RetryAfter > 600 {
					c.Errorf("%s, Retry-After %s", a.raw, a.header.Get("Retry-After"))
				}
				c.verify("a", code).want(c, 200, "") // the live entry was left as it was
				return a
			}},
		{name: "too many guesses", env: []string{"GUESS_LIMITS=2/24h"}, status: 429, reason: "RateLimited", sent: 1,
			ask: func(c *answering) *answer {
				code := c.made("a")
				c.verify("a", otherCode(code))
				c.verify("a", otherCode(code))
				return c.create("b", anyone).wantLimit(c, "GUESS_LIMITS 2/24h")
			}},
		{name: "refused messages count under no limit", env: []string{"SEND_LIMITS_TOTAL=2/1h", "FLOWROUTE_MAX_WAIT=0s"}, status: 200, left: new(int64(3)), sent: 1,
			ask: func(c *answering) *answer {
				for range 2 {
					c.create("a", "15005550422").want(c, 500, "MessageRejected")
					c.create("a", "15005550401").want(c, 500, "SenderRefused")
					c.create("a", "15005550429").want(c, 503, "ServiceUnavailable")
				}
				return c.create("a", anyone)
			}},
		{name: "unconfirmed, but it arrives", status: 200, sent: 1,
			ask: func(c *answering) *answer {
				c.create("a", "15005550005").want(c, 500, "MessageUnconfirmed")
				return c.verify("a", codeSent(c, c.sim, "15005550005"))
			}},
		{name: "no turn", env: []string{"FLOWROUTE_RATE=1", "FLOWROUTE_MAX_WAIT=0s", "SEND_LIMITS=2/1h"}, status: 503, reason: "ServiceUnavailable",
			sent: 1,
			ask: func(c *answering) *answer {
				c.made("a")
				c.create("a", anyone)
				return c.create("a", anyone) // the refused create does not count under SEND_LIMITS, or this were 429
			}},
		{name: "Flowroute gone", env: []string{"FLOWROUTE_BASE_URL=http://127.0.0.1:1", "FLOWROUTE_MAX_WAIT=0s"}, status: 503, reason: "ServiceUnavailable",
			ask: func(c *answering) *answer { return c.create("a", anyone) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			prefix := "test-" + rand.Text() + ":"
			c := &answering{TB: t, sim: startSimulator(t, flowroutetest.Options{})}
			c.url = serveReady(t, environment(redis, c.sim, append([]string{"REDIS_KEY_PREFIX=" + prefix}, row.env...)...)).URL
			a := row.ask(c).want(t, row.status, row.reason)
			if !reflect.DeepEqual(a.body.AttemptsLeft, row.left) {
				t.Errorf("attempts_left: %s", a.raw)
			}
			if row.reason != "" && a.body.Message == "" {
				t.Errorf("no message: %s", a.raw)
			}
			if needed := a.status == 429 || a.status == 503; needed != (a.header.Get("Retry-After") != "") || a.header.Get("Cache-Control") != "no-store" ||
				a.header.Get("X-Request-Id") == "" {
				t.Errorf("headers: %v", a.header)
			}
			if n := len(c.sim.Messages()); n != row.sent {
				t.Errorf("%d messages sent, want %d", n, row.sent)
			}
			redis.NoKeyWithoutTTL(t, prefix)
		})
	}
}
