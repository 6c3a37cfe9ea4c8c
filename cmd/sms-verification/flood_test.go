package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestLogFlood: three seconds of refusals at LOG_RATE=50 write under 500 lines,
// with the line of every create that sent a message among them.
func TestLogFlood(t *testing.T) {
	t.Parallel()
	const creates = 60
	p, _ := service(t, keysOf("shop"), "LOG_RATE=50")
	var refused atomic.Int64
	var flood sync.WaitGroup
	end := time.Now().Add(3 * time.Second)
	for i := range 6 {
		flood.Go(func() {
			for time.Now().Before(end) {
				a := verify(t, p.URL, "a", "1", []string{as("wrong"), "Accept: */*"}[i%2])
				if a.status != http.StatusUnauthorized && a.status != http.StatusTooManyRequests {
					t.Errorf("answer %d %s", a.status, a.raw)
					return
				}
				refused.Add(1)
			}
		})
	}
	for i := range creates {
		create(t, p.URL, strconv.Itoa(i), fmt.Sprintf("1206555%04d", i), as("shop")).want(t, 200, "")
	}
	flood.Wait()
	sent := func() (n int) {
		for line := range strings.Lines(p.stderr.String()) {
			var entry struct {
				Msg, Route string
				Status     int
			}
			if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "request" && entry.Route == "POST /" && entry.Status == 200 {
				n++
			}
		}
		return n
	}
	eventually(t, 5*time.Second, "the lines of the creates", func() bool { return sent() == creates })
	if all := strings.Count(p.stderr.String(), "\n"); all >= 500 || refused.Load() < 1000 {
		t.Errorf("%d lines; %d requests refused", all, refused.Load())
	}
}
