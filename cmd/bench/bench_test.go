package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test binary be the floor, as the program is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == floorCommand {
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

func bench(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var out, progress bytes.Buffer
	if err := run(ctx, args, &out, &progress); err != nil {
		t.Fatalf("%v\n%s", err, &progress)
	}
	return out.String()
}

// TestSpeed runs every workload for a moment. Every answer is checked on the way.
func TestSpeed(t *testing.T) {
	t.Parallel()
	needRedis(t)
	file := filepath.Join(t.TempDir(), "samples.json")
	out := bench(t, "speed", "-rounds", "1", "-seconds", "0.3", "-connections", "4", "-service", "service=../..", "-sharing", "-json", file)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var samples []sample
	if err := json.Unmarshal(text, &samples); err != nil {
		t.Fatal(err)
	}
	if want := 3 * len(workloads()); len(samples) != want || strings.Count(out, "\n") != want+1 {
		t.Errorf("%d samples, want %d, and one line for each:\n%s", len(samples), want, out)
	}
	spent := 0.0 // ticks are coarse: a run may see none
	for _, s := range samples {
		spent += min(s.CPUPerOp, s.RedisPerOp)
		if s.Ops < 10 || s.P50 <= 0 || s.P99 < s.P50 || s.CPUPerOp < 0 || s.RedisPerOp < 0 || s.Allocs < 20 || s.Allocs > 5000 {
			t.Errorf("not plausible: %+v", s)
		}
	}
	if spent == 0 {
		t.Error("no time of a processor was used")
	}
}

func TestMemory(t *testing.T) {
	t.Parallel() // it waits most of the time
	needRedis(t)
	out := bench(t, "memory", "-entries", "2000")
	for _, want := range []string{"e 2000 ×", "x ", "s 2000 ×", "g 2000 ×", "t 1 ×"} {
		if !strings.Contains(out, want) {
			t.Errorf("lacks %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, ", o ") {
		t.Errorf("what lives for a moment was measured too:\n%s", out)
	}
}

func TestGrowth(t *testing.T) {
	t.Parallel()
	needRedis(t)
	out := bench(t, "growth", "-dir", "../..", "-rounds", "1", "-length", "200ms", "-entries", "100,1000", "-work", "500")
	for _, want := range []string{"verify-wrong", "create", "exactly 500 times right", "\n4 "} {
		if !strings.Contains(out, want) {
			t.Errorf("lacks %q:\n%s", want, out)
		}
	}
}

// TestStart holds the service to a bound on its start that a busy machine
// keeps too; `make bench-start` has the targets.
func TestStart(t *testing.T) {
	needRedis(t)
	l, err := openLab(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	binary, err := l.build(t.Context(), "start", "../..")
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	s, err := l.startService(t.Context(), "service", binary)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if took := time.Since(begun); took > 3*time.Second {
		t.Errorf("ready after %v", took)
	}
	if idle, err := statusOf(s.pid(), "VmRSS"); err != nil || idle > targetLoad {
		t.Errorf("%.0f MiB resident, %v", idle, err)
	}
}

func TestBinarySize(t *testing.T) {
	l := &lab{dir: t.TempDir()}
	binary, err := l.build(t.Context(), "size", "../..")
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(binary)
	if err != nil {
		t.Fatal(err)
	}
	if size := float64(info.Size()) / 1e6; size > targetBinary {
		t.Errorf("%.1f MB, at most %.0f", size, targetBinary)
	}
}

// TestLoadChecksAnswers: a load against a system that answers wrongly fails.
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
		{"always refused", 503, `{"reason":"ServiceUnavailable"}`, "no good answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = fmt.Fprint(w, c.body)
			}))
			defer server.Close()
			l := load{
				addrs: []string{server.Listener.Addr().String()}, connections: 4, length: 20 * time.Millisecond, limit: math.MaxUint64,
				step: func(c *client, op uint64) error { return c.doVerify(op, 1, http.StatusOK, right) },
			}
			_, err := l.run(t.Context())
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// TestLoadEnds: neither a limit nor a server that does not answer keeps a load running.
func TestLoadEnds(t *testing.T) {
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	defer server.Close()
	defer close(hang)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	l := load{
		addrs: []string{server.Listener.Addr().String()}, connections: 2, length: time.Millisecond, limit: math.MaxUint64,
		step: func(c *client, op uint64) error { return c.doVerify(op, 1, http.StatusOK, right) },
	}
	if _, err := l.run(ctx); err == nil {
		t.Error("no error without an answer")
	}
}

func TestRecipientsAreDistinctAndKnown(t *testing.T) {
	for _, n := range []uint64{0, 1, lines - 1, lines, 7*lines + 12345, 10*lines - 1} {
		to := recipientOf(n)
		if len(to) != len(recipientField) || entryOf(to) != n {
			t.Errorf("entry %d has the recipient %s, which has entry %d", n, to, entryOf(to))
		}
	}
}

func TestTable(t *testing.T) {
	sampleOf := func(round int, system string, ops int) sample {
		return sample{Round: round, Workload: "create", Connections: 4, System: system, CPUPerOp: float64(ops),
			result: result{Ops: ops, Elapsed: time.Second, P50: time.Millisecond, P99: 2 * time.Millisecond}}
	}
	samples := []sample{
		sampleOf(1, "b", 100), sampleOf(1, "a", 50),
		sampleOf(2, "a", 90), sampleOf(2, "b", 100),
		sampleOf(3, "b", 200), sampleOf(3, "a", 140),
	}
	var out bytes.Buffer
	if err := writeTable(&out, samples, []string{"a", "b"}, []string{"b"}); err != nil {
		t.Fatal(err)
	}
	rows := strings.Split(out.String(), "\n")
	if len(rows) != 4 || strings.Join(strings.Fields(rows[1]), " ") != "create 4 a 90 1.00 2.00 90 0 0 0.00% 0.70 (0.50–0.90) 0.70 (0.50–0.90)" {
		t.Errorf("table:\n%s", &out)
	}
}

func TestBadFlags(t *testing.T) {
	for _, args := range [][]string{
		{}, {"fast"}, {"speed", "-rounds", "0"}, {"speed", "-connections", "x"}, {"speed", "-workloads", "all"},
		{"speed", "-service", "./binary"}, {"memory", "-entries", "0"}, {"growth", "-entries", "many"}, {"start", "-starts", "0"},
		{"capacity", "-connections", "1"},
	} {
		if err := run(t.Context(), args, &bytes.Buffer{}, &bytes.Buffer{}); err == nil {
			t.Errorf("%v is accepted", args)
		}
	}
}

// TestCapacity works a fleet out by hand.
func TestCapacity(t *testing.T) {
	var samples []sample
	for _, w := range workloads() {
		for _, system := range []string{"service", floorCommand, sharingFloor} {
			s := sample{Workload: w.name, Connections: planned, System: system, CPUPerOp: 1000, RedisPerOp: 250}
			if system != "service" {
				s.CPUPerOp = 1
			}
			samples = append(samples, s)
		}
	}
	r := report{Speed: "the speed\n"}
	r.plan(samples, []kept{{each: 200}, {each: 300}, {each: 420}, {each: 600}})
	// 100 million a day are 5,787 a second at the peak: 5.8 processors of
	// replicas, 1.4 of Redis. 20.8 million entries wait, of 300 bytes; and
	// 100 million numbers have 120 and 180 bytes: 36.25 GB.
	f := r.Fleets[3]
	if math.Round(f.PerSecond) != 5787 || math.Round(f.Pending) != 20_833_333 || math.Round(100*f.Gigabytes) != 3625 ||
		f.Replicas != 6 || f.Masters != 5 || math.Round(10*f.Redis1) != 14 {
		t.Errorf("%+v", f)
	}
	var document bytes.Buffer
	if err := r.write(&document); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| 100,000,000 | 5,787 | 20,833,333 | 36 GB | 5.8, 1.4 | 6 | 5 |\n", "```\nthe speed\n```\n",
		"| checks a second, for each Redis master | 4,000 |",
	} {
		if !strings.Contains(document.String(), want) {
			t.Errorf("lacks %q:\n%s", want, &document)
		}
	}
}
