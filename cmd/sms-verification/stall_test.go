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

// TestRedisStopsDuringASend: what could not be noted or undone in Redis before
// the answer is as soon as it is back.
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
			p := serveReady(t, environment(redis, sim, "SEND_LIMITS=1/1h", "FLOWROUTE_MAX_WAIT=100ms"))
			c.fault.Delay = 700 * time.Millisecond
			if err := sim.Fail(anyone, c.fault); err != nil {
				t.Fatal(err)
			}
			key := keyHeader(rand.Text())
			first := make(chan *answer, 1)
			go func() { first <- create(t, p.URL, "id", anyone, key) }()
			eventually(t, 5*time.Second, "it is at Flowroute", func() bool { return sim.Requests().Requests > 0 })
			redis.Signal(syscall.SIGSTOP)
			a := <-first
			redis.Signal(syscall.SIGCONT)
			if a.status != c.first {
				t.Fatalf("create: %d %s", a.status, a.raw)
			}
			if err := sim.Fail(anyone, flowroutetest.Fault{}); err != nil {
				t.Fatal(err)
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
			if c.first == http.StatusInternalServerError { // its place is free again
				eventually(t, within, "the place is given back", func() bool { return create(t, p.URL, "other", anyone).status == 200 })
				c.sent++
			}
			if n := len(sim.Messages()); n != c.sent {
				t.Errorf("%d messages, want %d", n, c.sent)
			}
		})
	}
}

// TestShutdownFinishesWhatIsLeft: a service that is ended while it has
// something to undo in Redis waits for that, and says so if it cannot be done.
func TestShutdownFinishesWhatIsLeft(t *testing.T) {
	t.Parallel()
	for name, comesBack := range map[string]bool{"Redis comes back": true, "Redis stays away": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
			env := environment(redis, sim, "SHUTDOWN_DELAY=0s", "FLOWROUTE_TIMEOUT=1s", "FLOWROUTE_MAX_WAIT=1s", "SHUTDOWN_TIMEOUT=2s")
			p := serveReady(t, env)
			if err := sim.Fail(anyone, flowroutetest.Fault{Kind: flowroutetest.Refuse, Status: 422, Delay: 700 * time.Millisecond}); err != nil {
				t.Fatal(err)
			}
			first := make(chan *answer, 1)
			go func() { first <- create(t, p.URL, "id", anyone) }()
			eventually(t, 5*time.Second, "it is at Flowroute", func() bool { return sim.Requests().Requests > 0 })
			redis.Signal(syscall.SIGSTOP)
			if a := <-first; a.body.Reason != "MessageRejected" {
				t.Errorf("create: %d %s", a.status, a.raw)
			}
			p.signal(syscall.SIGTERM)
			if !comesBack {
				if status := p.exit(t, 5*time.Second); status != 1 {
					t.Errorf("exit status %d", status)
				}
				contains(t, "stderr", p.stderr.String(), "Redis could not be reached within SHUTDOWN_TIMEOUT")
				redis.Signal(syscall.SIGCONT)
				return
			}
			time.Sleep(500 * time.Millisecond)
			redis.Signal(syscall.SIGCONT)
			if status := p.exit(t, 5*time.Second); status != 0 {
				t.Errorf("exit status %d: %s", status, p.stderr)
			}
			if a := get(t, serveReady(t, env).URL+"/status?auth_id=id"); a.body.Reason != "UnknownAuthId" {
				t.Errorf("afterwards: %d %s", a.status, a.raw)
			}
		})
	}
}
