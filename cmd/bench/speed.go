package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// plan is what speed runs.
type plan struct {
	rounds      int
	seconds     float64
	connections [2][]uint64 // with Redis on loopback, and at the distance
	distance    time.Duration
	workloads   []workload
	services    []service // the others are compared with the first
	baselines   []string
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

func parsePlan(args []string) (p *plan, err error) {
	p = &plan{}
	flags := flag.NewFlagSet("speed", flag.ContinueOnError)
	flags.IntVar(&p.rounds, "rounds", 5, "rounds; each runs everything once")
	flags.Float64Var(&p.seconds, "seconds", 2, "seconds of each run")
	near := flags.String("connections", "1,32,64", "numbers of connections with Redis on loopback; empty: not measured")
	flags.DurationVar(&p.distance, "distance", time.Millisecond, "how far away Redis is, each way; 0: loopback only")
	far := flags.String("distance-connections", "1,32", "numbers of connections with Redis at that distance")
	names := flags.String("workloads", "create,wrong,right", "workloads: create, wrong, right, and cycle: a create, a wrong code and the right one")
	services := flags.String("service", "service=.", "builds of the service, each name=binary or name=folder of the source, such as old=/tmp/old,new=.")
	compare := flags.Bool(baselineCommand, true, "measure the baseline too")
	pipeline := flags.Bool(autoPipeline, false, "measure the baseline with go-redis' AutoPipeline too")
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
	for i, list := range []string{*near, *far} {
		if p.connections[i], err = parseNumbers(list); err != nil {
			return nil, fmt.Errorf("connections: %w", err)
		}
	}
	for name := range strings.SplitSeq(*names, ",") {
		all := workloads()
		i := slices.IndexFunc(all, func(w workload) bool { return w.name == name })
		if i < 0 {
			return nil, fmt.Errorf("-workloads: there is no %q", name)
		}
		p.workloads = append(p.workloads, all[i])
	}
	if *compare {
		p.baselines = append(p.baselines, baselineCommand)
	}
	if *pipeline {
		p.baselines = append(p.baselines, autoPipeline)
	}
	p.services, err = parseServices(*services)
	return p, err
}

// parseNumbers parses a list such as 1,32. An empty list has no numbers.
func parseNumbers(list string) (numbers []uint64, err error) {
	for text := range strings.FieldsFuncSeq(list, func(c rune) bool { return c == ',' }) {
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
func (p *plan) bases() []string {
	bases := slices.Clone(p.baselines[:min(1, len(p.baselines))])
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
	connections []uint64
	systems     []*system
}

// run returns the samples of all rounds, and lines that say how far away Redis
// was.
func (p *plan) run(ctx context.Context, progress io.Writer) (samples []sample, notes string, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	e, err := newEnv(ctx)
	if err != nil {
		return nil, "", err
	}
	defer e.close()
	proxy, err := startDistance(ctx, e.redis.addr, p.distance)
	if err != nil {
		return nil, "", err
	}
	places := []*place{
		{name: "loopback", addr: e.redis.addr, connections: p.connections[0]},
		{name: p.distance.String(), addr: proxy.addr, each: p.distance, connections: p.connections[1]},
	}
	if len(p.connections[1]) == 0 {
		places = places[:1]
	}
	for _, at := range places {
		trip, err := roundTrip(ctx, at.addr)
		if err != nil {
			return nil, "", err
		}
		notes += fmt.Sprintf("Redis at %s: a PING takes %.2f ms there and back.\n", at.name, trip.Seconds()*1e3)
	}
	defer func() {
		for _, at := range places {
			for _, s := range at.systems {
				s.end()
			}
		}
	}()
	if err := p.start(ctx, e, places, progress); err != nil {
		return nil, "", err
	}
	for round := range p.rounds + 1 {
		got, err := p.round(ctx, e, places, round)
		if err != nil {
			return nil, "", err
		}
		if round > 0 { // in the first one, pools and heaps grow
			samples = append(samples, got...)
		}
		_, _ = fmt.Fprintf(progress, "round %d of %d done\n", round, p.rounds)
	}
	if len(places) > 1 {
		notes += fmt.Sprintf("Under load, the proxy forwarded %.2f ms late on average, each way.\n", proxy.lateness().Seconds()*1e3)
	}
	return samples, notes, nil
}

// start builds and starts every system at every place. On loopback they always
// run, because they create the entries.
func (p *plan) start(ctx context.Context, e *env, places []*place, progress io.Writer) error {
	for _, s := range p.services {
		_, _ = fmt.Fprintf(progress, "building %s\n", s.name)
		binary, err := e.build(ctx, s.name, s.path)
		if err != nil {
			return err
		}
		for _, at := range places {
			running, err := e.startService(ctx, s.name, binary, at.addr, p.settings...)
			if err != nil {
				return err
			}
			at.systems = append(at.systems, running)
		}
	}
	for _, name := range p.baselines {
		for _, at := range places {
			running, err := e.startBaseline(ctx, name, at.addr)
			if err != nil {
				return err
			}
			at.systems = append(at.systems, running)
		}
	}
	return nil
}

// round measures everything once. Systems that are compared take turns in
// being the first.
func (p *plan) round(ctx context.Context, e *env, places []*place, round int) (samples []sample, err error) {
	m := measurement{env: e, length: time.Duration(p.seconds * float64(time.Second))}
	if round == 0 {
		m.length = min(m.length, time.Second/4)
	}
	connections := slices.Compact(slices.Sorted(slices.Values(slices.Concat(p.connections[:]...))))
	for _, m.workload = range p.workloads {
		for _, m.connections = range connections {
			for _, m.place = range places {
				if !slices.Contains(m.place.connections, m.connections) {
					continue
				}
				for i, n := 0, len(m.place.systems); i < n; i++ {
					turn := (i + round + n - 1) % n // in the order of the table in round 1
					m.system, m.seeder = m.place.systems[turn], places[0].systems[turn]
					if err := e.redis.clear(ctx); err != nil {
						return nil, err
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
