package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// carrier answers like Flowroute, and records when each request came.
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

// mostWithin returns the largest number of times within any span.
func mostWithin(times []time.Time, span time.Duration) (most int) {
	for _, from := range times {
		n := 0
		for _, at := range times {
			if d := at.Sub(from); d >= 0 && d < span {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}

// TestPace: Flowroute gets at most FLOWROUTE_RATE requests in any second from
// three replicas under load, whatever pauses, and most of the rate is used.
func TestPace(t *testing.T) {
	const rate, lasts = 5, 8 * time.Second
	for name, test := range map[string]struct {
		busy  func(n int) bool
		pause func(redis *redistest.Instance, fleet []*process)
		least int // requests in all
	}{
		"nothing pauses": {least: 25},
		"Redis pauses": {least: 2 * rate, pause: func(redis *redistest.Instance, _ []*process) {
			redis.Signal(syscall.SIGSTOP)
			time.Sleep(420 * time.Millisecond)
			redis.Signal(syscall.SIGCONT)
		}},
		"a replica pauses": {least: 2 * rate, pause: func(_ *redistest.Instance, fleet []*process) {
			fleet[0].signal(syscall.SIGSTOP)
			time.Sleep(2500 * time.Millisecond)
			fleet[0].signal(syscall.SIGCONT)
		}},
		"Flowroute answers 429": {least: 2 * rate, busy: func(n int) bool { return n%3 == 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			flowroute := &carrier{busy: test.busy}
			server := httptest.NewServer(flowroute)
			t.Cleanup(server.Close)
			redis := redistest.Server(t)
			fleet := replicas(t, 3, environment(redis, &flowroutetest.Server{URL: server.URL}, fmt.Sprint("FLOWROUTE_RATE=", rate), "FLOWROUTE_MAX_WAIT=2s"))
			end := time.Now().Add(lasts)
			var load sync.WaitGroup
			for w := range 24 {
				load.Go(func() {
					for i := 0; time.Now().Before(end); i++ {
						body := fmt.Sprintf(`{"auth_id":"pace-%d-%d","recipient":"1206555%04d"}`, w, i, w)
						a, err := request(http.MethodPost, fleet[(w+i)%3].URL+"/", body)
						if err == nil && a.status == http.StatusOK {
							continue
						}
						if test.pause == nil && (err != nil || a.body.Reason != gotUnavailable || a.header.Get("Retry-After") == "") {
							t.Errorf("answer %+v, %v", a, err)
						}
						time.Sleep(100 * time.Millisecond)
					}
				})
			}
			for test.pause != nil && time.Now().Before(end) {
				test.pause(redis, fleet)
				time.Sleep(900 * time.Millisecond)
			}
			load.Wait()
			if most, all := mostWithin(flowroute.requests, time.Second), len(flowroute.requests); most > rate || all < test.least {
				t.Errorf("%d requests in one second, want at most %d; %d in all, want at least %d", most, rate, all, test.least)
			}
		})
	}
}
