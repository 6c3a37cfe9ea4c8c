package main

import (
	"crypto/rand"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// TestRedisStopsDuringASend: Redis is paused while Flowroute works on a create. Its
// result is stored or undone as soon as Redis is back, even by a service that gets
// SIGTERM in between.
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
			redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
			env := environment(redis, sim, "SEND_LIMITS=1/1h", "FLOWROUTE_MAX_WAIT=100ms")
			fleet, key := replicas(t, 2, env), keyHeader(rand.Text())
			c.fault.Delay = 700 * time.Millisecond
			fail(t, sim, anyone, c.fault)
			first := make(chan *answer, 1)
			go func() { first <- create(t, fleet[0].URL, "id", anyone, key) }()
			codestest.Await(t, 5*time.Second, "the request is at Flowroute", func() bool { return sim.Requests().Requests > 0 })
			redis.Signal(syscall.SIGSTOP)
			a := <-first
			fail(t, sim, anyone, flowroutetest.Fault{})
			if a.status != c.first {
				t.Fatalf("create: %d %s", a.status, a.raw)
			}
			fleet[0].signal(syscall.SIGTERM)
			time.Sleep(500 * time.Millisecond)
			redis.Signal(syscall.SIGCONT)
			fleet[0].exits(t, 0)

			url := fleet[1].URL
			if c.first != http.StatusOK {
				get(t, url+"/status?auth_id=id").want(t, 400, "UnknownAuthId")
			}
			again := create(t, url, "id", anyone, key)
			if again.status != c.again || again.status == c.first && again.raw != a.raw {
				t.Errorf("with the same key: first %d %s, then %d %s", a.status, a.raw, again.status, again.raw)
			}
			if c.first == http.StatusInternalServerError { // it counts no longer under SEND_LIMITS
				create(t, url, "other", anyone).want(t, 200, "")
				c.sent++
			}
			if n := len(sim.Messages()); n != c.sent {
				t.Errorf("%d messages, want %d", n, c.sent)
			}
		})
	}
}
