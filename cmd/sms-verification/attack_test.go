package main

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
)

// TestParallelCreatesAtALimit: three replicas enforce one limit.
func TestParallelCreatesAtALimit(t *testing.T) {
	fleet, sim := services(t, 3, "SEND_LIMITS=5/1h")
	answers := inParallel(200, func(i int) *answer { return create(t, fleet[i%3].URL, "id-"+strconv.Itoa(i), anyone) })
	if sent, refused := count(answers, ""), count(answers, "RateLimited"); sent != 5 || refused != 195 || len(sim.Messages()) != 5 {
		t.Errorf("%d of 200 passed a limit of 5, %d refused, %d messages", sent, refused, len(sim.Messages()))
	}
}

// TestGuessingAttack: an attacker creates codes for one number and guesses them as
// fast as the service allows, for two days that are scaled down to seconds. No
// more guesses are compared in a day than codes.MaxGuessesPerDay says.
func TestGuessingAttack(t *testing.T) {
	const day = 6 * time.Second
	const scale = 24 * time.Hour / day
	limits := codes.Limits{Sends: codestest.Windows(t, "5/4h", "20/24h"), Guesses: codestest.Windows(t, "20/24h")}
	bound := codes.MaxGuessesPerDay(limits, 3, scale*time.Second)

	for name, id := range map[string]func(n int64) string{
		"one id":   func(int64) string { return "victim" },
		"many ids": func(n int64) string { return "victim-" + strconv.FormatInt(n, 10) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fleet, _ := services(t, 3, "SEND_LIMITS=5/1s,20/6s", "GUESS_LIMITS=20/6s", "CODE_EXPIRATION=1", "EXPIRED_NOTICE=0", "CODE_LENGTH=12")
			compared := attack(t, fleet, id, 2*day)
			worst := mostWithin(compared, day)
			t.Logf("%d wrong codes compared in two days, at most %d in any one; the formula says %.0f", len(compared), worst, bound)
			if float64(worst) > bound {
				t.Errorf("%d wrong codes compared in a day, more than %.0f", worst, bound)
			}
			if len(compared) < 20 {
				t.Errorf("only %d wrong codes compared: this was no attack", len(compared))
			}
		})
	}
}

// attack creates codes and guesses them, and returns when each wrong code was compared.
func attack(t *testing.T, fleet []*process, id func(int64) string, during time.Duration) (compared []time.Time) {
	t.Helper()
	var mu sync.Mutex
	var made atomic.Int64
	end := time.Now().Add(during)
	inParallel(6, func(w int) *answer {
		for i := w; time.Now().Before(end); i++ {
			url, name := fleet[i%3].URL, id(made.Add(1))
			if create(t, url, name, anyone).status != http.StatusOK {
				time.Sleep(20 * time.Millisecond)
			}
			for verify(t, url, name, fmt.Sprintf("%012d", i)).body.Reason == "InvalidAuthCode" {
				mu.Lock()
				compared = append(compared, time.Now())
				mu.Unlock()
			}
		}
		return nil
	})
	return compared
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
