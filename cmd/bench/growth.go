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
	wrong := group{workload: workload{name: "wrong", step: (*client).wrong}, connections: planned}
	create := group{workload: workload{name: "create", step: func(c *client, n uint64) error {
		return c.create(n+1, c.env.unused())
	}}, connections: planned}
	for _, part := range []int{1000, 10, 1} {
		s := system{redisAt: "loopback", redis: e.startRedis(ctx), entries: uint64(max(2, b.entries/part) &^ 1)}
		s.name = fmt.Sprintf("entries=%d", s.entries)
		log.Printf("storing %d entries", s.entries)
		seeder := e.startReplica(ctx, p, s.redis.addr, "SEND_LIMITS=off", "SEND_LIMITS_TOTAL=off")
		s.first = e.seed(ctx, seeder, s.entries)
		seeder.end()
		s.replicas = []*replica{e.startReplica(ctx, p, s.redis.addr)}
		wrong.systems, create.systems = append(wrong.systems, s), append(create.systems, s)
	}
	right := group{workload: workloads[2], connections: planned}
	redis := e.startRedis(ctx)
	var replicas []*replica
	for _, n := range []int{1, 2, 4} {
		for len(replicas) < n {
			replicas = append(replicas, e.startReplica(ctx, p, redis.addr))
		}
		right.systems = append(right.systems, system{name: fmt.Sprintf("replicas=%d", n), redisAt: "loopback", redis: redis, replicas: replicas})
	}
	samples := b.measure(ctx, e, []group{wrong, create, right})
	writeTable(out, samples, []string{wrong.systems[0].name, right.systems[0].name})
}
