package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"slices"
	"time"
)

const planned = 32 // connections of growth and capacity: busy, and answers are still quick

// workload is one kind of operation.
type workload struct {
	name    string
	entries uint64 // created before the run, at most; 0: the step chooses its entry
	once    bool   // each entry is used once; otherwise in turn
	step    func(c *client, n uint64) error
}

var (
	create = workload{name: "create", step: func(c *client, _ uint64) error {
		n := c.env.unused(1)
		return c.create(n, n)
	}}
	wrong     = workload{name: "wrong", entries: 10_000, step: (*client).wrong}
	right     = workload{name: "right", entries: 30_000, once: true, step: (*client).right}
	workloads = []workload{create, wrong, right}
)

// system is what is compared: replicas of one program that share a Redis.
type system struct {
	name           string
	redisAt        string // name of the place
	redis          redisServer
	replicas       []replica
	first, entries uint64 // which the step gets in turn; no entries: each run starts with an empty Redis
}

// group is a workload on systems that are compared.
type group struct {
	workload
	connections int
	systems     []system
}

// speed measures the builds and the baseline side by side.
func (b *bench) speed(ctx context.Context, e *env, out io.Writer) {
	redis := e.startRedis(ctx)
	programs := slices.Clone(b.services)
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
			systems = append(systems, system{name: p.name, redisAt: redisAt, redis: redis, replicas: []replica{e.startReplica(ctx, p, addr)}})
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
	b.medians = writeTable(out, b.measure(ctx, e, groups), bases...)
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

// growth measures what more live entries, and what more replicas change.
func (b *bench) growth(ctx context.Context, e *env, out io.Writer) {
	p := b.services[0]
	var bySize []system
	for _, part := range []int{1000, 10, 1} {
		pairs := uint64(max(1, b.entries/part/2)) // entries 2n and 2n+1 are a pair
		s := system{name: fmt.Sprintf("entries=%d", 2*pairs), redisAt: "loopback", redis: e.startRedis(ctx), entries: pairs}
		log.Printf("storing %d entries", 2*pairs)
		seeder := e.startReplica(ctx, p, s.redis.addr, "SEND_LIMITS=off", "SEND_LIMITS_TOTAL=off", "UNVERIFIED_MODE=off") // the seeded messages must use up no limit
		s.first = e.seed(ctx, seeder, 2*pairs) / 2
		kill(seeder.cmd)
		s.replicas = []replica{e.startReplica(ctx, p, s.redis.addr)}
		bySize = append(bySize, s)
	}
	var byReplicas []system
	redis := e.startRedis(ctx)
	var replicas []replica
	for _, n := range []int{1, 2, 4} {
		for len(replicas) < n {
			replicas = append(replicas, e.startReplica(ctx, p, redis.addr))
		}
		byReplicas = append(byReplicas, system{name: fmt.Sprintf("replicas=%d", n), redisAt: "loopback", redis: redis, replicas: replicas})
	}
	// Of each pair one entry gets wrong codes. The other one is replaced, after which the
	// load does not know its code.
	wrongOfPair := workload{name: wrong.name, step: func(c *client, pair uint64) error { return c.wrong(2 * pair) }}
	replaceOfPair := workload{name: create.name, step: func(c *client, pair uint64) error {
		return c.create(2*pair+1, c.env.unused(1))
	}}
	samples := b.measure(ctx, e, []group{{wrongOfPair, planned, bySize}, {replaceOfPair, planned, bySize}, {right, planned, byReplicas}})
	writeTable(out, samples, bySize[0].name, byReplicas[0].name)
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
				s := e.run(ctx, g, g.systems[(i+round+n-1)%n], length) // in the order of the table in round 1
				if round > 0 {
					samples = append(samples, s)
				}
			}
		}
		log.Printf("round %d of %d done", round, b.rounds)
	}
	return samples
}

func (e *env) run(ctx context.Context, g group, s system, length time.Duration) sample {
	first, count := s.first, s.entries
	if count == 0 {
		check(s.redis.FlushAll(ctx).Err())
		const most = 8_000 // operations of one connection in a second
		count = min(g.entries, uint64(float64(most*g.connections)*length.Seconds())+1)
		if count > 0 {
			first = e.seed(ctx, s.replicas[0], count)
			time.Sleep(100 * time.Millisecond) // the system closes the connections that created the entries
		}
	}
	l := load{replicas: s.replicas, connections: g.connections, length: length}
	if g.once {
		l.limit = count
	}
	l.step = func(c *client, op uint64) error { return g.step(c, first+op%max(1, count)) }

	idle, _, _ := s.spent()
	mallocs, own, redis := s.spent()
	reading := mallocs - idle // what a reading allocates
	ops, v, err := e.load(ctx, l)
	if err != nil {
		check(fmt.Errorf("%s with %d connections on %s: %w", g.name, g.connections, s.name, err))
	}
	mallocsNow, ownNow, redisNow := s.spent()
	v[cpu] = (ownNow - own).Seconds() * 1e6 / ops
	v[redisCPU] = (redisNow - redis).Seconds() * 1e6 / ops
	v[allocs] = (mallocsNow - mallocs - reading) / ops
	return sample{row{g.name, g.connections, s.redisAt, s.name}, v}
}

// spent returns what the system has used since it was started: allocations, and
// processor time of the replicas and of Redis.
func (s system) spent() (mallocs float64, own, redis time.Duration) {
	for _, r := range s.replicas {
		mallocs += r.mallocs()
		own += must(cpuTime(r.cmd.Process.Pid))
	}
	return mallocs, own, must(cpuTime(s.redis.cmd.Process.Pid))
}
