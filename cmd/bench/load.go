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

// run runs the load. A wrong answer is an error, which ends it.
func (l *load) run(ctx context.Context) (result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	late := time.AfterFunc(l.length+answerTimeout, func() { cancel(errors.New("no answer in time")) })
	defer late.Stop()
	var next, refused atomic.Uint64
	var wg sync.WaitGroup
	took := make([][]time.Duration, l.connections)
	begun := time.Now()
	for i := range took {
		c, err := dialClient(l.addrs[i%len(l.addrs)])
		if err != nil {
			return result{}, err
		}
		defer context.AfterFunc(ctx, func() { _ = c.conn.Close() })() // ends the read
		wg.Go(func() {
			defer func() { _ = c.conn.Close() }()
			for start := time.Now(); start.Sub(begun) < l.length; start = time.Now() {
				op := next.Add(1) - 1
				if op >= l.limit {
					return
				}
				switch err := l.step(c, op); {
				case err == nil:
					took[i] = append(took[i], time.Since(start))
				case errors.Is(err, errRefused):
					refused.Add(1)
				default:
					cancel(err) // the first error counts
					return
				}
			}
		})
	}
	wg.Wait()
	r := result{refused: int(refused.Load()), elapsed: time.Since(begun)}
	if ctx.Err() != nil {
		return r, context.Cause(ctx)
	}
	all := slices.Concat(took...)
	if r.ops = len(all); r.ops == 0 {
		return r, fmt.Errorf("no good answer within %v, %d times 503", r.elapsed, r.refused)
	}
	slices.Sort(all)
	r.p50, r.p99 = all[r.ops/2], all[r.ops*99/100]
	return r, nil
}
