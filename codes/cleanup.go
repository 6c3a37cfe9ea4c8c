package codes

import (
	"context"
	"errors"
	"time"
)

// Bounds of the cleanup that is pending while the store cannot be reached.
const (
	maxCleanup        = 1000
	cleanupFor        = 10 * time.Minute
	maxOrphanedClaims = 250
)

// Pauses between the attempts of a cleanup task: each is twice as long as the one
// before it.
const (
	firstPause   = 250 * time.Millisecond
	longestPause = time.Second
)

// cleanup retries tasks in the background that requests could not complete because
// the store could not be reached. If the process dies, the entries concerned expire.
type cleanup struct {
	span  time.Duration // for which each task is retried
	slots chan struct{} // one for each pending task; without a free one a task is dropped
	stop  chan struct{}
}

func newCleanup(most int, span time.Duration) *cleanup {
	return &cleanup{span: span, slots: make(chan struct{}, most), stop: make(chan struct{})}
}

// add retries task in the background until it succeeds. task must be idempotent.
func (c *cleanup) add(task func(ctx context.Context) error) {
	select {
	case c.slots <- struct{}{}:
	default:
		return
	}
	go func() {
		defer func() { <-c.slots }()
		end := time.Now().Add(c.span)
		for pause := firstPause; time.Now().Before(end); pause = min(2*pause, longestPause) {
			select {
			case <-c.stop:
				return
			case <-time.After(pause):
			}
			if task(context.Background()) == nil {
				return
			}
		}
	}()
}

// finish waits until no task is pending, or gives up when ctx ends. No task may be
// added after it.
func (c *cleanup) finish(ctx context.Context) error {
	for range cap(c.slots) {
		select {
		case c.slots <- struct{}{}: // even if ctx has ended
			continue
		default:
		}
		select {
		case c.slots <- struct{}{}:
		case <-ctx.Done():
			c.drop()
			return errors.New("codes: cleanup in the store is not complete")
		}
	}
	return nil
}

// drop abandons all pending tasks.
func (c *cleanup) drop() { close(c.stop) }
