package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"text/tabwriter"
	"time"
)

// growth shows what more entries and more replicas change.
func growth(ctx context.Context, args []string, out, progress io.Writer) error {
	flags := flag.NewFlagSet("growth", flag.ContinueOnError)
	rounds := flags.Int("rounds", 5, "rounds; each runs everything once")
	length := flags.Duration("length", 2*time.Second, "length of each run")
	connections := flags.Int("connections", 16, "number of connections")
	sizes := flags.String("entries", "1000,100000,3000000", "numbers of live entries; 0 leaves that part out")
	dir := flags.String("dir", ".", "folder of the source of the service")
	work := flags.Uint64("work", 20_000, "entries that the replicas check, each twice; 0 leaves that part out")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *rounds < 1 || *length <= 0 || *connections < 1 {
		return errors.New("-rounds, -length and -connections must be above 0")
	}
	var counts []uint64
	for _, text := range strings.Split(*sizes, ",") {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return fmt.Errorf("-entries: %q is not a number", text)
		}
		if n > 1 {
			counts = append(counts, n)
		}
	}
	g := grower{rounds: *rounds, length: *length, connections: *connections, out: out, progress: progress}
	first, err := openLab(ctx)
	if err != nil {
		return err
	}
	defer first.close()
	if g.binary, err = first.build(ctx, "growth", *dir); err != nil {
		return err
	}
	if err := g.entries(ctx, counts); err != nil || *work == 0 {
		return err
	}
	return g.replicas(ctx, first, *work)
}

type grower struct {
	binary        string
	rounds        int
	length        time.Duration
	connections   int
	out, progress io.Writer
}

// among are the workloads of growth: they fall on all live entries and leave
// their number as it is. One half gets wrong codes, the other is replaced.
func among(count uint64) []workload {
	half := count / 2
	pick := func(n uint64) uint64 { return n * 2_654_435_761 % half } // a prime: far apart
	return []workload{
		{name: "verify-wrong", step: func(c *client, l *lab, _, _ uint64) error {
			n := pick(l.reserve(1))
			return c.doVerify(n, wrongCode(codeOf(n)), http.StatusBadRequest, wrong)
		}},
		{name: "create", step: func(c *client, l *lab, _, _ uint64) error {
			n := l.reserve(1)
			return c.doCreate(half+pick(n), n)
		}},
	}
}

// entries measures the same load on Redis servers that hold more and more
// live entries, one after the other within each round.
func (g *grower) entries(ctx context.Context, counts []uint64) error {
	var systems []*system
	var labs []*lab
	var names []string
	for _, count := range counts {
		l, err := openLab(ctx)
		if err != nil {
			return err
		}
		defer l.close()
		s, err := l.startService(ctx, fmt.Sprint(count), g.binary)
		if err != nil {
			return err
		}
		defer s.close()
		_, _ = fmt.Fprintf(g.progress, "storing %d entries\n", count)
		seed := func(ctx context.Context, n uint64) error { return s.seed(ctx, n, manyTrials) }
		if err := seedAll(ctx, l.reserve(count), count, seed); err != nil {
			return err
		}
		labs, systems, names = append(labs, l), append(systems, s), append(names, s.name)
	}
	known := rates{}
	var samples []sample
	for round := range g.rounds + 1 { // the first is not counted
		for part := range 2 {
			for i := range systems {
				i = (i + round) % len(systems)
				one := oneRun{
					lab: labs[i], system: systems[i], workload: among(counts[i])[part],
					connections: g.connections, length: g.length,
				}
				got, err := one.run(ctx, known)
				if err != nil {
					return err
				}
				if got.Round = round; round > 0 {
					samples = append(samples, got)
				}
			}
		}
		_, _ = fmt.Fprintf(g.progress, "round %d of %d done\n", round, g.rounds)
	}
	if len(names) == 0 {
		return nil
	}
	_, _ = fmt.Fprintln(g.out, "By live entries in Redis (the system's name), each against the fewest:")
	return writeTable(g.out, samples, names, names[:1])
}

// replicas lets one, two and four replicas on one Redis do the same work:
// check every entry's right code twice, of which exactly one may be right.
func (g *grower) replicas(ctx context.Context, l *lab, entries uint64) error {
	var addrs []string
	var first *system
	for i := range 4 {
		s, err := l.startService(ctx, fmt.Sprint("replica ", i+1), g.binary)
		if err != nil {
			return err
		}
		defer s.close()
		addrs = append(addrs, s.addr)
		if first == nil {
			first = s
		}
	}
	perSecond := map[int][]float64{} // checks, by replicas
	for round := range g.rounds {
		for _, n := range []int{1, 2, 4} {
			rate, err := g.twice(ctx, l, first, addrs[:n], entries)
			if err != nil {
				return fmt.Errorf("%d replicas: %w", n, err)
			}
			perSecond[n] = append(perSecond[n], rate)
		}
		_, _ = fmt.Fprintf(g.progress, "replicas: round %d of %d done\n", round+1, g.rounds)
	}
	w := tabwriter.NewWriter(g.out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(w, "\n%d entries checked twice each, exactly %[1]d times right\nreplicas\tchecks/s\tto one replica\n", entries)
	for _, n := range []int{1, 2, 4} {
		against := make([]float64, g.rounds)
		for i := range against {
			against[i] = perSecond[n][i] / perSecond[1][i]
		}
		_, _ = fmt.Fprintf(w, "%d\t%.0f\t%s\n", n, median(perSecond[n]), spread(against))
	}
	return w.Flush()
}

// twice checks every entry with its right code two times, from different
// connections and so mostly at different replicas, and returns checks a second.
func (g *grower) twice(ctx context.Context, l *lab, s *system, addrs []string, entries uint64) (float64, error) {
	if err := l.redis.empty(ctx); err != nil {
		return 0, err
	}
	from := l.reserve(entries)
	err := seedAll(ctx, from, entries, func(ctx context.Context, n uint64) error { return s.seed(ctx, n, 3) })
	if err != nil {
		return 0, err
	}
	var rights atomic.Uint64
	load := load{
		addrs: addrs, connections: max(g.connections, len(addrs)), length: time.Minute, limit: 2 * entries,
		step: func(c *client, op uint64) error {
			n := from + op/2
			err := c.doVerify(n, codeOf(n), http.StatusOK, right)
			if err == nil {
				rights.Add(1)
			} else if c.answered(http.StatusBadRequest, unknown) {
				err = nil
			}
			return err
		},
	}
	got, err := load.run(ctx)
	if err != nil {
		return 0, err
	}
	// What was answered 503 may have been right, at most once.
	if n := rights.Load(); n > entries || n+uint64(got.Refused) < entries {
		return 0, fmt.Errorf("%d entries were right %d times, with %d answers 503", entries, n, got.Refused)
	}
	return float64(got.Ops) / got.Elapsed.Seconds(), nil
}
