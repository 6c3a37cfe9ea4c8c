package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// load is a closed loop: each connection sends its next request when it has
// the answer to the last.
type load struct {
	addrs       []string // of the systems, in turn for one connection each
	connections int
	length      time.Duration
	step        func(c *client, op uint64) error // one operation, whose answers it checks
	limit       uint64                           // operations that there is something to do for
}

// result is what a load saw.
type result struct {
	Ops     int           `json:"ops"`     // answered well
	Refused int           `json:"refused"` // answered 503
	Elapsed time.Duration `json:"elapsed_ns"`
	P50     time.Duration `json:"p50_ns"`
	P99     time.Duration `json:"p99_ns"`
}

// answerTimeout is how long the last answers may take after the load's end.
const answerTimeout = 10 * time.Second

// run runs the load. Any wrong answer is an error.
func (l *load) run(ctx context.Context) (result, error) {
	clients := make([]*client, l.connections)
	for i := range clients {
		c, err := dialClient(l.addrs[i%len(l.addrs)])
		if err != nil {
			return result{}, err
		}
		defer c.close()
		clients[i] = c
	}
	ctx, cancel := context.WithTimeoutCause(ctx, l.length+answerTimeout, errors.New("no answer in time"))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		for _, c := range clients {
			_ = c.net.SetDeadline(time.Unix(1, 0)) // wakes who waits
		}
	})
	defer stop()

	var next atomic.Uint64
	var wg sync.WaitGroup
	done := make([]answered, len(clients))
	errs := make([]error, len(clients))
	begun := time.Now()
	for i, c := range clients {
		wg.Go(func() {
			done[i], errs[i] = l.loop(c, &next, begun.Add(l.length))
			if errs[i] != nil {
				cancel()
			}
		})
	}
	wg.Wait()
	elapsed := time.Since(begun)
	for _, err := range errs {
		if err != nil && ctx.Err() != nil && !isTimeout(err) {
			return result{}, err
		}
	}
	if ctx.Err() != nil {
		return result{}, context.Cause(ctx)
	}
	return summary(done, elapsed)
}

// isTimeout tells a connection that was woken because another had failed.
func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

// answered is what one connection saw.
type answered struct {
	took    []time.Duration
	refused int
}

func (l *load) loop(c *client, next *atomic.Uint64, end time.Time) (answered, error) {
	a := answered{took: make([]time.Duration, 0, 1<<14)}
	for begun := time.Now(); begun.Before(end); {
		op := next.Add(1) - 1
		if op >= l.limit {
			break
		}
		err := l.step(c, op)
		now := time.Now()
		switch {
		case err == nil:
			a.took = append(a.took, now.Sub(begun))
		case errors.Is(err, errRefused):
			a.refused++
		default:
			return a, err
		}
		begun = now
	}
	return a, nil
}

func summary(done []answered, elapsed time.Duration) (result, error) {
	var took []time.Duration
	refused := 0
	for _, a := range done {
		took = append(took, a.took...)
		refused += a.refused
	}
	if len(took) == 0 {
		return result{}, fmt.Errorf("no good answer within %v, %d times 503", elapsed, refused)
	}
	slices.Sort(took)
	return result{
		Ops: len(took), Refused: refused, Elapsed: elapsed, P50: took[len(took)/2], P99: took[len(took)*99/100],
	}, nil
}
