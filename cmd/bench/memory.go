package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// stage is a set of features, each with what it keeps beside an entry.
type stage struct {
	name     string
	settings []string
	wrong    bool    // a wrong code was entered for every entry
	target   float64 // bytes of an entry; 0: none
}

func stages() []stage {
	const noLimits, noTotal = "SEND_LIMITS=off GUESS_LIMITS=off SEND_LIMITS_TOTAL=off", "SEND_LIMITS_TOTAL=off"
	return []stage{
		{name: "live entry alone", settings: strings.Fields("EXPIRED_NOTICE=0 " + noLimits), target: 215},
		{name: "with EXPIRED_NOTICE", settings: strings.Fields(noLimits)},
		{name: "with SEND_LIMITS too: the defaults", settings: []string{noTotal}, target: 400},
		{name: "with a wrong code for each too", settings: []string{noTotal}, wrong: true},
		{name: "the defaults and SEND_LIMITS_TOTAL"},
	}
}

// memory measures what a pending entry takes of Redis, and works out what more
// entries need: each takes the same, except that the hash tables of Redis
// double at a time.
func (b *bench) memory(ctx context.Context, out io.Writer) error {
	e, err := newEnv(ctx)
	if err != nil {
		return err
	}
	defer e.close()
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(w, "%d pending entries\tsystem\tB/entry\ttarget\t10 million\t100 million\tkeys, and bytes of each\n", b.entries)
	for _, stage := range stages() {
		for _, service := range b.services {
			b.report("%s: storing %d entries, %s", service.name, b.entries, stage.name)
			p, err := e.build(ctx, service)
			if err != nil {
				return err
			}
			bytes, keys, err := e.measureStage(ctx, p, stage, uint64(b.entries))
			if err != nil {
				return err
			}
			if b.entries < 1_000_000 { // fewer share the sorted sets of notices, and so take more each
				stage.target = 0
			}
			b.bytes = append(b.bytes, bytes)
			_, _ = fmt.Fprintf(w, "%s\t%s\t%.0f\t%s\t%.1f GB\t%.0f GB\t%s\n",
				stage.name, service.name, bytes, verdict(bytes, stage.target), bytes/100, bytes/10, keys)
		}
	}
	return w.Flush()
}

func (e *env) measureStage(ctx context.Context, p program, s stage, entries uint64) (bytes float64, keys string, err error) {
	if err := e.fill(ctx, p, s, 1000); err != nil { // scripts and buffers belong to no entry
		return 0, "", err
	}
	if err := e.client.FlushAll(ctx).Err(); err != nil {
		return 0, "", err
	}
	before, err := e.usedMemory(ctx)
	if err != nil {
		return 0, "", err
	}
	if err := e.fill(ctx, p, s, entries); err != nil {
		return 0, "", err
	}
	if keys, err = e.countKeys(ctx); err != nil {
		return 0, "", err
	}
	after, err := e.usedMemory(ctx)
	return (after - before) / float64(entries), keys, err
}

// fill lets a service create entries, and ends it, because its connections
// take memory of Redis too.
func (e *env) fill(ctx context.Context, p program, s stage, entries uint64) error {
	running, err := e.startSystem(ctx, p, e.redisAddr, append(s.settings, "RETRIES_ALLOWED=3")...)
	if err != nil {
		return err
	}
	defer running.end()
	first, err := e.seed(ctx, running, entries)
	if err != nil || !s.wrong {
		return err
	}
	return e.forEach(ctx, running, first, entries, (*client).wrong)
}

// countKeys waits until Redis has dropped what lives for seconds only, and
// returns how many keys there are of each kind and the size of one. Scanning a
// key removes it if it has expired.
func (e *env) countKeys(ctx context.Context) (string, error) {
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case <-time.After(3 * time.Second):
	}
	counts, sizes := map[string]int{}, map[string]int64{}
	keys := e.client.Scan(ctx, 0, "*", 10_000).Iterator()
	for keys.Next(ctx) {
		kind, _, _ := strings.Cut(strings.TrimPrefix(keys.Val(), keyPrefix), "{") // the letters before the hash tag
		if counts[kind]++; sizes[kind] == 0 {
			sizes[kind], _ = e.client.MemoryUsage(ctx, keys.Val(), 0).Result() // fails if it has expired
		}
	}
	var list []string
	for kind, n := range counts {
		list = append(list, fmt.Sprintf("%s %d × %d", kind, n, sizes[kind]))
	}
	slices.Sort(list)
	return strings.Join(list, ", "), keys.Err()
}

// usedMemory returns Redis' used_memory in bytes, when its tables have stopped
// growing or shrinking.
func (e *env) usedMemory(ctx context.Context) (float64, error) {
	last := -1.0
	for range 100 {
		info := e.client.InfoMap(ctx, "memory")
		if info.Err() != nil {
			return 0, info.Err()
		}
		now, err := strconv.ParseFloat(info.Item("Memory", "used_memory"), 64)
		if err != nil || math.Abs(now-last) < now/1000 {
			return now, err
		}
		last = now
		time.Sleep(200 * time.Millisecond)
	}
	return last, nil
}

// verdict says whether a value is within its target; 0: there is none.
func verdict(value, target float64) string {
	switch {
	case target == 0:
		return ""
	case value <= target:
		return fmt.Sprintf("%.0f: met", target)
	}
	return fmt.Sprintf("%.0f: MISSED", target)
}
