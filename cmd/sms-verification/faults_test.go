package main

import (
	"cmp"
	"fmt"
	"math/rand/v2"
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

How the service behaves when something that it depends on breaks. ` + "`make faults`" + ` generates this file: the suite ` + "`TestFaults`" + ` of
cmd/sms-verification causes each fault for real.

Under load means that clients create entries and enter wrong codes and then the right one, in parallel, before, during and after
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

// setUp starts the simulator. Limits are on but far off, so that they are counted too.
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

// serve starts one more service.
func (s *scene) serve() *process {
	p := serveReady(s, s.env)
	s.fleet = append(s.fleet, p)
	return p
}

// recipient returns a new number, which also serves as an auth_id.
func (s *scene) recipient() string { return fmt.Sprintf("1206%d", 2_000_000+s.next.Add(1)) }

func (s *scene) codes(recipient string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sms[recipient]
}

// made makes n entries and returns their ids and codes.
func (s *scene) made(url string, n int) (made []entry) {
	s.Helper()
	for range n {
		to := s.recipient()
		if a := create(s, url, to, to); a.status != http.StatusOK {
			s.Fatalf("create: %s", a.raw)
		}
		made = append(made, entry{to, s.codes(to)[0]})
	}
	return made
}

type entry struct{ id, code string }

// load is a bounded closed loop: each worker makes an entry, enters wrong
// codes in parallel, then the right one in parallel and once more, and checks
// every answer by itself.
type load struct {
	*scene
	urls    []string
	headers []string // of every request
	forgets bool     // Redis may lose entries
	before  []footprint
	workers sync.WaitGroup
	ended   atomic.Bool

	mu         sync.Mutex
	answers    map[string]int // by kind
	slowest    time.Duration
	lastFailed time.Time // when the last request began that got 503 or no answer
	used       []entry
}

// The kinds of answer; others are a failure of the test.
const (
	gotCreated     = "created"
	gotRight       = "right"
	gotWrong       = "InvalidAuthCode"
	gotUnknown     = "UnknownAuthId"
	gotUnavailable = "ServiceUnavailable"
	gotNothing     = "none" // no answer, or that of a proxy that got none
)

// loads starts a load on all services, or on a proxy before them.
func (s *scene) loads(workers int, change ...func(*load)) *load {
	s.Helper()
	l := &load{scene: s, answers: map[string]int{}}
	for _, p := range s.fleet {
		l.urls = append(l.urls, p.URL)
	}
	for _, c := range change {
		c(l)
	}
	for range 20 {
		l.visit(0) // warm up, and see that all is well
	}
	for _, p := range s.fleet {
		l.before = append(l.before, p.footprint(s))
	}
	if l.only(gotCreated, gotRight, gotWrong, gotUnknown); s.Failed() {
		s.FailNow()
	}
	latest := time.Now().Add(time.Minute)
	for w := range workers {
		l.workers.Go(func() {
			for i := w; !l.ended.Load() && time.Now().Before(latest); i++ {
				l.visit(i)
			}
		})
	}
	s.Cleanup(l.end)
	return l
}

func (l *load) end() { l.ended.Store(true); l.workers.Wait() }

// finish ends the load, and checks used codes, the slowest answer and the footprint.
func (l *load) finish() string {
	l.Helper()
	l.end()
	const parallel = 8
	timed(parallel, func(first int) {
		for i := first; i < len(l.used); i += parallel {
			if l.check(l.used[i].id, l.used[i].code, nil) == gotRight {
				l.Error("a used code is accepted again")
			}
		}
	})
	var text []string
	for _, kind := range []string{gotCreated, gotRight, gotWrong, gotUnknown, gotUnavailable, gotNothing} {
		if n := l.answers[kind]; n > 0 {
			text = append(text, fmt.Sprintf("%d %s", n, kind))
		}
	}
	text = append(text, "slowest "+millis(l.slowest))
	l.within(2 * time.Second) // what is asked of Redis for one answer, one after the other
	for i, p := range l.fleet {
		select {
		case <-p.exited: // on purpose
		default:
			text = append(text, p.settles(l, l.before[i]))
		}
	}
	return strings.Join(text, ", ")
}

// only expects answers of these kinds only.
func (l *load) only(kinds ...string) {
	l.Helper()
	for kind, n := range l.answers {
		if !slices.Contains(kinds, kind) {
			l.Errorf("%d answers %s", n, kind)
		}
	}
}

// within checks the slowest answer.
func (l *load) within(bound time.Duration) {
	l.Helper()
	if bound = patient(bound); l.slowest > bound {
		l.Errorf("slowest answer %v, want %v", l.slowest, bound)
	}
}

// failedFor returns how long after a time the last request began that failed.
func (l *load) failedFor(since time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(0, l.lastFailed.Sub(since))
}

// total is the number of answers so far.
func (l *load) total() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, count := range l.answers {
		n += count
	}
	return n
}

