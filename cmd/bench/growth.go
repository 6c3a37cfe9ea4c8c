package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"text/tabwriter"
	"time"
)

// growth measures what more entries and more replicas change.
func (b *bench) growth(ctx context.Context, out io.Writer) error {
	e, err := newEnv(ctx)
	if err != nil {
		return err
	}
	defer e.close()
	p, err := e.build(ctx, b.services[0])
	if err != nil {
		return err
	}
	if err := b.moreEntries(ctx, p, out); err != nil {
		return err
	}
	return b.moreReplicas(ctx, e, p, out)
}

// among returns workloads that use all of the first count entries and leave
// their number as it is. One half gets wrong codes, the other is replaced.
func among(count int) []workload {
	half := uint64(max(1, count/2))
	pick := func(n uint64) uint64 { return n * 2_654_435_761 % half } // a prime: far apart
	return []workload{
		{name: "wrong", step: func(c *client, n uint64) error { return c.wrong(pick(n)) }},
		{name: "create", step: func(c *client, n uint64) error { return c.create(half+pick(n), n) }},
	}
}

// moreEntries puts the same load on Redis servers with more and more live
// entries, in turns.
func (b *bench) moreEntries(ctx context.Context, p program, out io.Writer) error {
	sizes := []int{max(1, b.entries/1000), max(1, b.entries/10), b.entries}
	groups := make([][]measurement, len(among(1)))
	for _, size := range sizes {
		e, err := newEnv(ctx)
		if err != nil {
			return err
		}
		defer e.close()
		b.report("storing %d entries", size)
		seeder, err := e.startSystem(ctx, p, e.redisAddr, "SEND_LIMITS=off", "SEND_LIMITS_TOTAL=off")
		if err != nil {
			return err
		}
		if _, err := e.seed(ctx, seeder, uint64(size)); err != nil {
			return err
		}
		seeder.end()
		s, err := e.startSystem(ctx, program{fmt.Sprint(size), p.command}, e.redisAddr)
		if err != nil {
			return err
		}
		for i, w := range among(size) {
			groups[i] = append(groups[i], measurement{e, s, w, "loopback", planned, false})
		}
	}
	samples, err := b.measure(ctx, groups)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintln(out, "By live entries in Redis (the system's name), each compared with the fewest:")
	return writeTable(out, samples, []string{fmt.Sprint(sizes[0])})
}

// moreReplicas lets one, two and four replicas on one Redis do the same work.
func (b *bench) moreReplicas(ctx context.Context, e *env, p program, out io.Writer) error {
	var replicas []*system
	for range 4 {
		s, err := e.startSystem(ctx, p, e.redisAddr)
		if err != nil {
			return err
		}
		replicas = append(replicas, s)
	}
	time.Sleep(settling)
	entries := min(20_000, uint64(b.entries))
	counts := []int{1, 2, 4}
	rates, ratios := map[int][]float64{}, map[int][]float64{}
	for round := range b.rounds {
		for _, n := range counts {
			rate, err := e.checkTwice(ctx, replicas[:n], entries)
			if err != nil {
				return fmt.Errorf("%d replicas: %w", n, err)
			}
			rates[n] = append(rates[n], rate)
			ratios[n] = append(ratios[n], rate/rates[1][round])
		}
		b.report("replicas: round %d of %d done", round+1, b.rounds)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(w, "\n%d entries checked twice each, exactly %[1]d times right\nreplicas\tchecks/s\tratio to one replica\n", entries)
	for _, n := range counts {
		_, _ = fmt.Fprintf(w, "%d\t%.0f\t%s\n", n, median(rates[n]), spread(ratios[n]))
	}
	return w.Flush()
}

// checkTwice enters the right code of every entry two times, from different
// connections and so mostly at different replicas. Exactly one of the two may
// be right. It returns checks a second.
func (e *env) checkTwice(ctx context.Context, replicas []*system, entries uint64) (float64, error) {
	if err := e.client.FlushAll(ctx).Err(); err != nil {
		return 0, err
	}
	first, err := e.seed(ctx, replicas[0], entries)
	if err != nil {
		return 0, err
	}
	var addrs []string
	for _, s := range replicas {
		addrs = append(addrs, s.addr)
	}
	var rights atomic.Uint64
	got, err := e.load(ctx, load{
		addrs: addrs, connections: planned, length: time.Minute, limit: 2 * entries,
		step: func(c *client, op uint64) error {
			err := c.right(first + op/2)
			if err == nil {
				rights.Add(1)
			} else if c.answered(http.StatusBadRequest, unknown) {
				err = nil
			}
			return err
		},
	})
	if err != nil {
		return 0, err
	}
	// A check that was answered 503 may have been the right one.
	if n := rights.Load(); n > entries || n+uint64(got.refused) < entries {
		return 0, fmt.Errorf("%d entries were right %d times, with %d answers 503", entries, n, got.refused)
	}
	return got.rate(), nil
}
