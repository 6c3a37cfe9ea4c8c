package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// What a pending entry may take of Redis, in bytes.
const (
	targetAlone    = 215
	targetDefaults = 400
)

// stage is a set of features, each with what it keeps beside an entry.
type stage struct {
	name     string
	settings []string
	wrong    bool    // a wrong code was entered for every entry
	target   float64 // bytes; 0 is none
}

func stages() []stage {
	const noLimits, noTotal = "SEND_LIMITS=off GUESS_LIMITS=off SEND_LIMITS_TOTAL=off", "SEND_LIMITS_TOTAL=off"
	return []stage{
		{name: "live entry alone", settings: strings.Fields("EXPIRED_NOTICE=0 " + noLimits), target: targetAlone},
		{name: "with EXPIRED_NOTICE", settings: strings.Fields(noLimits)},
		{name: "with SEND_LIMITS too: the defaults", settings: []string{noTotal}, target: targetDefaults},
		{name: "with a wrong code for each too", settings: []string{noTotal}, wrong: true},
		{name: "the defaults and SEND_LIMITS_TOTAL"},
	}
}

// kept is what Redis holds after a stage.
type kept struct {
	stage
	service string
	each    float64 // bytes for one entry with everything beside it
	keys    string  // number and size of each kind
}

func memory(ctx context.Context, args []string, out, progress io.Writer) error {
	flags := flag.NewFlagSet("memory", flag.ContinueOnError)
	entries := flags.Uint64("entries", 1_000_000, "pending entries, each of its own recipient")
	list := flags.String("service", "service=.", "builds of the service, as for speed")
	if err := flags.Parse(args); err != nil {
		return err
	}
	services, err := parseServices(*list)
	if err != nil {
		return err
	}
	all, err := measureMemory(ctx, services, *entries, progress)
	if err != nil {
		return err
	}
	return writeMemory(out, *entries, all)
}

func measureMemory(ctx context.Context, services []service, entries uint64, progress io.Writer) ([]kept, error) {
	if entries < 1 || entries > 1_000_000 {
		return nil, fmt.Errorf("-entries: 1 to 1000000, the most that SEND_LIMITS_TOTAL allows")
	}
	e, err := newEnv(ctx)
	if err != nil {
		return nil, err
	}
	defer e.close()
	binaries := map[service]string{}
	for _, s := range services {
		if binaries[s], err = e.build(ctx, s.name, s.path); err != nil {
			return nil, err
		}
	}
	var all []kept
	for _, stage := range stages() {
		for _, s := range services {
			_, _ = fmt.Fprintf(progress, "%s: storing %d entries, %s\n", s.name, entries, stage.name)
			k := kept{stage: stage, service: s.name}
			if k.each, k.keys, err = e.measureStage(ctx, binaries[s], stage, entries); err != nil {
				return nil, err
			}
			all = append(all, k)
		}
	}
	return all, nil
}

func (e *env) measureStage(ctx context.Context, binary string, s stage, entries uint64) (each float64, keys string, err error) {
	if err := e.fill(ctx, binary, s, 1000); err != nil { // scripts and buffers belong to no entry
		return 0, "", err
	}
	if err := e.redis.clear(ctx); err != nil {
		return 0, "", err
	}
	before, err := e.usedMemory(ctx)
	if err != nil {
		return 0, "", err
	}
	if err := e.fill(ctx, binary, s, entries); err != nil {
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
func (e *env) fill(ctx context.Context, binary string, s stage, entries uint64) error {
	running, err := e.startService(ctx, "service", binary, e.redis.addr, append(s.settings, "RETRIES_ALLOWED=3")...)
	if err != nil {
		return err
	}
	defer running.end()
	first := e.unused(entries)
	if err := e.seed(ctx, running, first, entries); err != nil || !s.wrong {
		return err
	}
	return e.forEach(ctx, running, entries, func(c *client, op uint64) error { return c.wrong(first+op, e.codeOf(first+op)) })
}

// writeMemory writes the measured sizes, and what more entries need: each takes
// the same, except that the hash tables of Redis double at a time.
func writeMemory(out io.Writer, entries uint64, all []kept) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(w, "%d pending entries\tsystem\tB/entry\ttarget\t10 million\t100 million\tkeys, and bytes of each\n", entries)
	for _, k := range all {
		if entries < 1_000_000 { // fewer share the sorted sets of notices, and so take more each
			k.target = 0
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%.0f\t%s\t%.1f GB\t%.0f GB\t%s\n",
			k.name, k.service, k.each, verdict(k.each, k.target), k.each/100, k.each/10, k.keys)
	}
	return w.Flush()
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
	keys := e.redis.client.Scan(ctx, 0, "*", 10_000).Iterator()
	for keys.Next(ctx) {
		kind, _, _ := strings.Cut(strings.TrimPrefix(keys.Val(), keyPrefix), "{") // the letters before the hash tag
		if counts[kind]++; sizes[kind] == 0 {
			sizes[kind], _ = e.redis.client.MemoryUsage(ctx, keys.Val(), 0).Result() // fails if it has expired
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
		info, err := e.redis.info(ctx, "memory", "used_memory")
		if err != nil {
			return 0, err
		}
		now, err := strconv.ParseFloat(info, 64)
		if err != nil || math.Abs(now-last) < now/1000 {
			return now, err
		}
		last = now
		time.Sleep(200 * time.Millisecond)
	}
	return last, nil
}
