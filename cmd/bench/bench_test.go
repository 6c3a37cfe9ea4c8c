package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// TestMain lets the test binary be the baseline, as the program is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == baselineName {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestCommands runs every command that measures for a moment. The load checks
// every answer.
func TestCommands(t *testing.T) {
	redistest.Server(t) // the test needs redis-server
	built := env{dir: t.TempDir()}
	service := built.build(t.Context(), program{path: "../.."})
	for _, c := range []struct {
		args string
		want []string // regular expressions
	}{
		{"speed -rounds 1 -seconds 0.1 -connections 4 -distance 3ms", []string{
			`Redis at loopback: a PING takes`, `create +4 +3ms +service/baseline +[0-9]`,
			// operations, latency of at least both ways, processor time and allocations are plausible
			`\nright +4 +loopback +service +[0-9]{3,} .* [1-9][0-9.]+ +[1-9][0-9.]+ +[1-9][0-9]{1,2}\.[0-9] +[0-9.]+\n`,
			`\nright +4 +3ms +service +[0-9]{2,} +([6-9]|[0-9]{2,})\.`,
		}},
		{"memory -entries 2000", []string{"c 2000 ×", "x ", "n 2000 ×", "w 2000 ×", "a 1 ×", "e [0-9]+ ×"}},
		{"growth -rounds 1 -seconds 0.03 -entries 2000", []string{
			`wrong +32 +loopback +entries=2000/entries=2 +[0-9]`, `create `, `right +32 +loopback +replicas=4/replicas=1 +[0-9]`,
		}},
		// A busy machine may miss the other targets.
		{"start -rounds 1 -seconds 0.1", []string{`start until ready`, `resident when idle`, `resident with`, `binary .*: met`}},
	} {
		command, _, _ := strings.Cut(c.args, " ")
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			var out strings.Builder
			if err := run(ctx, strings.Fields(c.args+" -service service="+service.path), &out); err != nil {
				t.Fatal(err)
			}
			for _, want := range c.want {
				if !regexp.MustCompile(want).MatchString(out.String()) {
					t.Errorf("lacks %q:\n%s", want, &out)
				}
			}
		})
	}
}

// TestDistance: many chunks are on their way at a time, each for as long as
// the distance says, and none is early.
func TestDistance(t *testing.T) {
	redis := redistest.Server(t)
	e := env{}
	defer e.end()
	const each, sent = 20 * time.Millisecond, 20
	conn, err := net.Dial("tcp", e.distance(redis.Addr, each))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	in, begun := bufio.NewReader(conn), time.Now()
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
		{"unknown", 400, `{"reason":"UnknownAuthId"}`, "wrong answer: 400"},
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
			_, _, err := e.load(ctx, load{
				replicas: []replica{{addr: server.Listener.Addr().String()}}, connections: 4,
				length: 20 * time.Millisecond, step: (*client).right,
			})
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// TestTable: ratios are taken within a round, in whatever order the systems ran.
func TestTable(t *testing.T) {
	var samples []sample
	for _, run := range []struct {
		system string
		rate   float64
	}{{"b", 100}, {"a", 50}, {"a", 90}, {"b", 100}, {"b", 200}, {"a", 140}} { // three rounds
		samples = append(samples, sample{row{"create", 4, "loopback", run.system}, values{run.rate, 1, 2, 3, 4, 5, 0}})
	}
	var out strings.Builder
	writeTable(&out, samples, "b")
	text := regexp.MustCompile(" +").ReplaceAllString(out.String(), " ")
	for _, want := range []string{"\ncreate 4 loopback a 90 1.00 2.00", "\ncreate 4 loopback a/b 0.70 (0.50–0.90) 1.00 (1.00–1.00)"} {
		if strings.Count(text, want) != 1 || strings.Contains(text, "b/b") {
			t.Errorf("lacks %q:\n%s", want, &out)
		}
	}
}

// TestCapacity works out a deployment by hand.
func TestCapacity(t *testing.T) {
	b := bench{services: []program{{name: "service"}}, distance: time.Millisecond, medians: map[row]values{}, bytes: []float64{200, 300, 420, 770, 870, 1050}}
	for _, w := range workloads {
		b.medians[row{w.name, planned, "loopback", "service"}] = values{rate: 100, cpu: 1, redisCPU: 1}
		b.medians[row{w.name, planned, "1ms", "service"}] = values{rate: 80, cpu: 400, redisCPU: 100}
		b.medians[row{w.name, planned, "1ms", baselineName}] = values{rate: 1, cpu: 1, redisCPU: 1}
	}
	// 100 million a day are 5,787 a second at the peak, of 3 requests each:
	// 6.9 processors of replicas, 1.7 of Redis. 20.8 million entries wait, of
	// 300 bytes; and 100 million numbers have 120, 350 and 180 bytes: 71.25 GB.
	figures, size := b.plan()
	for _, want := range []string{
		"| 100,000,000 | 5,787 | 20,833,333 | 71 GB | 6.9, 1.7 | 7 | 9 |\n",
		"| 1ms | right | 80 | 2,500 | 10,000 |\n",
		"| unverified message | 350 |",
	} {
		if !strings.Contains(figures+size, want) {
			t.Errorf("lacks %q:\n%s\n%s", want, figures, size)
		}
	}
	document := string(must(os.ReadFile("../../" + capacityFile)))
	for _, name := range []string{"machine", "size", "figures", "speed", "memory", "growth", "start"} {
		document = section(document, name, name) // panics if the document has no such section
	}
}
