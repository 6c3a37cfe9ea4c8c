package api

import (
	"container/list"
	"sync"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

const (
	// maxLockouts bounds the memory of lockouts. A forgotten address costs another round
	// trip to the store, nothing else.
	maxLockouts = 10_000

	// maxWrongKeys is how many wrong keys are counted at a time: a quarter of the
	// connections to the store, so that a flood of keys leaves the rest to requests.
	maxWrongKeys = 16
)

// lockouts remembers which addresses are over their limit of wrong keys, and until when.
type lockouts struct {
	max int

	mu    sync.Mutex
	known map[codes.Digest]*list.Element
	byAge *list.List // of *lockout, oldest first
}

type lockout struct {
	address codes.Digest
	limit   string
	until   time.Time
}

func newLockouts(maximum int) *lockouts {
	return &lockouts{max: maximum, known: map[codes.Digest]*list.Element{}, byAge: list.New()}
}

// add records that the address has reached the limit.
func (l *lockouts) add(address codes.Digest, limit codes.LimitError, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(l.known[address])
	if l.byAge.Len() >= l.max {
		l.drop(l.byAge.Front())
	}
	l.known[address] = l.byAge.PushBack(&lockout{address: address, limit: limit.Limit, until: now.Add(limit.RetryAfter)})
}

// check returns a *codes.LimitError while the address is over its limit.
func (l *lockouts) check(address codes.Digest, now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.known[address]
	if e == nil {
		return nil
	}
	known := e.Value.(*lockout)
	left := known.until.Sub(now)
	if left <= 0 {
		l.drop(e)
		return nil
	}
	return &codes.LimitError{Limit: known.limit, RetryAfter: (left + time.Second - 1).Truncate(time.Second)}
}

func (l *lockouts) drop(e *list.Element) {
	if e != nil {
		delete(l.known, e.Value.(*lockout).address)
		l.byAge.Remove(e)
	}
}
