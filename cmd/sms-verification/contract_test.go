package main

import (
	"crypto/rand"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// contract is a service with its backends, for one row of the answers.
type contract struct {
	testing.TB
	redis  *redistest.Instance
	sim    *flowroutetest.Server
	prefix string
	url    string
}

const anyone = "12065550142"

// entries counts the live entries in Redis.
func (c *contract) entries() (n int) {
	c.Helper()
	const flag = 39 // in the entry: x if it has ended
	for _, key := range c.redis.Keys(c, c.prefix+"c{") {
		if entry, err := c.redis.Client().HGet(c.Context(), key, "e").Result(); err != nil {
			c.Error(err)
		} else if len(entry) > flag && entry[flag] != 'x' {
			n++
		}
	}
	return n
}

func (c *contract) create(id, recipient string) *answer {
	c.Helper()
	return create(c, c.url, id, recipient)
}
func (c *contract) verify(id, code string) *answer { c.Helper(); return verify(c, c.url, id, code) }

// made makes an entry and returns its code.
func (c *contract) made(id string) string {
	c.Helper()
	if a := c.create(id, anyone); a.status != http.StatusOK {
		c.Fatalf("create: %s", a.raw)
	}
	return codeSent(c, c.sim, anyone)
}

func ptr(n int64) *int64 { return &n }

// TestAnswers drives the running program through every row of the table of
// answers, and looks at what Redis and Flowroute hold afterwards.
func TestAnswers(t *testing.T) {
	redis := redistest.Server(t)
	for _, row := range []struct {
		name    string
		env     []string
		ask     func(*contract) *answer
		status  int
		reason  string
		left    *int64 // attempts_left
		header  string // that must be there, besides those of every answer
		entries int    // afterwards
		sent    int    // messages that the simulator took
	}{
		{name: "created", status: 200, left: ptr(3), entries: 1, sent: 1,
			ask: func(c *contract) *answer {
				a := c.create("a", anyone)
				if a.body.Message != "Success: Verification code created." || a.body.ExpiresIn != 3600 || a.body.AuthID != "a" {
					c.Error(a.raw)
				}
				return a
			}},
		{name: "right", status: 200, sent: 1,
			ask: func(c *contract) *answer {
				a := c.verify("a", c.made("a"))
				if a.raw != `{"authenticated":true,"auth_id":"a","message":"Success: Authorization code verified."}`+"\n" {
					c.Error(a.raw)
				}
				return a
			}},
		{name: "right by query, without its zeros", status: 200, sent: 1,
			ask: func(c *contract) *answer {
				code := c.made("a b")
				return get(c, c.url+"/?auth_id=a+b&code=%20"+strings.TrimLeft(code[:3], "0")+code[3:])
			}},
		{name: "wrong", status: 400, reason: "InvalidAuthCode", left: ptr(2), entries: 1, sent: 1,
			ask: func(c *contract) *answer { return c.verify("a", otherCode(c.made("a"))) }},
		{name: "wrong for the last time", env: []string{"RETRIES_ALLOWED=1"}, status: 400, reason: "InvalidAuthCode", left: ptr(0), sent: 1,
			ask: func(c *contract) *answer { return c.verify("a", otherCode(c.made("a"))) }},
		{name: "expired", env: []string{"CODE_EXPIRATION=1"}, status: 400, reason: "ExpiredAuthCode", left: ptr(0), sent: 1,
			ask: func(c *contract) *answer {
				code := c.made("a")
				time.Sleep(1100 * time.Millisecond)
				return c.verify("a", code)
			}},
		{name: "expired, asked again", env: []string{"CODE_EXPIRATION=1"}, status: 400, reason: "UnknownAuthId", left: ptr(0), sent: 1,
			ask: func(c *contract) *answer {
				code := c.made("a")
				time.Sleep(1100 * time.Millisecond)
				c.verify("a", code)
				return c.verify("a", code)
			}},
		{name: "unknown", status: 400, reason: "UnknownAuthId", left: ptr(0),
			ask: func(c *contract) *answer { return c.verify("never", "1234") }},
		{name: "used", status: 400, reason: "UnknownAuthId", left: ptr(0), sent: 1,
			ask: func(c *contract) *answer {
				code := c.made("a")
				c.verify("a", code)
				return c.verify("a", code)
			}},
		{name: "removed", status: 200, sent: 1,
			ask: func(c *contract) *answer {
				code := c.made("a")
				a := do(c, http.MethodDelete, c.url+"/?auth_id=a", "")
				if again := c.verify("a", code); again.body.Reason != "UnknownAuthId" {
					c.Error(again.raw)
				}
				return a
			}},
		{name: "nothing to remove", status: 200,
			ask: func(c *contract) *answer { return do(c, http.MethodDelete, c.url+"/?auth_id=never", "") }},
		{name: "replaced", status: 400, reason: "InvalidAuthCode", left: ptr(2), entries: 1, sent: 2, env: []string{"CODE_LENGTH=20"},
			ask: func(c *contract) *answer {
				old := c.made("a")
				c.verify("a", otherCode(old))
				c.made("a")
				return c.verify("a", old)
			}},
		{name: "missing argument", status: 400, reason: "InvalidAPIUsage",
			ask: func(c *contract) *answer { return do(c, http.MethodPost, c.url+"/", `{"auth_id":"a"}`) }},
		{name: "bad recipient", status: 400, reason: "InvalidAPIUsage", ask: func(c *contract) *answer { return c.create("a", "0044") }},
		{name: "code that is none costs nothing", status: 400, reason: "InvalidAuthCode", left: ptr(2), entries: 1, sent: 1,
			ask: func(c *contract) *answer {
				code := c.made("a")
				for _, bad := range []string{"", "abcd", "12 34", "-123", "１２３４"} {
					if a := c.verify("a", bad); a.body.Reason != "InvalidAPIUsage" {
						c.Errorf("%q: %s", bad, a.raw)
					}
				}
				return c.verify("a", otherCode(code))
			}},
		{name: "code of another length costs one", status: 400, reason: "InvalidAuthCode", left: ptr(2), entries: 1, sent: 1,
			ask: func(c *contract) *answer { return c.verify("a", c.made("a")+"0") }},
		{name: "body too large", status: 413, reason: "InvalidAPIUsage",
			ask: func(c *contract) *answer { return c.create(strings.Repeat("x", 5000), anyone) }},
		{name: "not JSON", status: 415, reason: "InvalidAPIUsage",
			ask: func(c *contract) *answer {
				return do(c, http.MethodPost, c.url+"/", `auth_id=a`, "Content-Type: application/x-www-form-urlencoded")
			}},
		{name: "no key", env: []string{keyLine}, status: 401, reason: "Unauthorized", header: "Www-Authenticate: Bearer",
			ask: func(c *contract) *answer { return c.create("a", anyone) }},
		{name: "wrong key", env: []string{keyLine}, status: 401, reason: "Unauthorized", header: "Www-Authenticate: Bearer",
			ask: func(c *contract) *answer { return create(c, c.url, "a", anyone, "Authorization: Bearer nope") }},
		{name: "too many wrong keys", env: []string{keyLine}, status: 429, reason: "RateLimited", header: "Retry-After",
			ask: func(c *contract) *answer {
				for range 30 {
					create(c, c.url, "a", anyone, "Authorization: Bearer nope")
				}
				return create(c, c.url, "a", anyone, "Authorization: Bearer nope")
			}},
		{name: "right key", env: []string{keyLine}, status: 200, left: ptr(3), entries: 1, sent: 1,
			ask: func(c *contract) *answer { return create(c, c.url, "a", anyone, "Authorization: Bearer test key") }},
		{name: "recipient not allowed", env: []string{"ALLOWED_PREFIXES=us,ca"}, status: 403, reason: "RecipientNotAllowed",
			ask: func(c *contract) *answer { return c.create("a", "18765550142") }},
		{name: "no such route", status: 404, reason: "NotFound", ask: func(c *contract) *answer { return get(c, c.url+"/nothing") }},
		{name: "no such method", status: 405, reason: "MethodNotAllowed", header: "Allow", entries: 1, sent: 1,
			ask: func(c *contract) *answer {
				c.made("a")
				return do(c, http.MethodPut, c.url+"/", `{"auth_id":"a","recipient":"12065550142"}`)
			}},
		{name: "a limit reached", env: []string{"SEND_LIMITS=2/10m,20/24h"}, status: 429, reason: "RateLimited", header: "Retry-After", sent: 2,
			ask: func(c *contract) *answer {
				c.made("a")
				code := c.made("a")
				a := c.create("a", anyone)
				if a.body.Limit != "SEND_LIMITS 2/10m" || a.header.Get("Retry-After") != strconv.FormatInt(a.body.RetryAfter, 10) ||
					a.body.RetryAfter < 590 || a.body.RetryAfter > 600 {
					c.Errorf("%s, Retry-After %s", a.raw, a.header.Get("Retry-After"))
				}
				if c.verify("a", code).status != http.StatusOK { // the live entry was left as it was
					c.Error("a refused create changed the entry")
				}
				return a
			}},
		{name: "too many guesses", env: []string{"GUESS_LIMITS=2/24h"}, status: 429, reason: "RateLimited", header: "Retry-After", entries: 1, sent: 1,
			ask: func(c *contract) *answer {
				code := c.made("a")
				c.verify("a", otherCode(code))
				c.verify("a", otherCode(code))
				a := c.create("b", anyone)
				if a.body.Limit != "GUESS_LIMITS 2/24h" {
					c.Error(a.raw)
				}
				return a
			}},
		{name: "refused", status: 500, reason: "MessageRejected", ask: func(c *contract) *answer { return c.create("a", "15005550422") }},
		{name: "sender refused", status: 500, reason: "SenderRefused", ask: func(c *contract) *answer { return c.create("a", "15005550401") }},
		{name: "sent nothing, so that the code before still counts", env: []string{"FLOWROUTE_MAX_WAIT=0s", "CODE_LENGTH=20"}, status: 200, sent: 1,
			ask: func(c *contract) *answer {
				code := c.made("a")
				c.verify("a", otherCode(code))
				for recipient, reason := range map[string]string{
					"15005550422": "MessageRejected", "15005550401": "SenderRefused", "15005550429": "ServiceUnavailable",
				} {
					for range 2 {
						if a := c.create("a", recipient); a.body.Reason != reason {
							c.Errorf("%d %s, want %s", a.status, a.raw, reason)
						}
					}
				}
				if a := c.verify("a", otherCode(code)); a.body.AttemptsLeft == nil || *a.body.AttemptsLeft != 1 {
					c.Errorf("attempts as before: %d %s", a.status, a.raw)
				}
				return c.verify("a", code)
			}},
		{name: "unconfirmed", status: 500, reason: "MessageUnconfirmed", entries: 1, sent: 1,
			ask: func(c *contract) *answer { return c.create("a", "15005550004") }},
		{name: "unconfirmed, but it arrives", status: 200, sent: 1,
			ask: func(c *contract) *answer {
				c.create("a", "15005550005")
				return c.verify("a", codeSent(c, c.sim, "15005550005"))
			}},
		{name: "redirected", status: 500, reason: "MessageUnconfirmed", entries: 1, ask: func(c *contract) *answer { return c.create("a", "15005550307") }},
		{name: "failed", status: 500, reason: "MessageUnconfirmed", entries: 1, ask: func(c *contract) *answer { return c.create("a", "15005550503") }},
		{name: "busy", env: []string{"FLOWROUTE_MAX_WAIT=0s"}, status: 503, reason: "ServiceUnavailable", header: "Retry-After",
			ask: func(c *contract) *answer { return c.create("a", "15005550429") }},
		{name: "no turn", env: []string{"FLOWROUTE_RATE=1", "FLOWROUTE_MAX_WAIT=0s", "SEND_LIMITS=2/1h"}, status: 503, reason: "ServiceUnavailable",
			header: "Retry-After", entries: 1, sent: 1,
			ask: func(c *contract) *answer {
				c.made("a")
				c.create("a", anyone)
				c.create("a", anyone)
				return c.create("a", anyone) // still no place taken under SEND_LIMITS: else 429
			}},
		{name: "Flowroute gone", env: []string{"FLOWROUTE_BASE_URL=http://127.0.0.1:1", "FLOWROUTE_MAX_WAIT=0s"}, status: 503, reason: "ServiceUnavailable",
			header: "Retry-After", ask: func(c *contract) *answer { return c.create("a", anyone) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := &contract{TB: t, redis: redis, sim: startSimulator(t, flowroutetest.Options{}), prefix: "test-" + rand.Text() + ":"}
			env := environment(redis, c.sim, append([]string{"REDIS_KEY_PREFIX=" + c.prefix}, row.env...)...)
			c.url = serveReady(t, env).URL
			a := row.ask(c)
			if a.status != row.status || a.body.Reason != row.reason {
				t.Errorf("answer %d %s, want %d %s", a.status, a.raw, row.status, row.reason)
			}
			if (a.body.AttemptsLeft == nil) != (row.left == nil) || row.left != nil && a.body.AttemptsLeft != nil && *a.body.AttemptsLeft != *row.left {
				t.Errorf("attempts_left: %s", a.raw)
			}
			if row.reason != "" && a.body.Message == "" {
				t.Errorf("no message: %s", a.raw)
			}
			name, value, _ := strings.Cut(row.header, ": ")
			if got := a.header.Get(name); row.header != "" && (got == "" || value != "" && got != value) {
				t.Errorf("header %s: %q", name, got)
			}
			if a.header.Get("Cache-Control") != "no-store" || a.header.Get("X-Request-Id") == "" {
				t.Errorf("headers: %v", a.header)
			}
			if n := c.entries(); n != row.entries {
				t.Errorf("%d live entries, want %d", n, row.entries)
			}
			if n := len(c.sim.Messages()); n != row.sent {
				t.Errorf("%d messages sent, want %d", n, row.sent)
			}
			redis.NoKeyWithoutTTL(t, c.prefix)
		})
	}
}

// keyLine admits the key "test key".
const keyLine = "API_KEYS=shop:fa2bdca424f01f01ffb48df93acc35d439c7fd331a1a7fba6ac2fd83aa9ab31a"