// ask sends a request and counts its answer by its kind.
func (l *load) ask(path, body string) (string, *answer) {
	began := time.Now()
	a, err := request(http.MethodPost, l.urls[rand.IntN(len(l.urls))]+path, body, l.headers...)
	kind := gotNothing
	switch {
	case err != nil || a.status == http.StatusBadGateway || a.status == http.StatusGatewayTimeout:
		a = &answer{}
	case a.body.Authenticated:
		kind = gotRight
	case a.status == http.StatusOK:
		kind = gotCreated
	case slices.Contains([]string{gotWrong, gotUnknown, gotUnavailable}, a.body.Reason):
		kind = a.body.Reason
	default:
		kind = fmt.Sprintf("%d %s", a.status, a.raw)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers[kind]++
	l.slowest = max(l.slowest, time.Since(began))
	if (kind == gotUnavailable || kind == gotNothing) && began.After(l.lastFailed) {
		l.lastFailed = began
	}
	return kind, a
}

func (l *load) check(id, code string, left *int64) string {
	kind, a := l.ask("/verify", fmt.Sprintf(`{"auth_id":%q,"code":%q}`, id, code))
	if left != nil && a.body.AttemptsLeft != nil {
		*left = *a.body.AttemptsLeft
	}
	return kind
}

// visit is the life of one entry, with n%5 wrong codes.
func (l *load) visit(n int) {
	to := l.recipient()
	kind, _ := l.ask("/", fmt.Sprintf(`{"auth_id":%q,"recipient":%q}`, to, to))
	sent := l.codes(to)
	if len(sent) > 1 || kind == gotCreated && len(sent) == 0 || kind == gotUnavailable && len(sent) > 0 {
		l.Errorf("%d messages for a create that was answered: %s", len(sent), kind)
	}
	if kind == gotCreated && len(sent) == 1 {
		l.examine(entry{to, sent[0]}, n%5)
	} else {
		time.Sleep(20 * time.Millisecond) // no busy loop during an outage
	}
}

// examine enters wrong codes, then the right one three times. A check without an answer
// may have counted, once.
func (l *load) examine(e entry, wrongs int) {
	kinds, left := make([]string, wrongs), make([]int64, wrongs)
	timed(wrongs, func(i int) { kinds[i] = l.check(e.id, otherCode(e.code), &left[i]) })
	compared, unsure, lefts := 0, 0, map[int64]bool{}
	for i, kind := range kinds {
		switch kind {
		case gotWrong:
			compared++
			lefts[left[i]] = true
		case gotUnavailable, gotNothing:
			unsure++
		case gotRight:
			l.Error("a wrong code is accepted")
		}
	}
	if compared > attemptsAllowed || len(lefts) < compared && !l.forgets {
		l.Errorf("%d wrong codes compared, %d times another number of attempts left", compared, len(lefts))
	}
	for n := range lefts {
		if attemptsAllowed-int(n) > compared+unsure && !l.forgets {
			l.Errorf("%d attempts left after %d wrong codes and perhaps %d more", n, compared, unsure)
		}
	}
	if compared+unsure < min(wrongs, attemptsAllowed) && !l.forgets {
		l.Errorf("of %d wrong codes %d compared and %d perhaps", wrongs, compared, unsure)
	}

	rights := make([]string, 3)
	timed(2, func(i int) { rights[i] = l.check(e.id, e.code, nil) })
	rights[2] = l.check(e.id, e.code, nil)
	accepted := 0
	for _, kind := range rights {
		switch kind {
		case gotRight:
			accepted++
		case gotUnavailable, gotNothing:
			unsure++
		case gotWrong:
			l.Error("the right code is called wrong")
		}
	}
	if accepted > 1 || accepted > 0 && compared >= attemptsAllowed {
		l.Errorf("accepted %d times after %d wrong codes", accepted, compared)
	}
	if accepted == 0 && compared+unsure < attemptsAllowed && unsure == 0 && !l.forgets {
		l.Errorf("never accepted after %d wrong codes", compared)
	}
	if accepted > 0 {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.used = append(l.used, e)
	}
}
