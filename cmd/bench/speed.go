package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"
)

// speed measures the builds and the baseline side by side.
func (b *bench) speed(ctx context.Context, out io.Writer) {
	e := newEnv()
	defer e.close()
	redis := e.startRedis(ctx)
	var programs []program
	for _, p := range b.services {
		programs = append(programs, e.build(ctx, p))
	}
	var bases []string
	if b.baseline {
		bases = append(bases, baselineName)
		programs = append(programs, program{baselineName, must(os.Executable()), []string{baselineName}})
	}
	if len(b.services) > 1 {
		bases = append(bases, b.services[0].name)
	}
	var groups []group
	add := func(redisAt, addr string) {
		var systems []system
		for _, p := range programs {
			systems = append(systems, system{name: p.name, redisAt: redisAt, redis: redis, replicas: []*replica{e.startReplica(ctx, p, addr)}})
		}
		for _, w := range b.workloads {
			for _, n := range b.connections {
				groups = append(groups, group{w, n, systems})
			}
		}
		_, _ = fmt.Fprintf(out, "Redis at %s: a PING takes %.2f ms there and back.\n", redisAt, roundTrip(ctx, addr))
	}
	add("loopback", redis.addr)
	if b.distance > 0 {
		add(b.distance.String(), e.distance(redis.addr, b.distance))
	}
	_, _ = fmt.Fprintln(out)
	b.samples = b.measure(ctx, e, groups)
	writeTable(out, b.samples, bases)
}

// roundTrip returns the median time of a PING to the Redis at addr, in
// milliseconds.
func roundTrip(ctx context.Context, addr string) float64 {
	client := dialRedis(addr)
	defer func() { _ = client.Close() }()
	took := make([]float64, 101)
	for i := range took {
		begun := time.Now()
		check(client.Ping(ctx).Err())
		took[i] = time.Since(begun).Seconds() * 1e3
	}
	return median(took)
}
