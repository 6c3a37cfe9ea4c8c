package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestMain lets the test binary be the baseline, as the program is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == baselineName || os.Args[1] == autoPipelineName) {
		main()
		return
	}
	os.Exit(m.Run())
}

func needRedis(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err == nil {
		return
	}
	if os.Getenv("REQUIRE_REDIS") == "1" {
		t.Fatal("redis-server is not installed, and REQUIRE_REDIS=1")
	}
	t.Skip("redis-server is not installed")
}

// TestCommands runs every command that measures for a moment. The load checks
// every answer.
func TestCommands(t *testing.T) {
	needRedis(t)
	raw := filepath.Join(t.TempDir(), "raw.txt")
	for _, c := range []struct {
		args string
		want []string
	}{
		{"speed -rounds 1 -seconds 0.1 -connections 4 -distance 3ms -distance-connections 4 -autopipeline -raw " + raw,
			[]string{"Redis at loopback: a PING takes", "Redis at 3ms: a PING takes", "service/baseline"}},
		{"memory -entries 2000", []string{"c 2000 ×", "x ", "n 2000 ×", "w 2000 ×", "a 1 ×"}},
		{"growth -rounds 1 -seconds 0.2 -entries 2000", []string{"wrong", "create", "exactly 2000 times right", "\n4 "}},
	} {
		command, _, _ := strings.Cut(c.args, " ")
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			var out, progress bytes.Buffer
			if err := run(ctx, strings.Fields(c.args+" -service service=../.."), &out, &progress); err != nil {
				t.Fatalf("%v\n%s", err, &progress)
			}
			for _, want := range c.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("lacks %q:\n%s", want, &out)
				}
			}
			if command == "speed" {
				checkRaw(t, raw)
			}
		})
	}
}

// checkRaw checks that what speed measured is plausible.
func checkRaw(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if want := 3 * 2 * 3; len(lines) != want { // workloads, places, systems
		t.Errorf("%d runs, want %d:\n%s", len(lines), want, text)
	}
	for _, line := range lines {
		var name string
		var ops, p50, p99 int64
		var rate, cpu, redis, allocs float64
		_, err := fmt.Sscanf(line, "%s %d %f ops/s %d p50-ns %d p99-ns %f cpu-µs/op %f redis-µs/op %f allocs/op",
			&name, &ops, &rate, &p50, &p99, &cpu, &redis, &allocs)
		far := strings.Contains(name, "redis=3ms")
		if err != nil || ops < 4 || p50 <= 0 || p99 < p50 || cpu <= 0 || redis <= 0 || far && p50 < 6e6 ||
			!far && (allocs < 20 || allocs > 5000) { // at the distance, other allocations outweigh those of a few operations

			t.Errorf("not plausible, %v: %s", err, line)
		}
	}
}

// TestDistance: many chunks are on their way at a time, each for as long as
// the distance says, and none is early.
func TestDistance(t *testing.T) {
	needRedis(t)
	e, err := newEnv(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer e.close()
	const each = 20 * time.Millisecond
	d, err := startDistance(t.Context(), e.redisAddr, each)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", d.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	in, begun := bufio.NewReader(conn), time.Now()
	const sent = 20
	go func() {
		for range sent {
			_, _ = fmt.Fprint(conn, "PING\r\n")
			time.Sleep(2 * time.Millisecond)
		}
	}()
	for i := range sent {
		if line, err := in.ReadString('\n'); err != nil || line != "+PONG\r\n" {
			t.Fatalf("%q, %v", line, err)
		}
		if took := time.Since(begun); took < 2*each+time.Duration(i)*2*time.Millisecond {
			t.Errorf("answer %d came after %v", i, took)
		}
	}
	if took := time.Since(begun); took > sent*each {
		t.Errorf("%d round trips took %v: they waited for each other", sent, took)
	}
	e.redis.end()
	if _, err := in.ReadByte(); err == nil {
		t.Error("the connection outlives that to Redis")
	}
}

// TestStart holds the service to a bound on its start that a busy machine
// keeps too; `make bench-start` has the targets.
func TestStart(t *testing.T) {
	needRedis(t)
	b := bench{rounds: 1, length: 100 * time.Millisecond, services: []service{{"service", "../.."}}, progress: &bytes.Buffer{}}
	err := b.start(t.Context(), &bytes.Buffer{})
	for i, factor := range []float64{20, 2, 2, 1} {
		if len(b.takes) <= i {
			t.Fatal(err)
		}
		if f := b.takes[i]; f.value <= 0 || f.value > factor*f.target {
			t.Errorf("%s: %.1f %s, at most %.0f", f.what, f.value, f.unit, factor*f.target)
		}
	}
}

// TestLoadChecksAnswers: a load against a system that answers wrongly, or not
// at all, fails.
func TestLoadChecksAnswers(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   string // of the error; empty is none
	}{
		{"right", 200, `{"authenticated":true}`, ""},
		{"false", 200, `{"authenticated":false}`, "wrong answer: 200"},
		{"another status", 201, `{"authenticated":true}`, "wrong answer: 201"},
		{"error", 500, `{"reason":"InternalError"}`, "wrong answer: 500"},
		{"always refused", 503, `{"reason":"ServiceUnavailable"}`, "no request succeeded"},
		{"no answer", 0, "", "deadline"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if c.status == 0 {
					_, _ = io.Copy(io.Discard, r.Body)
					<-r.Context().Done() // ends only once the body was read
					return
				}
				w.WriteHeader(c.status)
				_, _ = fmt.Fprint(w, c.body)
			}))
			defer server.Close()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			e := env{codes: make([]atomic.Uint32, 1)}
			_, err := e.load(ctx, load{
				addrs: []string{server.Listener.Addr().String()}, connections: 4, length: 20 * time.Millisecond, limit: unlimited,
				step: (*client).right,
			})
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestRecipientsAreDistinctAndKnown(t *testing.T) {
	for _, n := range []uint64{0, 1, 6_399, 6_400, 12_345_678, 63_999_999} {
		to := recipientOf(n)
		if len(to) != len("12065550100") || entryOf(to) != n {
			t.Errorf("entry %d has the recipient %s, which has entry %d", n, to, entryOf(to))
		}
	}
}

