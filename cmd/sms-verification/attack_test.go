package main

import (
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
)

// TestParallelCreatesAtALimit: three replicas enforce one limit.
func TestParallelCreatesAtALimit(t *testing.T) {
	fleet, sim := services(t, 3, "SEND_LIMITS=5/1h")
	answers := inParallel(200, func(i int) *answer { return create(t, fleet[i%3].URL, "id-"+strconv.Itoa(i), anyone) })
	if sent, refused := count(answers, ""), count(answers, "RateLimited"); sent != 5 || refused != 195 || len(sim.Messages()) != 5 {
		t.Errorf("%d of 200 passed a limit of 5, %d refused, %d messages", sent, refused, len(sim.Messages()))
	}
}

// TestPumping: 10,000 requests over adjacent numbers, some of them in areas that
// are not allowed, send no more messages than the cap.
func TestPumping(t *testing.T) {
	fleet, sim := services(t, 3, "SEND_LIMITS=5/10m,20/24h", "SEND_LIMITS_TOTAL=100/1h", "ALLOWED_PREFIXES=us,ca", "BLOCKED_PREFIXES=1907")
	var next atomic.Int64
	inParallel(20, func(int) *answer {
		for n := next.Add(1); n <= 10_000; n = next.Add(1) {
			area := []string{"1206", "1876", "1907", "1425", "1206", "1900", "1253", "1206", "1360", "1509"}[n%10]
			a := create(t, fleet[n%3].URL, fmt.Sprint("pump-", n), area+fmt.Sprintf("555%04d", n%10_000))
			if a.status != http.StatusOK && a.status != http.StatusForbidden && a.status != http.StatusTooManyRequests {
				t.Errorf("answer %d %s", a.status, a.raw)
			}
		}
		return nil
	})
	messages := sim.Messages()
	if len(messages) != 100 {
		t.Errorf("%d messages at a cap of 100", len(messages))
	}
	for _, m := range messages {
		if area := m.To[:4]; area == "1876" || area == "1907" || area == "1900" {
			t.Errorf("a message to %s", area)
		}
	}
}
