package main

import (
	"context"
	"errors"
	"fmt"
	"math"
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
	limit       uint64                           // number of operations
	step        func(c *client, op uint64) error // does one operation and checks its answers
}

const unlimited = math.MaxUint64

// result summarizes a load.
type result struct {
	ops      int // answered as expected
	refused  int // answered 503
	elapsed  time.Duration
	p50, p99 time.Duration
}

func (r result) rate() float64 { return float64(r.ops) / r.elapsed.Seconds() }

// answerTimeout is how long the last answers may take after the load's end.
const answerTimeout = 10 * time.Second

// load runs a load. A wrong answer is an error, which ends it.
func (e *env) load(ctx context.Context, l load) (result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	late := time.AfterFunc(l.length+answerTimeout, func() { cancel(errors.New("no answer in time")) })
	defer late.Stop()
	var next, refused atomic.Uint64
	var wg sync.WaitGroup
	took := make([][]time.Duration, l.connections)
	begun := time.Now()
	for i := range took {
		c, err := e.dial(l.addrs[i%len(l.addrs)])
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
		return r, fmt.Errorf("no request succeeded within %v; %d were answered 503", r.elapsed, r.refused)
	}
	slices.Sort(all)
	r.p50, r.p99 = all[r.ops/2], all[r.ops*99/100]
	return r, nil
}

// forEach does step for count entries from first on.
// Nothing is measured, so a 503 of a busy machine is tried again.
func (e *env) forEach(ctx context.Context, s *system, first, count uint64, step func(c *client, n uint64) error) error {
	if count == 0 {
		return nil
	}
	_, err := e.load(ctx, load{
		addrs: []string{s.addr}, connections: 32, length: time.Hour, limit: count,
		step: func(c *client, op uint64) (err error) {
			for range 20 {
				if err = step(c, first+op); !errors.Is(err, errRefused) {
					return err
				}
			}
			return fmt.Errorf("%w for 20 times", err)
		},
	})
	return err
}

// seed creates count entries that were not used before and returns the first.
func (e *env) seed(ctx context.Context, s *system, count uint64) (first uint64, err error) {
	first = e.used.Add(count) - count
	return first, e.forEach(ctx, s, first, count, create)
}
