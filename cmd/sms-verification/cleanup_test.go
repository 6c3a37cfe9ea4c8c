package main

import (
	"crypto/rand"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// pausedDuringASend starts a service, pauses Redis while Flowroute works on a create,
// and returns the answer to it. Redis is still paused then.
func pausedDuringASend(t *testing.T, f flowroutetest.Fault, key string, extra ...string) (*process, *redistest.Instance, *flowroutetest.Server, *answer) {
	t.Helper()
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	p := serveReady(t, environment(redis, sim, extra...))
	f.Delay = 700 * time.Millisecond
	fail(t, sim, anyone, f)
	first := make(chan *answer, 1)
	go func() { first <- create(t, p.URL, "id", anyone, key) }()
	eventually(t, 5*time.Second, "the request is at Flowroute", func() bool { return sim.Requests().Requests > 0 })
	redis.Signal(syscall.SIGSTOP)
	a := <-first
	fail(t, sim, anyone, flowroutetest.Fault{})
	return p, redis, sim, a
}

// TestRedisStopsDuringASend: a result that could not be stored or undone in Redis
// before the answer is as soon as Redis is back.
func TestRedisStopsDuringASend(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault flowroutetest.Fault
		first int
		again int // with the same key, when Redis is back
		sent  int
	}{
		"created":     {flowroutetest.Fault{Kind: flowroutetest.Slow}, 200, 200, 1},
		"rejected":    {flowroutetest.Fault{Kind: flowroutetest.Refuse, Status: 422}, 500, 500, 0},
		"unavailable": {flowroutetest.Fault{Kind: flowroutetest.Refuse, Status: 429}, 503, 200, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key := keyHeader(rand.Text())
			p, redis, sim, a := pausedDuringASend(t, c.fault, key, "SEND_LIMITS=1/1h", "FLOWROUTE_MAX_WAIT=100ms")
			redis.Signal(syscall.SIGCONT)
			if a.status != c.first {
				t.Fatalf("create: %d %s", a.status, a.raw)
			}
			within := 2 * time.Second
			if c.first != http.StatusOK {
				eventually(t, within, "the entry is gone", func() bool { return get(t, p.URL+"/status?auth_id=id").body.Reason == "UnknownAuthId" })
			}
			var again *answer
			eventually(t, within, "the key is settled", func() bool {
				again = create(t, p.URL, "id", anyone, key)
				return again.status != http.StatusConflict && again.status != http.StatusTooManyRequests
			})
			if again.status != c.again || again.status == c.first && again.raw != a.raw {
				t.Errorf("with the same key: first %d %s, then %d %s", a.status, a.raw, again.status, again.raw)
			}
			if c.first == http.StatusInternalServerError {
				eventually(t, within, "it counts no longer under SEND_LIMITS", func() bool { return create(t, p.URL, "other", anyone).status == 200 })
				c.sent++
			}
			if n := len(sim.Messages()); n != c.sent {
				t.Errorf("%d messages, want %d", n, c.sent)
			}
		})
	}
}

// TestShutdownFinishesCleanup: a service that is stopped while cleanup in Redis is
// pending waits for it, and fails if it cannot be done in time.
func TestShutdownFinishesCleanup(t *testing.T) {
	t.Parallel()
	for name, comesBack := range map[string]bool{"Redis comes back": true, "Redis stays away": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, redis, _, a := pausedDuringASend(t, flowroutetest.Fault{Kind: flowroutetest.Refuse, Status: 422}, keyHeader(rand.Text()),
				"FLOWROUTE_TIMEOUT=1s", "FLOWROUTE_MAX_WAIT=1s", "SHUTDOWN_TIMEOUT=2s")
			a.want(t, 500, "MessageRejected")
			p.signal(syscall.SIGTERM)
			if !comesBack {
				p.exits(t, 1)
				contains(t, "stderr", p.stderr.String(), "Redis could not be reached within SHUTDOWN_TIMEOUT")
				redis.Signal(syscall.SIGCONT)
				return
			}
			time.Sleep(500 * time.Millisecond)
			redis.Signal(syscall.SIGCONT)
			p.exits(t, 0)
			other := serveReady(t, p.cmd.Env)
			get(t, other.URL+"/status?auth_id=id").want(t, 400, "UnknownAuthId")
		})
	}
}
