package codes

import (
	"context"
	"errors"
	"time"
)

// Pauses before what is left to do is tried again: each is twice as long as the
// one before it.
const (
	firstPause   = 250 * time.Millisecond
	longestPause = time.Second
)

// leftovers are what requests that have been answered have left to be done in
// the store, because it could not be reached then. Each is tried until it is
// done, for as long as that may help anybody. What a process that dies leaves,
// expires.
type leftovers struct {
	span   time.Duration // for which each is tried
	places chan struct{} // one taken for each; what finds none stays as it is until it expires
	stop   chan struct{}
}

func newLeftovers(most int, span time.Duration) *leftovers {
	return &leftovers{span: span, places: make(chan struct{}, most), stop: make(chan struct{})}
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
		end := time.Now().Add(l.span)
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
	for range cap(l.places) {
		select {
		case l.places <- struct{}{}: // also if ctx is over
			continue
		default:
		}
		select {
		case l.places <- struct{}{}:
		case <-ctx.Done():
			l.drop()
			return errors.New("codes: not everything was done that was left to do in the store")
		}
	}
	return nil
}

// drop gives up on what is left.
func (l *leftovers) drop() { close(l.stop) }
