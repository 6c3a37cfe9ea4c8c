package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// How long the service waits for Flowroute in these rows, and the bounds that follow.
const (
	flowrouteTimeout = time.Second
	flowrouteMaxWait = 500 * time.Millisecond
	flowrouteBound   = flowrouteTimeout + flowrouteMaxWait + 500*time.Millisecond
	checkBound       = flowrouteTimeout / 2 // for a check, which must not wait for Flowroute
)

// flowrouteFaults are the rows in which Flowroute breaks.
func flowrouteFaults() []fault {
	const unconfirmed, unconfirmedText = "MessageUnconfirmed", "500 `MessageUnconfirmed` within <bound>"
	row := func(what string, f flowroutetest.Fault, want, reason string, sent int) fault {
		kept := fmt.Sprintf("%d SMS per create, ", sent)
		if reason == unconfirmed || reason == "" {
			kept += "the new entry stays; "
		} else {
			kept += "the entry before is unchanged; "
		}
		return fault{
			name: "Flowroute " + what, what: "Flowroute: " + what, want: want, kept: kept + "meanwhile codes are checked within 500 ms", bound: flowrouteBound,
			run: func(t *testing.T, bound time.Duration) string { return faultFlowrouteBreaks(t, bound, f, reason, sent) },
		}
	}
	refuse := func(status int) flowroutetest.Fault {
		return flowroutetest.Fault{Kind: flowroutetest.Refuse, Status: status}
	}
	return []fault{
		row("429", refuse(429), "503 within <bound>", gotUnavailable, 0),
		row("422", refuse(422), "500 `MessageRejected` within <bound>", "MessageRejected", 0),
		row("401", refuse(401), "500 `SenderRefused` within <bound>", "SenderRefused", 0),
		row("500", refuse(500), unconfirmedText, unconfirmed, 0),
		row("503", refuse(503), unconfirmedText, unconfirmed, 0),
		row("502 without JSON", flowroutetest.Fault{Kind: flowroutetest.BadGateway}, unconfirmedText, unconfirmed, 0),
		row("accepts, then resets the connection", flowroutetest.Fault{Kind: flowroutetest.AcceptReset}, unconfirmedText, unconfirmed, 1),
		row("accepts, answer cut off", flowroutetest.Fault{Kind: flowroutetest.AcceptTruncate}, unconfirmedText, unconfirmed, 1),
		row("accepts, never answers", flowroutetest.Fault{Kind: flowroutetest.AcceptHang}, unconfirmedText, unconfirmed, 1),
		row("hangs", flowroutetest.Fault{Kind: flowroutetest.Hang}, unconfirmedText, unconfirmed, 0),
		row("slow (700 ms)", flowroutetest.Fault{Kind: flowroutetest.Slow, Delay: 700 * time.Millisecond}, "200 within <bound>", "", 1),
		{name: "slow callers", what: "2,000 connections send a header byte by byte, or nothing",
			want: "others are served within <bound>, the slow ones are cut off after 5 s", bound: time.Second, alone: true, run: faultSlowCallers},
		{name: "few file descriptors", bound: time.Second, run: faultFewDescriptors,
			what: "64 file descriptors (`ulimit -n`), 100 idle connections to each address",
			want: "others are served within <bound>, the oldest are closed, the log warns"},
		{name: "output blocked", bound: time.Second, run: faultOutputBlocked,
			what: "no one reads the pipes stdout and stderr, log level debug",
			want: "requests are served within <bound>; SIGTERM ends the process with status 0"},
	}
}

