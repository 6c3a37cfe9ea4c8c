package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"text/tabwriter"
	"time"
)

// grower measures what more entries and more replicas change.
type grower struct {
	binary        string
	rounds        int
	length        time.Duration
	out, progress io.Writer
}

func growth(ctx context.Context, args []string, out, progress io.Writer) error {
	g := grower{out: out, progress: progress}
	flags := flag.NewFlagSet("growth", flag.ContinueOnError)
	flags.IntVar(&g.rounds, "rounds", 5, "rounds; each runs everything once")
	flags.DurationVar(&g.length, "length", 2*time.Second, "length of each run")
	list := flags.String("entries", "1000,100000,1000000", "numbers of live entries; empty: not measured")
	path := flags.String("service", ".", "binary of the service, or the folder of its source")
	work := flags.Uint64("work", 20_000, "entries that the replicas check, each twice; 0: not measured")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if g.rounds < 1 || g.length <= 0 {
		return errors.New("-rounds and -length must be above 0")
	}
	sizes, err := parseNumbers(*list)
	if err != nil {
		return fmt.Errorf("-entries: %w", err)
	}
	e, err := newEnv(ctx)
	if err != nil {
		return err
	}
	defer e.close()
	if g.binary, err = e.build(ctx, "growth", *path); err != nil {
		return err
	}
	if len(sizes) > 0 {
		if err := g.entries(ctx, sizes); err != nil {
			return err
		}
	}
	if *work == 0 {
		return nil
	}
	return g.replicas(ctx, e, *work)
}

// among returns workloads that use all of the first count entries and leave
// their number as it is. One half gets wrong codes, the other is replaced.
func among(count uint64) []workload {
	half := max(1, count/2)
	pick := func(n uint64) uint64 { return n * 2_654_435_761 % half } // a prime: far apart
	return []workload{
		{name: "wrong", step: func(c *client, e *env, n uint64) error { return c.wrong(pick(n), e.codeOf(pick(n))) }},
		{name: "create", step: func(c *client, _ *env, n uint64) error { return c.create(half+pick(n), n) }},
	}
}

// entries puts the same load on Redis servers with more and more live entries,
// one after the other within each round.
func (g *grower) entries(ctx context.Context, sizes []uint64) error {
	var measurements []measurement
	for _, size := range sizes {
		e, err := newEnv(ctx)
		if err != nil {
			return err
		}
		defer e.close()
		_, _ = fmt.Fprintf(g.progress, "storing %d entries\n", size)
		seeder, err := e.startService(ctx, "seeder", g.binary, e.redis.addr, "SEND_LIMITS=off", "SEND_LIMITS_TOTAL=off")
		if err != nil {
			return err
		}
		err = e.seed(ctx, seeder, e.unused(size), size)
		seeder.end()
		if err != nil {
			return err
		}
		s, err := e.startService(ctx, fmt.Sprint(size), g.binary, e.redis.addr)
		if err != nil {
			return err
		}
		defer s.end()
		for _, w := range among(size) {
			measurements = append(measurements, measurement{
				env: e, system: s, workload: w, place: &place{name: "loopback"}, connections: planned, length: g.length,
			})
		}
	}
	slices.SortStableFunc(measurements, func(a, b measurement) int { return strings.Compare(b.workload.name, a.workload.name) })
	var samples []sample
	for round := range g.rounds + 1 { // the first is not counted
		for i := range measurements {
			n := len(measurements)
			s, err := measurements[(i+round+n-1)%n].run(ctx) // in the order of the table in round 1
			if err != nil {
				return err
			}
			if round > 0 {
				samples = append(samples, s)
			}
		}
		_, _ = fmt.Fprintf(g.progress, "round %d of %d done\n", round, g.rounds)
	}
	_, _ = fmt.Fprintln(g.out, "By live entries in Redis (the system's name), each compared with the fewest:")
	return writeTable(g.out, samples, []string{fmt.Sprint(sizes[0])})
}

// replicas lets one, two and four replicas on one Redis do the same work:
// check every entry's right code twice, of which exactly one may be right.
func (g *grower) replicas(ctx context.Context, e *env, entries uint64) error {
	var addrs []string
	var first *system
	for range 4 {
		s, err := e.startService(ctx, "replica", g.binary, e.redis.addr)
		if err != nil {
			return err
		}
		defer s.end()
		addrs = append(addrs, s.addr)
		first = s
	}
	counts := []int{1, 2, 4}
	perSecond := map[int][]float64{} // checks, by number of replicas
	for round := range g.rounds {
		for _, n := range counts {
			rate, err := e.twice(ctx, first, addrs[:n], entries)
			if err != nil {
				return fmt.Errorf("%d replicas: %w", n, err)
			}
			perSecond[n] = append(perSecond[n], rate)
		}
		_, _ = fmt.Fprintf(g.progress, "replicas: round %d of %d done\n", round+1, g.rounds)
	}
	w := tabwriter.NewWriter(g.out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(w, "\n%d entries checked twice each, exactly %[1]d times right\nreplicas\tchecks/s\tratio to one replica\n", entries)
	for _, n := range counts {
		ratio := make([]float64, g.rounds)
		for i := range ratio {
			ratio[i] = perSecond[n][i] / perSecond[1][i]
		}
		_, _ = fmt.Fprintf(w, "%d\t%.0f\t%s\n", n, median(perSecond[n]), spread(ratio))
	}
	return w.Flush()
}

// twice checks every entry with its right code two times, from different
// connections and so mostly at different replicas, and returns checks a second.
func (e *env) twice(ctx context.Context, seeder *system, addrs []string, entries uint64) (float64, error) {
	if err := e.redis.clear(ctx); err != nil {
		return 0, err
	}
	first := e.unused(entries)
	if err := e.seed(ctx, seeder, first, entries); err != nil {
		return 0, err
	}
	var rights atomic.Uint64
	l := load{
		addrs: addrs, connections: planned, length: time.Minute, limit: 2 * entries,
		step: func(c *client, op uint64) error {
			n := first + op/2
			err := c.right(n, e.codeOf(n))
			if err == nil {
				rights.Add(1)
			} else if c.answered(http.StatusBadRequest, unknown) {
				err = nil
			}
			return err
		},
	}
	got, err := l.run(ctx)
	if err != nil {
		return 0, err
	}
	// A check that was answered 503 may have been the right one.
	if n := rights.Load(); n > entries || n+uint64(got.refused) < entries {
		return 0, fmt.Errorf("%d entries were right %d times, with %d answers 503", entries, n, got.refused)
	}
	return float64(got.ops) / got.elapsed.Seconds(), nil
}
