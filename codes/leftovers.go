package codes

import (
	"context"
	"errors"
	"time"
)

// Bounds of what is left to do.
const (
	maxLeftovers = 1000 // at a time; what is more stays as it is until it expires
	leftoverTime = 10 * time.Minute
	firstPause   = 250 * time.Millisecond // before it is tried again; the next are twice as long each
	longestPause = time.Second
)

// leftovers are what requests that have been answered have left to be done in
// the store, because it could not be reached then: to remove an entry whose
// message was not sent, to give a place back, to settle a key. Each is tried
// until it is done, for as long as that may help anybody. What a process that
// dies leaves, expires.
type leftovers struct {
	places chan struct{} // one taken for each
	stop   chan struct{}
}

func newLeftovers() *leftovers {
	return &leftovers{places: make(chan struct{}, maxLeftovers), stop: make(chan struct{})}
}

// add does it, in a while and in the background. It must have one effect
// however often it is done.
func (l *leftovers) add(what func(ctx context.Context) error) {
	select {
	case l.places <- struct{}{}:
	default:
		return
	}
	go func() {
		defer func() { <-l.places }()
		end := time.Now().Add(leftoverTime)
		for pause := firstPause; time.Now().Before(end); pause = min(2*pause, longestPause) {
			select {
			case <-l.stop:
				return
			case <-time.After(pause):
			}
			if what(context.Background()) == nil {
				return
			}
		}
	}()
}

// finish waits until nothing is left to do, or gives up with ctx. After it
// there is nothing new.
func (l *leftovers) finish(ctx context.Context) error {
	for range maxLeftovers {
		select {
		case l.places <- struct{}{}: // also if ctx is over
			continue
		default:
		}
		select {
		case l.places <- struct{}{}:
		case <-ctx.Done():
			close(l.stop)
			return errors.New("codes: not everything was done that was left to do in the store")
		}
	}
	return nil
}
