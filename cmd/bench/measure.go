package main

import (
	"context"
	"fmt"
	"log"
	"time"
)

// workload is one kind of operation.
type workload struct {
	name    string
	entries uint64 // created before, at most; with none, step chooses its entry
	once    bool   // each entry is used once; otherwise in turn
	step    func(c *client, n uint64) error
}

var workloads = []workload{
	{name: "create", step: func(c *client, _ uint64) error {
		n := c.env.unused()
		return c.create(n, n)
	}},
	{name: "wrong", entries: 10_000, step: (*client).wrong},
	{name: "right", entries: 30_000, once: true, step: (*client).right},
}

// unused returns an entry that was not used before.
func (e *env) unused() uint64 { return e.used.Add(1) - 1 }

// system is what is compared: replicas of one program that share a Redis.
type system struct {
	name           string
	redisAt        string // name of the place
	redis          *redisServer
	replicas       []*replica
	first, entries uint64 // that are kept in Redis; the workloads get every second one
}

// spent returns what the system has used since it was started: allocations, and
// processor time of the replicas and of Redis.
func (s system) spent() (mallocs float64, own, redis time.Duration) {
	for _, r := range s.replicas {
		mallocs += r.mallocs()
		own += must(cpuTime(r.pid))
	}
	return mallocs, own, must(cpuTime(s.redis.pid))
}

// group is a workload on systems that are compared.
type group struct {
	workload    workload
	connections int
	systems     []system
}

// measure runs every group once in each round. The systems of a group take
// turns in being the first.
func (b *bench) measure(ctx context.Context, e *env, groups []group) (samples []sample) {
	time.Sleep(settling)
	for round := range b.rounds + 1 {
		length := b.length
		if round == 0 { // pools and heaps grow: not counted
			length = min(length, time.Second/4)
		}
		for _, g := range groups {
			for i, n := 0, len(g.systems); i < n; i++ {
				s := e.run(ctx, g.workload, g.connections, g.systems[(i+round+n-1)%n], length) // in the order of the table in round 1
				if round > 0 {
					samples = append(samples, s)
				}
			}
		}
		log.Printf("round %d of %d done", round, b.rounds)
	}
	return samples
}

func (e *env) run(ctx context.Context, w workload, connections int, s system, length time.Duration) sample {
	first, count, stride := s.first, s.entries, uint64(2)
	if count == 0 {
		stride = 1
		check(s.redis.client.FlushAll(ctx).Err())
		const most = 8_000 // operations of one connection in a second
		count = min(w.entries, uint64(float64(most*connections)*length.Seconds())+1)
		first = e.seed(ctx, s.replicas[0], count)
		time.Sleep(100 * time.Millisecond) // the system closes the connections that created the entries
	}
	l := load{replicas: s.replicas, connections: connections, length: length, limit: unlimited}
	if w.once {
		l.limit = count
	}
	l.step = func(c *client, op uint64) error { return w.step(c, first+op*stride%max(1, count)) }

	idle, _, _ := s.spent()
	mallocs, own, redis := s.spent()
	reading := mallocs - idle // what a reading allocates
	got, err := e.load(ctx, l)
	if err != nil {
		check(fmt.Errorf("%s with %d connections on %s: %w", w.name, connections, s.name, err))
	}
	mallocsNow, ownNow, redisNow := s.spent()
	ops := float64(got.ops)
	return sample{row{w.name, connections, s.redisAt, s.name}, values{
		rate:     ops / got.elapsed.Seconds(),
		p50:      got.p50.Seconds() * 1e3,
		p99:      got.p99.Seconds() * 1e3,
		cpu:      (ownNow - own).Seconds() * 1e6 / ops,
		redisCPU: (redisNow - redis).Seconds() * 1e6 / ops,
		allocs:   (mallocsNow - mallocs - reading) / ops,
		refused:  100 * float64(got.refused) / (ops + float64(got.refused)),
	}}
}