func TestTable(t *testing.T) {
	var samples []sample
	for _, run := range []struct {
		system string
		ops    int
	}{{"b", 100}, {"a", 50}, {"a", 90}, {"b", 100}, {"b", 200}, {"a", 140}} { // three rounds
		samples = append(samples, sample{
			row: row{"create", 4, "loopback", run.system}, cpu: float64(run.ops), redis: 1, allocs: 2,
			result: result{ops: run.ops, elapsed: time.Second, p50: time.Millisecond, p99: 2 * time.Millisecond},
		})
	}
	var out bytes.Buffer
	if err := writeTable(&out, samples, []string{"b"}); err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(" +").ReplaceAllString(out.String(), " ")
	for _, want := range []string{
		"\ncreate 4 loopback a 90 1.00 2.00 90.0 1.0 2.0 0.00%\n",
		"\ncreate 4 loopback a/b 0.70 (0.50–0.90) 0.70 (0.50–0.90) 1.00 (1.00–1.00) 1.00 (1.00–1.00)\n",
	} {
		if strings.Count(text, want) != 1 || strings.Contains(text, "b/b") {
			t.Errorf("lacks %q:\n%s", want, &out)
		}
	}
}

func TestBadFlags(t *testing.T) {
	for _, args := range []string{
		"", "fast", "speed -rounds 0", "speed -connections x", "speed -workloads all", "speed -service ./binary", "start -service=", "speed more",
		"memory -entries 0", "growth -entries many", "start -seconds 0", "speed -distance -1ms", "speed -distance-connections 0",
		"capacity -distance 0",
	} {
		if err := run(t.Context(), strings.Fields(args), &bytes.Buffer{}, &bytes.Buffer{}); err == nil {
			t.Errorf("%s is accepted", args)
		}
	}
}

// TestCapacity works out a deployment by hand.
func TestCapacity(t *testing.T) {
	b := bench{workloads: workloads(), services: []service{{name: "service"}}, bytes: []float64{200, 300, 420, 600}}
	for _, w := range b.workloads {
		for _, redisAt := range []string{"loopback", "1ms"} {
			for _, system := range []string{"service", baselineName, autoPipelineName} {
				s := sample{row: row{w.name, planned, redisAt, system}, cpu: 1, redis: 1, result: result{ops: 100, elapsed: time.Second}}
				if system == "service" && redisAt == "1ms" {
					s.cpu, s.redis = 400, 100
				}
				b.samples = append(b.samples, s)
			}
		}
	}
	r := report{Tables: []string{"the speed\n", "", "", ""}, Distance: "1ms"}
	r.plan(&b)
	// 100 million a day are 5,787 a second at the peak, of 3 requests each:
	// 6.9 processors of replicas, 1.7 of Redis. 20.8 million entries wait, of
	// 300 bytes; and 100 million numbers have 120 and 180 bytes: 36.25 GB.
	document, err := r.text()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| 100,000,000 | 5,787 | 20,833,333 | 36 GB | 6.9, 1.7 | 7 | 5 |\n", "```\nthe speed\n```\n",
		"Redis 1ms away", "| right codes a second, for each Redis master | 1,000,000 | 10,000 |",
	} {
		if !strings.Contains(string(document), want) {
			t.Errorf("lacks %q:\n%s", want, document)
		}
	}
}
