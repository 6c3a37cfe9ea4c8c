package main

import (
	"cmp"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// fault is a row of the matrix.
type fault struct {
	name  string        // of the subtest
	what  string        // goes wrong
	want  string        // is answered; the bound stands where it says <bound>
	kept  string        // is checked not to be lost, besides what every load checks
	bound time.Duration // on what the row measures
	alone bool          // takes so much of the machine that others would notice
	run   func(t *testing.T, bound time.Duration) (measured string)
}

// TestFaults breaks one dependency of the program at a time, and checks its answers and
// the state of Redis and Flowroute afterwards. With FAULTS_TABLE=path it writes what it
// measured to that file.
func TestFaults(t *testing.T) {
	rows := slices.Concat(redisFaults(), failoverFaults(), flowrouteFaults(), replicaFaults())
	measured := make([]string, len(rows))
	t.Cleanup(func() { // after the rows, which run in parallel
		if path := os.Getenv("FAULTS_TABLE"); path != "" {
			writeTable(t, path, rows, measured)
		}
	})
	for i, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if !row.alone {
				t.Parallel()
			}
			measured[i] = "not run"
			defer func() {
				if t.Failed() {
					measured[i] = "FAILED " + measured[i]
				}
			}()
			measured[i] = row.run(t, row.bound)
			t.Log(measured[i])
		})
	}
}

const tableHead = `# Faults

This page shows how the service behaves when something that it depends on breaks. ` + "`make faults`" + ` generates it: the suite
` + "`TestFaults`" + ` of cmd/sms-verification causes each fault for real.

"Under load" means that clients create entries, enter wrong codes and then the right one, in parallel, before, during and after
the fault. Each load checks that:

- no code is accepted twice, and no more than ` + "`RETRIES_ALLOWED`" + ` wrong codes are compared
- each attempt is spent exactly once
- a create answered 200 sent one SMS, and one answered 503 sent none
- every answer arrives within 2 s
- memory and goroutines of the service return to where they were

| fault | expected | also checked | measured |
| --- | --- | --- | --- |
`

func writeTable(t *testing.T, path string, rows []fault, measured []string) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Error(err)
	}
	text := tableHead
	for i, row := range rows {
		want := strings.ReplaceAll(row.want, "<bound>", row.bound.String())
		text += fmt.Sprintf("| %s | %s | %s | %s |\n", row.what, want, cmp.Or(row.kept, "–"), cmp.Or(measured[i], "not run"))
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Error(err)
	}
}

// phase is how long a load runs before or after a fault.
func phase() time.Duration {
	if testing.Short() {
		return 700 * time.Millisecond
	}
	return 1500 * time.Millisecond
}

// millis rounds for the table.
func millis(d time.Duration) string { return d.Round(time.Millisecond).String() }

// scene is the simulator, and services over one Redis.
type scene struct {
	*testing.T
	redis *redistest.Instance
	sim   *flowroutetest.Server
	env   []string
	fleet []*process
	next  atomic.Int64 // number of the last recipient

	mu  sync.Mutex
	sms map[string][]string // the codes that were sent, by recipient
}

// setUp starts the simulator. The environment of its services has limits that are far
// off, so that they are counted too.
func setUp(t *testing.T, redis *redistest.Instance, extra ...string) *scene {
	s := &scene{T: t, redis: redis, sms: map[string][]string{}}
	s.sim = startSimulator(t, flowroutetest.Options{OnMessage: func(m flowroutetest.Message) {
		code, _, _ := strings.Cut(m.Body, "\n")
		s.mu.Lock()
		defer s.mu.Unlock()
		s.sms[m.To] = append(s.sms[m.To], code)
	}})
	s.env = environment(redis, s.sim, append([]string{"SEND_LIMITS=1000/1h", "GUESS_LIMITS=1000/1h"}, extra...)...)
	return s
}

// served sets up a scene with one service.
func served(t *testing.T, redis *redistest.Instance, extra ...string) *scene {
	s := setUp(t, redis, extra...)
	s.fleet = replicas(t, 1, s.env)
	return s
}

// url is the address of the first service.
func (s *scene) url() string { return s.fleet[0].URL }

// recipient returns a new number, which also serves as an auth_id.
func (s *scene) recipient() string { return fmt.Sprintf("1206%d", 2_000_000+s.next.Add(1)) }

func (s *scene) codes(recipient string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sms[recipient]
}

// made makes n entries and returns their ids and codes.
func (s *scene) made(n int) (made []entry) {
	s.Helper()
	for range n {
		to := s.recipient()
		if a := create(s, s.url(), to, to); a.status != http.StatusOK {
			s.Fatalf("create: %s", a.raw)
		}
		made = append(made, entry{to, s.codes(to)[0]})
	}
	return made
}

type entry struct{ id, code string }
