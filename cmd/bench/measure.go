package main

import (
	"context"
	"fmt"
	"time"
)

// workload is one kind of operation.
type workload struct {
	name    string
	plural  string // in the document
	entries uint64 // created before, at most; with none, every operation has an entry of its own
	once    bool   // each entry is used once; otherwise in turn
	step    func(c *client, n uint64) error
}

func workloads() []workload {
	return []workload{
		{name: "create", plural: "creates", step: create},
		{name: "wrong", plural: "wrong codes", entries: 10_000, step: (*client).wrong},
		{name: "right", plural: "right codes", entries: 30_000, once: true, step: (*client).right},
	}
}

func create(c *client, n uint64) error { return c.create(n, n) }

// measurement is one workload on one system.
type measurement struct {
	env         *env
	system      *system
	workload    workload
	redisAt     string // name of the place where Redis is
	connections int
	empty       bool // Redis has no keys before
}

// measure runs every measurement once in each round. Those of a group are
// compared with each other, so they take turns in being the first.
func (b *bench) measure(ctx context.Context, groups [][]measurement) (samples []sample, err error) {
	time.Sleep(settling)
	for round := range b.rounds + 1 {
		length := b.length
		if round == 0 { // pools and heaps grow: not counted
			length = min(length, time.Second/4)
		}
		for _, group := range groups {
			for i, n := 0, len(group); i < n; i++ {
				s, err := group[(i+round+n-1)%n].run(ctx, length) // in the order of the table in round 1
				if err != nil {
					return nil, err
				}
				if round > 0 {
					samples = append(samples, s)
				}
			}
		}
		b.report("round %d of %d done", round, b.rounds)
	}
	return samples, nil
}

// used returns the allocations of a system and the processor time that it and
// its Redis have used since they started.
func (m measurement) used(ctx context.Context) (mallocs float64, cpu, redis time.Duration, err error) {
	if mallocs, err = m.system.mallocs(ctx); err != nil {
		return
	}
	if cpu, err = cpuTime(m.system.pid); err != nil {
		return
	}
	redis, err = cpuTime(m.env.redis.pid)
	return
}

func (m measurement) run(ctx context.Context, length time.Duration) (s sample, err error) {
	e := m.env
	if m.empty {
		if err := e.client.FlushAll(ctx).Err(); err != nil {
			return s, err
		}
	}
	const most = 8_000 // operations of one connection in a second
	count := min(m.workload.entries, uint64(float64(most*m.connections)*length.Seconds())+1)
	first, err := e.seed(ctx, m.system, count)
	if err != nil {
		return s, fmt.Errorf("create entries: %w", err)
	}
	if count > 0 {
		time.Sleep(100 * time.Millisecond) // the system closes the connections that created the entries
	}
	l := load{addrs: []string{m.system.addr}, connections: m.connections, length: length, limit: unlimited}
	if m.workload.once {
		l.limit = count
	}
	l.step = func(c *client, op uint64) error {
		if count == 0 {
			return m.workload.step(c, e.used.Add(1)-1)
		}
		return m.workload.step(c, first+op%count)
	}
	idle, err := m.system.mallocs(ctx)
	if err != nil {
		return s, err
	}
	mallocs, cpu, redis, err := m.used(ctx)
	if err != nil {
		return s, err
	}
	got, err := e.load(ctx, l)
	if err != nil {
		return s, fmt.Errorf("%s with %d connections on %s: %w", m.workload.name, m.connections, m.system.name, err)
	}
	mallocsNow, cpuNow, redisNow, err := m.used(ctx)
	ops, reading := float64(got.ops), mallocs-idle
	return sample{
		row:    row{m.workload.name, m.connections, m.redisAt, m.system.name},
		result: got,
		cpu:    float64((cpuNow - cpu).Microseconds()) / ops,
		redis:  float64((redisNow - redis).Microseconds()) / ops,
		allocs: (mallocsNow - mallocs - reading) / ops,
	}, err
}