// faultFlowrouteBreaks makes 50 creates at once, as many as may run, that meet a fault,
// each for an auth_id that has an entry. Meanwhile it checks other codes.
func faultFlowrouteBreaks(t *testing.T, bound time.Duration, f flowroutetest.Fault, reason string, sent int) string {
	const creates = 50
	s := served(t, redistest.Server(t), "FLOWROUTE_TIMEOUT="+flowrouteTimeout.String(), "FLOWROUTE_MAX_WAIT="+flowrouteMaxWait.String(),
		"MAX_IN_FLIGHT="+strconv.Itoa(creates))
	p := s.fleet[0]
	others, earlier := s.made(30), s.made(creates)
	before := p.footprint(t)
	fail(t, s.sim, "", f)
	var slowest, slowestCheck time.Duration
	var wg sync.WaitGroup
	wg.Go(func() {
		slowest = timed(creates, func(i int) {
			a := create(s, p.URL, earlier[i].id, earlier[i].id)
			switch reason {
			case gotUnavailable:
				a.wantUnavailable(t)
			case "":
				a.want(t, 200, "")
			default:
				a.want(t, 500, reason)
			}
		})
	})
	time.Sleep(50 * time.Millisecond) // the creates are on their way
	for _, e := range others {
		slowestCheck = max(slowestCheck, timed(1, func(int) { verify(s, p.URL, e.id, e.code).want(t, 200, "") }))
	}
	wg.Wait()
	if slowest > bound || slowestCheck > patient(checkBound) {
		t.Errorf("a create took %v, want %v; a check %v, want %v", slowest, bound, slowestCheck, patient(checkBound))
	}
	fail(t, s.sim, "", flowroutetest.Fault{})
	for _, e := range earlier {
		if n := len(s.codes(e.id)) - 1; n != sent {
			t.Errorf("%d messages, want %d", n, sent)
		}
		if reason == "" || reason == "MessageUnconfirmed" {
			verify(s, p.URL, e.id, "12345").want(t, 400, gotWrong) // no code has five digits
		} else {
			verify(s, p.URL, e.id, e.code).want(t, 200, "")
		}
	}
	s.servedAgain(time.Now(), time.Second)
	return fmt.Sprintf("create %s, check %s at most; %s", millis(slowest), millis(slowestCheck), p.settles(t, before))
}

// faultSlowCallers holds connections that never finish their headers, half of them
// without a first byte.
func faultSlowCallers(t *testing.T, bound time.Duration) string {
	const wanted, spare = 2000, 500 // connections, other files of the test
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = limit.Max
	_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit) // usually done by the runtime
	n := min(wanted, int(limit.Cur)-spare)

	s := served(t, redistest.Server(t))
	l := s.loads(4)
	header := "POST /verify HTTP/1.1\r\nHost: x\r\nX-Slow: " + strings.Repeat("x", 100)
	var open atomic.Int64
	var wg sync.WaitGroup
	defer wg.Wait()
	began := time.Now()
	for i := range n {
		wg.Go(func() {
			conn, err := net.Dial("tcp", strings.TrimPrefix(s.url(), "http://"))
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = conn.Close() }()
			open.Add(1)
			defer open.Add(-1)
			if i%2 == 0 {
				_, _ = io.Copy(io.Discard, conn) // until it is cut off
				return
			}
			for i := range header {
				if _, err := conn.Write([]byte(header[i : i+1])); err != nil {
					return // cut off
				}
				time.Sleep(500 * time.Millisecond)
			}
			t.Error("a slow connection is never cut off")
		})
	}
	codestest.Await(t, 5*time.Second, "all are connected", func() bool { return open.Load() == int64(n) })
	peak := s.fleet[0].footprint(t)
	time.Sleep(phase())
	if still := open.Load(); still < int64(n) && time.Since(began) < 5*time.Second {
		t.Errorf("%d of %d connections still open", still, n)
	}
	codestest.Await(t, 10*time.Second, "slow connections are cut off", func() bool { return open.Load() == 0 })
	over := time.Since(began)
	result := l.unharmed(bound)
	return fmt.Sprintf("%d connections, at most %d MB and %d goroutines, all cut off after %s; %s", n, peak.megabytes, peak.goroutines, millis(over), result)
}

