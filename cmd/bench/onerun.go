package main

import (
	"context"
	"fmt"
	"math"
	"time"
)

// oneRun is one workload against one system for some time.
type oneRun struct {
	lab         *lab
	system      *system
	workload    workload
	connections int
	length      time.Duration
}

// rates are the most operations per second that were seen so far, of a run's
// name.
type rates map[string]float64

func (o oneRun) name() string {
	return fmt.Sprintf("%s with %d connections against %s", o.workload.name, o.connections, o.system.name)
}

// firstRate is how many operations per second are reckoned with before any
// were measured. Where that is too few the run ends early.
const firstRate = 10_000

// prepare stores what the run needs, and returns the first entry and how many
// operations there is something to do for.
func (o oneRun) prepare(ctx context.Context, known rates) (first, limit uint64, err error) {
	if o.workload.entries == nil {
		return 0, math.MaxUint64, nil
	}
	rate := float64(firstRate)
	if known[o.name()] > 0 {
		rate = 1.5 * known[o.name()]
	}
	limit = uint64(math.Ceil(rate * o.length.Seconds()))
	count := o.workload.entries(limit)
	first = o.lab.reserve(count)
	err = seedAll(ctx, first, count, func(ctx context.Context, n uint64) error {
		return o.system.seed(ctx, n, o.workload.attempts)
	})
	return first, limit, err
}

func (o oneRun) run(ctx context.Context, known rates) (sample, error) {
	first, limit, err := o.prepare(ctx, known)
	if err != nil {
		return sample{}, err
	}
	idle, err := o.lab.usageOf(ctx, o.system)
	if err != nil {
		return sample{}, err
	}
	before, err := o.lab.usageOf(ctx, o.system)
	if err != nil {
		return sample{}, err
	}
	load := load{
		addrs: []string{o.system.addr}, connections: o.connections, length: o.length, limit: limit,
		step: func(c *client, op uint64) error { return o.workload.step(c, o.lab, first, op) },
	}
	got, err := load.run(ctx)
	if err != nil {
		return sample{}, fmt.Errorf("%s: %w", o.name(), err)
	}
	after, err := o.lab.usageOf(ctx, o.system)
	if err != nil {
		return sample{}, err
	}
	ops := float64(got.Ops)
	known[o.name()] = max(known[o.name()], ops/got.Elapsed.Seconds())
	return sample{
		Workload: o.workload.name, Connections: o.connections, System: o.system.name,
		CPUPerOp:   float64((after.cpu - before.cpu).Microseconds()) / ops,
		RedisPerOp: float64((after.redis - before.redis).Microseconds()) / ops,
		Allocs:     (after.mallocs - before.mallocs - (before.mallocs - idle.mallocs)) / ops, // without those of asking
		result:     got,
	}, nil
}
