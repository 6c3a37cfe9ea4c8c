package main

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// replicas starts three over one Redis.
func replicas(t testing.TB, env []string) []*process {
	t.Helper()
	return []*process{serveReady(t, env), serveReady(t, env), serveReady(t, env)}
}

// TestParallelCreatesAtALimit: three replicas keep one limit.
func TestParallelCreatesAtALimit(t *testing.T) {
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	fleet := replicas(t, environment(redis, sim, "SEND_LIMITS=5/1h"))
	answers := inParallel(200, func(i int) *answer { return create(t, fleet[i%3].URL, "id-"+strconv.Itoa(i), anyone) })
	passed := 0
	for _, a := range answers {
		if a.status == http.StatusOK {
			passed++
		}
	}
	if passed != 5 || count(answers, "RateLimited") != 195 || len(sim.Messages()) != 5 {
		t.Errorf("%d of 200 passed a limit of 5, %d refused, %d messages", passed, count(answers, "RateLimited"), len(sim.Messages()))
	}
}

// TestGuessingAttack: an attacker makes entries for one number as fast as the
// service lets him and guesses at all of them, over a day that is scaled down
// to a few seconds. He gets no more comparisons than the formula says.
func TestGuessingAttack(t *testing.T) {
	const ( // a day is 6 seconds, an hour 1, ten minutes 1 (the least)
		day        = 6 * time.Second
		expiration = time.Second
	)
	limits := []string{"SEND_LIMITS=5/1s,20/6s", "GUESS_LIMITS=20/6s", "CODE_EXPIRATION=1", "EXPIRED_NOTICE=0", "CODE_LENGTH=12"}
	windows := func(list ...string) []codes.Window {
		w, err := codes.ParseWindows(list)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	// The formula is for a day of 24 hours, so scale the windows back.
	const scale = 24 * time.Hour / day
	scaled := func(w []codes.Window) []codes.Window {
		for i := range w {
			w[i].Span *= scale
		}
		return w
	}
	bound := codes.MaxGuessesPerDay(codes.Limits{Sends: scaled(windows("5/1s", "20/6s")), Guesses: scaled(windows("20/6s"))}, 3, expiration*scale)

	for name, id := range map[string]func(n int64) string{
		"one id":       func(int64) string { return "victim" },
		"an id a time": func(n int64) string { return "victim-" + strconv.FormatInt(n, 10) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
			fleet := replicas(t, environment(redis, sim, limits...))
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

// attack runs workers that create and guess, and returns when each wrong code
// was compared.
func attack(t *testing.T, fleet []*process, id func(int64) string, during time.Duration) []time.Time {
	t.Helper()
	var mu sync.Mutex
	var compared []time.Time
	var made atomic.Int64
	var wg sync.WaitGroup
	end := time.Now().Add(during)
	for w := range 6 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := w; time.Now().Before(end); i++ {
				url := fleet[i%3].URL
				name := id(made.Add(1))
				if a := create(t, url, name, anyone); a.status != http.StatusOK {
					time.Sleep(20 * time.Millisecond)
				}
				for {
					a := verify(t, url, name, fmt.Sprintf("%012d", i))
					if a.body.Reason != "InvalidAuthCode" {
						break
					}
					mu.Lock()
					compared = append(compared, time.Now())
					mu.Unlock()
				}
			}
		}()
	}
	wg.Wait()
	return compared
}

// mostWithin is the largest number of times in any span.
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

// TestPumping: 10,000 requests over adjacent numbers, every tenth to a blocked
// prefix, cost no more messages than the cap.
func TestPumping(t *testing.T) {
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	fleet := replicas(t, environment(redis, sim, "SEND_LIMITS=5/10m,20/24h", "SEND_LIMITS_TOTAL=100/1h",
		"ALLOWED_PREFIXES=us,ca", "BLOCKED_PREFIXES=1907"))
	var next, failed atomic.Int64
	var wg sync.WaitGroup
	for range 20 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for n := next.Add(1); n <= 10_000; n = next.Add(1) {
				area := []string{"1206", "1876", "1907", "1425", "1206", "1900", "1253", "1206", "1360", "1509"}[n%10]
				number := area + fmt.Sprintf("555%04d", n%10_000)
				body := fmt.Sprintf(`{"auth_id":"pump-%d","recipient":"%s"}`, n, number)
				a, err := request(http.MethodPost, fleet[n%3].URL+"/", body)
				if err != nil || a.status != http.StatusOK && a.status != http.StatusForbidden && a.status != http.StatusTooManyRequests {
					failed.Add(1)
				}
			}
		}()
	}
	wg.Wait()
	if failed.Load() > 0 {
		t.Errorf("%d requests got another answer", failed.Load())
	}
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

// TestPace: under pressure on three replicas the strict simulator, which
// counts in clock seconds, never has to refuse.
func TestPace(t *testing.T) {
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{Rate: 5})
	fleet := replicas(t, environment(redis, sim, "FLOWROUTE_RATE=5", "FLOWROUTE_MAX_WAIT=2s"))
	var sent, busy atomic.Int64
	var wg sync.WaitGroup
	end := time.Now().Add(8 * time.Second)
	for w := range 30 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := 0; time.Now().Before(end); i++ {
				a, err := request(http.MethodPost, fleet[(w+i)%3].URL+"/", fmt.Sprintf(`{"auth_id":"pace-%d-%d","recipient":"1206555%04d"}`, w, i, w))
				switch {
				case err != nil:
					t.Error(errors.Unwrap(err))
				case a.status == http.StatusOK:
					sent.Add(1)
				case a.status == http.StatusServiceUnavailable && a.body.Reason == "ServiceUnavailable" && a.header.Get("Retry-After") != "":
					busy.Add(1)
					time.Sleep(100 * time.Millisecond)
				default:
					t.Errorf("answer %d %s", a.status, a.raw)
				}
			}
		}()
	}
	wg.Wait()
	counts := sim.Requests()
	t.Logf("%d sent, %d told to come back", sent.Load(), busy.Load())
	if counts.Limited != 0 {
		t.Errorf("the simulator refused %d of %d requests", counts.Limited, counts.Requests)
	}
	messages := sim.Messages()
	for i := 5; i < len(messages); i++ {
		if d := messages[i].At.Sub(messages[i-5].At); d < time.Second {
			t.Errorf("six messages within %v", d)
		}
	}
	if sent.Load() < 25 || busy.Load() == 0 {
		t.Errorf("%d sent in 8 s: the rate was not used, or there was no pressure", sent.Load())
	}
}

// TestNothingWithoutRedis: with Redis stopped no request of any kind sends or
// accepts anything.
func TestNothingWithoutRedis(t *testing.T) {
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	p := serveReady(t, environment(redis, sim, "SEND_LIMITS=5/10m", "GUESS_LIMITS=20/24h", "FLOWROUTE_RATE=5"))
	create(t, p.URL, "a", anyone)
	code := codeSent(t, sim, anyone)
	redis.Signal(syscall.SIGKILL)
	for _, a := range []*answer{
		create(t, p.URL, "b", anyone),
		verify(t, p.URL, "a", code),
		get(t, p.URL+"/?auth_id=a&code="+code),
		do(t, http.MethodDelete, p.URL+"/?auth_id=a", ""),
	} {
		if a.status != http.StatusServiceUnavailable || a.body.Reason != "ServiceUnavailable" || a.header.Get("Retry-After") == "" ||
			strings.Contains(a.raw, "true") {
			t.Errorf("answer %d %s", a.status, a.raw)
		}
	}
	if n := len(sim.Messages()); n != 1 {
		t.Errorf("%d messages, want the one from before", n)
	}
}
