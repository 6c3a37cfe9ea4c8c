package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// carrier answers as Flowroute does, and keeps the time of every request.
type carrier struct {
	mu       sync.Mutex
	requests []time.Time
	busy     func(n int) bool // whether the nth request is answered 429
}

func (c *carrier) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = append(c.requests, time.Now())
	n := len(c.requests)
	if c.busy != nil && c.busy(n) {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	w.WriteHeader(http.StatusAccepted)
	_, _ = fmt.Fprintf(w, `{"data":{"id":"mdr2-%032x"}}`, n)
}

// most returns how many requests came in one second at most.
func (c *carrier) most() (most, all int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, first := range c.requests {
		n := i
		for n < len(c.requests) && c.requests[n].Sub(first) < time.Second {
			n++
		}
		most = max(most, n-i)
	}
	return most, len(c.requests)
}

// TestPaceUnderPauses: Flowroute sees no more than FLOWROUTE_RATE requests in
// any second, whatever pauses.
func TestPaceUnderPauses(t *testing.T) {
	const rate, lasts = 5, 8 * time.Second
	for name, test := range map[string]struct {
		busy  func(n int) bool
		pause func(redis *redistest.Instance, fleet []*process)
	}{
		"Redis stalls": {pause: func(redis *redistest.Instance, _ []*process) {
			redis.Signal(syscall.SIGSTOP)
			time.Sleep(420 * time.Millisecond)
			redis.Signal(syscall.SIGCONT)
		}},
		"a replica stalls": {pause: func(_ *redistest.Instance, fleet []*process) {
			fleet[0].signal(syscall.SIGSTOP)
			time.Sleep(2500 * time.Millisecond)
			fleet[0].signal(syscall.SIGCONT)
		}},
		"Flowroute is busy": {busy: func(n int) bool { return n%3 == 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			flowroute := &carrier{busy: test.busy}
			server := httptest.NewServer(flowroute)
			t.Cleanup(server.Close)
			redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
			env := environment(redis, sim, "FLOWROUTE_BASE_URL="+server.URL, fmt.Sprint("FLOWROUTE_RATE=", rate), "FLOWROUTE_MAX_WAIT=2s")
			fleet := []*process{serveReady(t, env), serveReady(t, env)}
			var wg sync.WaitGroup
			end := time.Now().Add(lasts)
			for w := range 16 {
				wg.Go(func() {
					for i := 0; time.Now().Before(end); i++ {
						body := fmt.Sprintf(`{"auth_id":"pace-%d-%d","recipient":"1206555%04d"}`, w, i, w)
						if a, err := request(http.MethodPost, fleet[(w+i)%2].URL+"/", body); err != nil || a.status != http.StatusOK {
							time.Sleep(100 * time.Millisecond)
						}
					}
				})
			}
			for test.pause != nil && time.Now().Before(end) {
				test.pause(redis, fleet)
				time.Sleep(900 * time.Millisecond)
			}
			wg.Wait()
			if most, all := flowroute.most(); most > rate || all < 2*rate {
				t.Errorf("%d requests in one second at most, %d in all; want at most %d in a second", most, all, rate)
			}
		})
	}
}

// TestReplicaPausedInItsWait: a create whose replica was paused until its
// client had given up sends nothing, and leaves the newer code alone.
func TestReplicaPausedInItsWait(t *testing.T) {
	const recipient = "12065550177"
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	env := environment(redis, sim, "FLOWROUTE_RATE=1", "FLOWROUTE_MAX_WAIT=2s", "FLOWROUTE_TIMEOUT=1s")
	paused, other := serveReady(t, env), serveReady(t, env)
	create(t, other.URL, "before", anyone) // takes the turn of now
	given := make(chan struct{})
	go func() {
		defer close(given)
		_, _ = request(http.MethodPost, paused.URL+"/", `{"auth_id":"signup","recipient":"`+recipient+`"}`)
	}()
	time.Sleep(300 * time.Millisecond) // now it waits for its turn
	paused.signal(syscall.SIGSTOP)
	time.Sleep(3200 * time.Millisecond) // its deadline is over
	if a := create(t, other.URL, "signup", recipient); a.status != http.StatusOK {
		t.Fatalf("the create on the other replica: %d %s", a.status, a.raw)
	}
	code := codeSent(t, sim, recipient)
	paused.signal(syscall.SIGCONT)
	<-given
	time.Sleep(500 * time.Millisecond)
	var to []string
	for _, m := range sim.Messages() {
		to = append(to, m.To)
	}
	if n := len(slices.DeleteFunc(to, func(to string) bool { return to != recipient })); n != 1 {
		t.Errorf("%d messages, want that of the other replica alone", n)
	}
	if a := verify(t, other.URL, "signup", code); a.status != http.StatusOK {
		t.Errorf("the newer code: %d %s", a.status, a.raw)
	}
}
