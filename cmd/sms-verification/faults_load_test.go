package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

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

// unharmed finishes a load in which nothing may fail.
func (l *load) unharmed(bound time.Duration) string {
	l.Helper()
	result := l.finish()
	l.only(gotCreated, gotRight, gotWrong, gotUnknown)
	l.within(bound)
	return result
}

// recovers ends a load some time after the fault is over, and checks that no
// request failed for longer than bound since.
func (l *load) recovers(since time.Time, bound time.Duration) string {
	l.Helper()
	time.Sleep(time.Until(since.Add(bound + 1500*time.Millisecond))) // so that one begins in time to be seen fail
	failed := l.failedFor(since)
	if failed > bound {
		l.Errorf("requests failed until %v after the fault was over, want %v", failed, bound)
	}
	result := l.finish()
	l.only(gotCreated, gotRight, gotWrong, gotUnknown, gotUnavailable)
	return fmt.Sprintf("served after %s; %s", millis(failed), result)
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
