package main

import (
	"context"
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
	keep        bool // what is in Redis already
}

// firstRate is how many operations per second are reckoned with before any
// were measured. Where it is too low the run ends early.
const firstRate = 10_000

func (o oneRun) run(ctx context.Context, rates map[string]float64) (sample, error) {
	if !o.keep {
		if err := o.lab.redis.empty(ctx); err != nil {
			return sample{}, err
		}
	}
	first, limit := uint64(0), uint64(math.MaxUint64)
	known := o.system.name + " " + o.workload.name
	if o.workload.entries != nil {
		rate := float64(firstRate)
		if rates[known] > 0 {
			rate = 1.5 * rates[known]
		}
		expected := uint64(rate * o.length.Seconds())
		count := o.workload.entries(expected)
		first = o.lab.reserve(count)
		if count == expected {
			limit = count
		}
		err := seedAll(ctx, first, count, func(ctx context.Context, n uint64) error {
			return o.system.seed(ctx, n, o.workload.attempts)
		})
		if err != nil {
			return sample{}, err
		}
	}
	before, reading, err := usageOf(ctx, o.system)
	if err != nil {
		return sample{}, err
	}
	load := load{
		addrs: []string{o.system.addr}, connections: o.connections, length: o.length, limit: limit,
		step: func(c *client, op uint64) error { return o.workload.step(c, o.lab, first, op) },
	}
	got, err := load.run(ctx)
	if err != nil {
		return sample{}, err
	}
	spent, err := cpuOf(o.system.pid())
	if err != nil {
		return sample{}, err
	}
	allocated, err := o.system.mallocs(ctx)
	if err != nil {
		return sample{}, err
	}
	ops := float64(got.Ops)
	if o.workload.entries != nil {
		rates[known] = max(rates[known], ops/got.Elapsed.Seconds())
	}
	return sample{
		Workload: o.workload.name, Connections: o.connections, System: o.system.name,
		CPUPerOp: float64((spent - before.cpu).Microseconds()) / ops,
		Allocs:   (allocated - before.mallocs - reading) / ops,
		result:   got,
	}, nil
}
