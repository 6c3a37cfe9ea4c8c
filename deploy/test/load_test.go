package deploytest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes/codestest"
)

// load uses the service steadily, as applications do, and counts the answers.
type load struct {
	d    *deployment
	stop chan struct{}
	done sync.WaitGroup

	mu        sync.Mutex
	answers   int
	failures  []*answer
	surprises []string // answers that are wrong whatever happens to the deployment
	used      map[entry]string
}

const (
	workers = 8
	pause   = 20 * time.Millisecond // between two entries of a worker
)

// startLoad returns when every kind of request has succeeded once.
func startLoad(t *testing.T, d *deployment) *load {
	t.Helper()
	l := &load{d: d, stop: make(chan struct{}), used: map[entry]string{}}
	for range workers {
		l.done.Go(func() {
			for {
				select {
				case <-l.stop:
					return
				case <-time.After(pause):
					l.one()
				}
			}
		})
	}
	t.Cleanup(l.end)
	codestest.Await(t, 10*time.Second, "the load is there", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.used) > 10*workers
	})
	return l
}

func (l *load) end() {
	select {
	case <-l.stop:
	default:
		close(l.stop)
	}
	l.done.Wait()
}

// one creates an entry and enters a wrong code, the right one, and the right one
// again.
func (l *load) one() {
	e := newEntry()
	if a := l.note(l.d.create(e)); a.status != 200 {
		l.expectFailure(a, "create")
		return
	}
	code, err := l.d.codeOf(e)
	if err != nil {
		l.surprise("the message: %v", err)
		return
	}
	if a := l.note(l.d.check(e, wrong(code))); a.status != 400 || a.body.Reason != "InvalidAuthCode" || a.body.AttemptsLeft != 2 {
		l.expectFailure(a, "a wrong code")
	}
	// A client without an answer retries; the first check may have been right.
	right, a := 0, &answer{}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(pause) {
		if a = l.note(l.d.checkByGet(e, code)); !a.failed() {
			break
		}
		right = -1 // not known
	}
	switch {
	case a.status == 200:
	case right == -1 && a.body.Reason == "UnknownAuthId":
	default:
		l.surprise("the right code: %v", a)
	}
	l.mu.Lock()
	l.used[e] = code
	l.mu.Unlock()
	if a := l.note(l.d.check(e, code)); a.status != 400 || a.body.Reason != "UnknownAuthId" {
		l.expectFailure(a, "a used code")
	}
}

func (l *load) note(a *answer) *answer {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers++
	if a.failed() {
		l.failures = append(l.failures, a)
	}
	return a
}

// expectFailure records an answer that is neither right nor a failure.
func (l *load) expectFailure(a *answer, what string) {
	if !a.failed() {
		l.surprise("%s: %v", what, a)
	}
}

func (l *load) surprise(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.surprises = append(l.surprises, fmt.Sprintf(format, args...))
}

// finish ends the load, checks every used code again, and returns what failed.
func (l *load) finish(t *testing.T) []*answer {
	t.Helper()
	l.end()
	var again sync.WaitGroup
	turns := make(chan struct{}, workers)
	for e, code := range l.used {
		turns <- struct{}{}
		again.Go(func() {
			if a := l.d.check(e, code); a.body.Reason != "UnknownAuthId" {
				l.surprise("a used code afterwards: %v", a)
			}
			<-turns
		})
	}
	again.Wait()
	for _, s := range l.surprises {
		t.Error(s)
	}
	t.Logf("%d answers, %d codes used, %d failures", l.answers, len(l.used), len(l.failures))
	return l.failures
}
