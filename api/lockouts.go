package api

import (
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
	known map[codes.Digest]lockout
}

type lockout struct {
	limit string
	until time.Time
}

// add records that the address has reached the limit. If there are too many, it
// forgets an arbitrary other one.
func (l *lockouts) add(address codes.Digest, limit codes.LimitError, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.known, address)
	for other := range l.known {
		if len(l.known) < l.max {
			break
		}
		delete(l.known, other)
	}
	l.known[address] = lockout{limit: limit.Limit, until: now.Add(limit.RetryAfter)}
}

// check returns a *codes.LimitError while the address is over its limit.
func (l *lockouts) check(address codes.Digest, now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	known := l.known[address]
	left := known.until.Sub(now)
	if left <= 0 {
		delete(l.known, address)
		return nil
	}
	return &codes.LimitError{Limit: known.limit, RetryAfter: (left + time.Second - 1).Truncate(time.Second)}
}
