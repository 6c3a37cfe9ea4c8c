package main

import (
	"context"
	"fmt"
	"math"
	"time"
)

// workload is one kind of operation.
type workload struct {
	name    string
	entries uint64 // created before, at most
	once    bool   // each entry is used once; otherwise in turn
	step    func(c *client, e *env, n uint64) error
}

func workloads() []workload {
	return []workload{
		{name: "create", step: func(c *client, _ *env, n uint64) error { return c.create(n, n) }},
		{name: "wrong", entries: 10_000, step: func(c *client, e *env, n uint64) error { return c.wrong(n, e.codeOf(n)) }},
		{name: "right", entries: 30_000, once: true, step: func(c *client, e *env, n uint64) error { return c.right(n, e.codeOf(n)) }},
		{name: "cycle", step: cycle},
	}
}

// cycle requests a code, enters a wrong one and then the right one.
func cycle(c *client, e *env, n uint64) error {
	if err := c.create(n, n); err != nil {
		return err
	}
	if err := c.wrong(n, e.codeOf(n)); err != nil {
		return err
	}
	return c.right(n, e.codeOf(n))
}

// measurement is one workload on one system for some time.
type measurement struct {
	env            *env
	system, seeder *system // the seeder creates the entries
	workload       workload
	place          *place
	connections    uint64
	length         time.Duration
}

// entries returns how many entries the run needs: at most those of the
// workload, and no more than that many connections can use. A run that has
// used all of them ends early.
func (m measurement) entries() uint64 {
	perSecond := 8_000.0 // of one connection on loopback
	if m.place.each > 0 {
		perSecond = min(perSecond, 1/(2*m.place.each.Seconds()))
	}
	needed := math.Ceil(float64(m.connections) * perSecond * m.length.Seconds())
	return min(m.workload.entries, uint64(needed))
}

func (m measurement) run(ctx context.Context) (sample, error) {
	count, e := m.entries(), m.env
	first := e.unused(count)
	if err := e.seed(ctx, m.seeder, first, count); err != nil {
		return sample{}, err
	}
	l := load{addrs: []string{m.system.addr}, connections: int(m.connections), length: m.length, limit: math.MaxUint64}
	if m.workload.once {
		l.limit = count
	}
	l.step = func(c *client, op uint64) error {
		if count == 0 {
			return m.workload.step(c, e, e.unused(1))
		}
		return m.workload.step(c, e, first+op%count)
	}
	idle, err := e.usageOf(ctx, m.system)
	if err != nil {
		return sample{}, err
	}
	before, err := e.usageOf(ctx, m.system)
	if err != nil {
		return sample{}, err
	}
	got, err := l.run(ctx)
	if err != nil {
		return sample{}, fmt.Errorf("%s with %d connections on %s: %w", m.workload.name, m.connections, m.system.name, err)
	}
	after, err := e.usageOf(ctx, m.system)
	if err != nil {
		return sample{}, err
	}
	ops := float64(got.ops)
	return sample{
		row:    row{m.workload.name, m.connections, m.place.name, m.system.name},
		result: got,
		cpu:    float64((after.cpu - before.cpu).Microseconds()) / ops,
		redis:  float64((after.redis - before.redis).Microseconds()) / ops,
		allocs: (after.mallocs - before.mallocs - (before.mallocs - idle.mallocs)) / ops, // without those of reading it
	}, nil
}
