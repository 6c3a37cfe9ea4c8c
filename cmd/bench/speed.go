package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"
)

// plan is what speed runs.
type plan struct {
	rounds      int
	seconds     float64
	connections [2][]int // with Redis on loopback, and at the distance
	distance    time.Duration
	workloads   []workload
	services    []service // the first is compared with the others
	baseline    bool
	pipeline    bool     // measure the baseline with AutoPipeline too
	settings    []string // of the services, beside the usual ones
	raw         string   // file
}

// service is a build of the service: a binary, or the folder of its source.
type service struct{ name, path string }

func speed(ctx context.Context, args []string, out, progress io.Writer) error {
	p, err := parsePlan(args)
	if err != nil {
		return err
	}
	samples, notes, err := p.run(ctx, progress)
	if err != nil {
		return err
	}
	if p.raw != "" {
		if err := os.WriteFile(p.raw, benchmarkLines(samples), 0o600); err != nil {
			return err
		}
	}
	_, _ = fmt.Fprintln(out, notes)
	return writeTable(out, samples, p.bases())
}

func parsePlan(args []string) (*plan, error) {
	p := &plan{}
	flags := flag.NewFlagSet("speed", flag.ContinueOnError)
	flags.IntVar(&p.rounds, "rounds", 5, "rounds; each runs everything once")
	flags.Float64Var(&p.seconds, "seconds", 2, "seconds of each run")
	connections := flags.String("connections", "1,32,64", "numbers of connections with Redis on loopback; empty: not measured")
	flags.DurationVar(&p.distance, "distance", time.Millisecond, "how far away Redis is, each way; 0: loopback only")
	far := flags.String("distance-connections", "1,32", "numbers of connections with Redis at that distance")
	names := flags.String("workloads", "create,wrong,right", "workloads: create, wrong, right, and cycle: a create, a wrong code and the right one")
	services := flags.String("service", "service=.", "builds of the service, each name=binary or name=folder of the source, such as old=/tmp/old,new=.")
	flags.BoolVar(&p.baseline, baselineCommand, true, "measure the baseline too")
	flags.BoolVar(&p.pipeline, autoPipeline, false, "measure the baseline with go-redis' AutoPipeline too")
	flags.StringVar(&p.raw, "raw", "", "file to write every run to, in the format of Go benchmarks, for benchstat")
	flags.Func("env", "further setting of the services, such as GUESS_LIMITS=off; may be repeated", func(s string) error {
		p.settings = append(p.settings, s)
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if p.rounds < 1 || p.seconds <= 0 || p.distance < 0 || flags.NArg() > 0 {
		return nil, errors.New("-rounds and -seconds must be above 0, -distance at least 0, and nothing may follow the flags")
	}
	if p.distance == 0 {
		*far = ""
	}
	for i, list := range []string{*connections, *far} {
		numbers, err := parseNumbers(list)
		if err != nil {
			return nil, fmt.Errorf("connections: %w", err)
		}
		for _, n := range numbers {
			p.connections[i] = append(p.connections[i], int(n))
		}
	}
	for _, name := range strings.Split(*names, ",") {
		w, found := workloads()[name]
		if !found {
			return nil, fmt.Errorf("-workloads: there is no %q", name)
		}
		p.workloads = append(p.workloads, w)
	}
	var err error
	p.services, err = parseServices(*services)
	return p, err
}

// parseNumbers parses a list such as 1,32. An empty list has no numbers.
func parseNumbers(list string) (numbers []uint64, err error) {
	for text := range strings.SplitSeq(list, ",") {
		if list == "" {
			break
		}
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is not a number above 0", text)
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}

func parseServices(list string) (services []service, err error) {
	for text := range strings.SplitSeq(list, ",") {
		name, path, found := strings.Cut(text, "=")
		if !found || name == "" || path == "" {
			return nil, fmt.Errorf("-service: %q is not name=path", text)
		}
		services = append(services, service{name, path})
	}
	return services, nil
}

// bases are the systems that the others are compared with.
func (p *plan) bases() (bases []string) {
	if p.baseline {
		bases = append(bases, baselineCommand)
	}
	if len(p.services) > 1 {
		bases = append(bases, p.services[0].name)
	}
	return bases
}

// place is where Redis is: on loopback or at a distance.
type place struct {
	name        string
	addr        string // of Redis
	each        time.Duration
	connections []int
	systems     []*system
}

// run returns the samples of all rounds, and lines that say how far away Redis
// was.
func (p *plan) run(ctx context.Context, progress io.Writer) (samples []sample, notes string, err error) {
	e, err := newEnv(ctx)
	if err != nil {
		return nil, "", err
	}
	defer e.close()
	places := []*place{{name: "loopback", addr: e.redis.addr, connections: p.connections[0]}}
	var proxy *distance
	if len(p.connections[1]) > 0 {
		if proxy, err = startDistance(e.redis.addr, p.distance); err != nil {
			return nil, "", err
		}
		defer proxy.close()
		places = append(places, &place{name: p.distance.String(), addr: proxy.addr(), each: p.distance, connections: p.connections[1]})
	}
	for _, at := range places {
		trip, err := roundTrip(ctx, at.addr)
		if err != nil {
			return nil, "", err
		}
		notes += fmt.Sprintf("Redis at %s: a PING takes %.2f ms there and back.\n", at.name, trip.Seconds()*1e3)
	}
	stop, err := p.start(ctx, e, places, progress)
	defer stop()
	if err != nil {
		return nil, "", err
	}
	for round := range p.rounds + 1 { // the first is not counted: pools and heaps grow
		got, err := p.round(ctx, e, places, round)
		if err != nil {
			return nil, "", err
		}
		if round > 0 {
			samples = append(samples, got...)
		}
		_, _ = fmt.Fprintf(progress, "round %d of %d done\n", round, p.rounds)
	}
	if proxy != nil {
		notes += fmt.Sprintf("Under load, what went to Redis or back was forwarded %.2f ms late on average.\n", proxy.lateness().Seconds()*1e3)
	}
	return samples, notes, nil
}

// round measures everything once.
func (p *plan) round(ctx context.Context, e *env, places []*place, round int) (samples []sample, err error) {
	length := time.Duration(p.seconds * float64(time.Second))
	if round == 0 {
		length = min(length, time.Second/4)
	}
	for _, w := range p.workloads {
		for _, at := range places {
			for _, connections := range at.connections {
				for i := range at.systems {
					i = (i + round) % len(at.systems) // none is always the first
					if err := e.redis.clear(ctx); err != nil {
						return nil, err
					}
					m := measurement{
						env: e, system: at.systems[i], seeder: places[0].systems[i], workload: w, place: at,
						connections: connections, length: length,
					}
					s, err := m.run(ctx)
					if err != nil {
						return nil, err
					}
					samples = append(samples, s)
				}
			}
		}
	}
	return samples, nil
}

// start builds and starts every system at every place. On loopback they always
// run, because they create the entries. The function that it returns ends all.
func (p *plan) start(ctx context.Context, e *env, places []*place, progress io.Writer) (stop func(), err error) {
	stop = func() {
		for _, at := range places {
			for _, s := range at.systems {
				s.end()
			}
		}
	}
	for _, s := range p.services {
		_, _ = fmt.Fprintf(progress, "building %s\n", s.name)
		binary, err := e.build(ctx, s.name, s.path)
		if err != nil {
			return stop, err
		}
		for _, at := range places {
			running, err := e.startService(ctx, s.name, binary, at.addr, p.settings...)
			if err != nil {
				return stop, err
			}
			at.systems = append(at.systems, running)
		}
	}
	var baselines []string
	if p.baseline {
		baselines = append(baselines, baselineCommand)
	}
	if p.pipeline {
		baselines = append(baselines, autoPipeline)
	}
	for _, name := range baselines {
		for _, at := range places {
			running, err := e.startBaseline(ctx, name, at.addr)
			if err != nil {
				return stop, err
			}
			at.systems = append(at.systems, running)
		}
	}
	return stop, nil
}

// workload is one kind of operation.
type workload struct {
	name    string
	entries uint64 // created before, at most
	once    bool   // each entry is used once; otherwise in turn
	step    func(c *client, e *env, n uint64) error
}

func workloads() map[string]workload {
	return map[string]workload{
		"create": {name: "create", step: func(c *client, _ *env, n uint64) error { return c.create(n, n) }},
		"wrong": {name: "wrong", entries: 10_000, step: func(c *client, e *env, n uint64) error {
			return c.wrong(n, e.codeOf(n))
		}},
		"right": {name: "right", entries: 30_000, once: true, step: func(c *client, e *env, n uint64) error {
			return c.right(n, e.codeOf(n))
		}},
		"cycle": {name: "cycle", step: cycle},
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
	connections    int
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
	l := load{addrs: []string{m.system.addr}, connections: m.connections, length: m.length, limit: math.MaxUint64}
	if m.workload.once {
		l.limit = count
	}
	l.step = func(c *client, op uint64) error {
		n := first
		if count > 0 {
			n += op % count
		} else {
			n = e.unused(1)
		}
		return m.workload.step(c, e, n)
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
