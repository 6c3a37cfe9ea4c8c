package main

import (
	"context"
	"fmt"
	"io"
	"log"
)

const planned = 32 // connections: busy, and answers are still quick

// growth measures what more live entries, and what more replicas change.
func (b *bench) growth(ctx context.Context, out io.Writer) {
	e := newEnv()
	defer e.close()
	p := e.build(ctx, b.services[0])
	// Half of the entries get wrong codes. The others are replaced, and their
	// codes are not known then.
	wrong := group{workload{name: "wrong", step: func(c *client, n uint64) error { return c.wrong(n &^ 1) }}, planned, nil}
	create := group{workload{name: "create", step: func(c *client, n uint64) error { return c.create(n|1, c.env.unused()) }}, planned, nil}
	for _, part := range []int{1000, 10, 1} {
		s := system{redisAt: "loopback", redis: e.startRedis(ctx), entries: uint64(max(2, b.entries/part) &^ 1)}
		s.name = fmt.Sprint(s.entries, " entries")
		log.Printf("storing %d entries", s.entries)
		seeder := e.startReplica(ctx, p, s.redis.addr, "SEND_LIMITS=off", "SEND_LIMITS_TOTAL=off")
		s.first = e.seed(ctx, seeder, s.entries)
		seeder.end()
		s.replicas = []*replica{e.startReplica(ctx, p, s.redis.addr)}
		wrong.systems, create.systems = append(wrong.systems, s), append(create.systems, s)
	}
	// Each code is entered over different connections and so mostly at
	// different replicas.
	twice := group{workload{name: "twice", entries: 20_000, uses: 2, step: (*client).right}, planned, nil}
	redis := e.startRedis(ctx)
	var replicas []*replica
	for _, n := range []int{1, 2, 4} {
		for len(replicas) < n {
			replicas = append(replicas, e.startReplica(ctx, p, redis.addr))
		}
		twice.systems = append(twice.systems, system{name: fmt.Sprintf("%d replicas", n), redisAt: "loopback", redis: redis, replicas: replicas})
	}
	samples := b.measure(ctx, e, []group{wrong, create, twice})
	writeTable(out, samples, []string{wrong.systems[0].name, twice.systems[0].name})
	_, _ = fmt.Fprintln(out, "\ntwice: each code is entered two times, and exactly one of the two was accepted.")
}
