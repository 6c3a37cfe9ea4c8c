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
// received the answer to the last one.
type load struct {
	addrs       []string // of the systems, which get the connections in turn
	connections int
	length      time.Duration
	step        func(c *client, op uint64) error // does one operation and checks its answers
	limit       uint64                           // number of operations
}

// result summarizes a load.
type result struct {
	ops      int // answered well
	refused  int // answered 503
	elapsed  time.Duration
	p50, p99 time.Duration
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
		defer func() { _ = c.conn.Close() }()
		clients[i] = c
	}
	ctx, cancel := context.WithTimeoutCause(ctx, l.length+answerTimeout, errors.New("no answer in time"))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		for _, c := range clients {
			_ = c.conn.SetDeadline(time.Unix(1, 0)) // ends every read
		}
	})
	defer stop()

	var next atomic.Uint64
	var wg sync.WaitGroup
	done := make([]answers, len(clients))
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

// isTimeout reports whether a read was ended because another connection failed.
func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

// answers is what one connection received.
type answers struct {
	took    []time.Duration
	refused int
}

func (l *load) loop(c *client, next *atomic.Uint64, end time.Time) (answers, error) {
	a := answers{took: make([]time.Duration, 0, 1<<14)}
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

func summary(done []answers, elapsed time.Duration) (result, error) {
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
		ops: len(took), refused: refused, elapsed: elapsed, p50: took[len(took)/2], p99: took[len(took)*99/100],
	}, nil
}
