package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

const rightKey = "Authorization: Bearer test key" // of keyLine

// flood refuses as much as it can from several connections for a while: without
// a key, and with a wrong one. It returns how many requests were refused.
func flood(t *testing.T, p *process, during time.Duration, meanwhile func()) int64 {
	t.Helper()
	var refused atomic.Int64
	var wg sync.WaitGroup
	end := time.Now().Add(during)
	for i := range 6 {
		wg.Go(func() {
			var headers []string
			if i%2 == 0 {
				headers = []string{"Authorization: Bearer wrong"}
			}
			for time.Now().Before(end) {
				a := verify(t, p.URL, "a", "1", headers...)
				if a.status != http.StatusUnauthorized && a.status != http.StatusTooManyRequests {
					t.Errorf("answer %d %s", a.status, a.raw)
					return
				}
				refused.Add(1)
			}
		})
	}
	meanwhile()
	wg.Wait()
	return refused.Load()
}

// paidLines counts the lines of creates that sent a message, and all lines.
func paidLines(log string) (paid, all int) {
	for line := range strings.Lines(log) {
		var entry struct {
			Msg, Route string
			Status     int
		}
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "request" && entry.Route == "POST /" && entry.Status == 200 {
			paid++
		}
		all++
	}
	return paid, all
}

// TestLogFlood: three seconds of refusals at LOG_RATE=50 write under 500 lines,
// with every create that was paid for among them.
func TestLogFlood(t *testing.T) {
	t.Parallel()
	const creates = 60
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	p := serveReady(t, environment(redis, sim, keyLine, "LOG_RATE=50"))
	refused := flood(t, p, 3*time.Second, func() { sendTo(t, p, creates) })
	eventually(t, 5*time.Second, "the lines of the creates", func() bool { paid, _ := paidLines(p.stderr.String()); return paid == creates })
	if paid, all := paidLines(p.stderr.String()); all >= 500 || refused < 1000 {
		t.Errorf("%d lines, %d of them of creates; %d requests refused", all, paid, refused)
	}
}

// sendTo makes creates, a few at a time.
func sendTo(t *testing.T, p *process, creates int) {
	for i := range creates {
		if a := create(t, p.URL, strconv.Itoa(i), fmt.Sprintf("1206555%04d", i), rightKey); a.status != http.StatusOK {
			t.Errorf("create: %d %s", a.status, a.raw)
		}
	}
}

// TestSlowLogReader: behind a reader that stops for a while refusals are
// dropped from the log, and no create that was paid for.
func TestSlowLogReader(t *testing.T) {
	t.Parallel()
	const creates = 60
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	p, reader := piped(t, environment(redis, sim, keyLine, "LOG_RATE=0"))
	for refused := int64(0); refused < 8000; { // more than the queue and a pipe hold
		refused += flood(t, p, time.Second, func() {})
	}
	flood(t, p, time.Second, func() { sendTo(t, p, creates) })
	p.signal(syscall.SIGTERM)
	log, err := io.ReadAll(bufio.NewReader(reader))
	if err != nil {
		t.Fatal(err)
	}
	if paid, all := paidLines(string(log)); paid != creates {
		t.Errorf("%d of %d creates in a log of %d lines", paid, creates, all)
	}
	contains(t, "log", string(log[max(0, len(log)-2000):]), "log lines dropped")
}

// TestWrongKeysCostNoScript: a wrong key of an address that is over its limit
// runs no script, and a right key from there is served.
func TestWrongKeysCostNoScript(t *testing.T) {
	t.Parallel()
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	p := serveReady(t, environment(redis, sim, keyLine))
	wrong := func(n, status int) {
		for range n {
			if a := verify(t, p.URL, "a", "1", "Authorization: Bearer wrong"); a.status != status {
				t.Fatalf("a wrong key: %d %s, want %d", a.status, a.raw, status)
			}
		}
	}
	wrong(30, 401)
	wrong(1, 429)
	before := scriptCalls(t, redis)
	wrong(500, 429)
	if after := scriptCalls(t, redis); before < 31 || after != before {
		t.Errorf("%d scripts became %d", before, after)
	}
	if a := create(t, p.URL, "a", anyone, rightKey); a.status != http.StatusOK {
		t.Errorf("a right key: %d %s", a.status, a.raw)
	}
}

// scriptCalls is how many scripts Redis ran.
func scriptCalls(t *testing.T, redis *redistest.Instance) int {
	t.Helper()
	text, err := redis.Client().Info(t.Context(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, found := range regexp.MustCompile(`cmdstat_evalsha:calls=(\d+)`).FindAllStringSubmatch(text, -1) {
		calls, _ := strconv.Atoi(found[1])
		n += calls
	}
	return n
}