func faultFewDescriptors(t *testing.T, bound time.Duration) string {
	s := setUp(t, redistest.Server(t))
	p := prepare(t.TempDir(), s.env)
	p.cmd.Path, p.cmd.Args = "/bin/sh", []string{"sh", "-c", `ulimit -n 64; exec "$0"`, binary}
	p.start(t)
	p.ready(t)
	contains(t, "the log", p.stderr.String(), `"level":"WARN","msg":"MAX_CONNECTIONS lowered`, `"file_descriptors":64`)
	s.fleet = append(s.fleet, p)
	entries := s.made(10)
	before := p.footprint(t)
	idle := append(idleConnections(t, p.URL, 100), idleConnections(t, p.Admin, 100)...)
	testClient.CloseIdleConnections()
	served := s.servedAgain(time.Now(), bound)
	for _, url := range []string{p.URL + "/readyz", p.Admin + "/readyz", p.Admin + "/metrics"} {
		if took := timed(1, func(int) { get(t, url).want(t, 200, "") }); took > bound {
			t.Errorf("%s after %v", url, took)
		}
	}
	for _, conn := range idle {
		_ = conn.Close()
	}
	s.spared(entries)
	return fmt.Sprintf("served after %s, %s", millis(served), p.settles(t, before))
}

func faultOutputBlocked(t *testing.T, bound time.Duration) string {
	s := setUp(t, redistest.Server(t))
	public, admin := codestest.FreeAddr(t), codestest.FreeAddr(t) // the log, which has the addresses, cannot be read
	p := prepare(t.TempDir(), append(s.env, "LOG_LEVEL=debug", "LISTEN_ADDR="+public, "ADMIN_ADDR="+admin))
	p.URL, p.Admin = "http://"+public, "http://"+admin
	for _, output := range []*io.Writer{&p.cmd.Stdout, &p.cmd.Stderr} {
		reader, writer, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _, _ = reader.Close(), writer.Close() }()
		*output = writer
	}
	p.start(t)
	codestest.Await(t, 10*time.Second, "the service is ready", func() bool { return isReady(p.URL) })
	s.fleet = append(s.fleet, p)
	l := s.loads(4)
	const enough = 2000 // log lines, several times what a pipe holds
	codestest.Await(t, time.Minute, "the pipe is full", func() bool { return l.total() > enough })
	time.Sleep(phase())
	result := l.unharmed(bound)
	ended := timed(1, func(int) { p.stop(t, 0) })
	return fmt.Sprintf("%s; ended after %s", result, millis(ended))
}

// timed makes n calls in parallel and returns the longest time one took.
func timed(n int, call func(i int)) time.Duration {
	took := make([]time.Duration, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			began := time.Now()
			call(i)
			took[i] = time.Since(began)
		})
	}
	wg.Wait()
	return slices.Max(append(took, 0))
}

// patient extends a bound on work, which the race detector slows down.
func patient(bound time.Duration) time.Duration {
	if raceEnabled {
		return 2 * bound
	}
	return bound
}

// footprint is the memory and the goroutines of a process.
type footprint struct{ goroutines, megabytes int64 }

func (p *process) footprint(t testing.TB) footprint {
	t.Helper()
	fleet := []*process{p}
	u := footprint{total(t, fleet, "go_goroutines"), total(t, fleet, "process_resident_memory_bytes") >> 20}
	if u.goroutines == 0 || u.megabytes == 0 {
		t.Skip("the process has no figures of its memory here")
	}
	return u
}

// settles waits until the process holds about as much as before.
func (p *process) settles(t testing.TB, before footprint) string {
	t.Helper()
	const goroutines = 130 // 50 connections to Flowroute are kept for a while, two each
	megabytes := int64(96)
	if raceEnabled {
		megabytes *= 6 // the detector gives nothing back
	}
	var now footprint
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		testClient.CloseIdleConnections() // each is a goroutine of the service
		now = p.footprint(t)
		if now.goroutines <= before.goroutines+goroutines && now.megabytes <= before.megabytes+megabytes {
			break
		}
		if time.Now().After(end) {
			t.Errorf("%+v before, %+v after", before, now)
			break
		}
	}
	return fmt.Sprintf("%d→%d MB, %d→%d goroutines", before.megabytes, now.megabytes, before.goroutines, now.goroutines)
}
