package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/procfs"
)

// stages turn on one feature after another, so that the bytes of a feature are
// what its stage has more than the one before.
var stages = []struct {
	name        string
	off         string // turns the feature off, in the stages before
	wrong       bool   // a wrong code was entered for every entry
	target      float64
	adds, until string  // what the feature keeps, and how long
	kept        float64 // how many are kept at the peak for each verification a day; 0 if the feature is off by default
}{
	{name: "live entry alone", target: 215,
		adds: "entry", until: "its code is entered or `CODE_EXPIRATION` is over", kept: pendingShare},
	{name: "with EXPIRED_NOTICE", off: "EXPIRED_NOTICE=0",
		adds: "notice of its expiry", until: "`EXPIRED_NOTICE` later", kept: pendingShare},
	{name: "with SEND_LIMITS too", off: "SEND_LIMITS=off", target: 400,
		adds: "messages to a number", until: "the longest of `SEND_LIMITS` is over", kept: 1},
	{name: "with UNVERIFIED_LIMITS too: the defaults", off: "UNVERIFIED_MODE=off",
		adds: "unverified message", until: "its code is entered or 24 hours are over", kept: 1},
	{name: "with SEND_LIMITS_TOTAL too", off: "SEND_LIMITS_TOTAL=off",
		adds: "message under `SEND_LIMITS_TOTAL`", until: "its window is over"},
	{name: "with a wrong code for each too", off: "GUESS_LIMITS=off", wrong: true,
		adds: "wrong codes of a number", until: "the longest of `GUESS_LIMITS` is over", kept: 1},
}

// memory measures what a pending entry takes of Redis, and works out what more
// entries need: each takes the same, except that the hash tables of Redis
// double at a time.
func (b *bench) memory(ctx context.Context, e *env, out io.Writer) {
	redis := e.startRedis(ctx)
	w := newTable(out)
	_, _ = fmt.Fprintf(w, "%d pending entries\tsystem\tB/entry\ttarget\t10 million\t100 million\tkeys, and bytes of each\n", b.entries)
	for _, p := range b.services {
		for i, stage := range stages {
			settings := []string{"RETRIES_ALLOWED=3"}
			for _, later := range stages[i+1:] {
				settings = append(settings, later.off)
			}
			log.Printf("%s: storing %d entries, %s", p.name, b.entries, stage.name)
			// The service ends before the memory is read, because its connections take some too.
			fill := func(entries int) {
				service := e.startReplica(ctx, p, redis.addr, settings...)
				defer kill(service.cmd)
				first := e.seed(ctx, service, uint64(entries))
				if stage.wrong {
					e.forEach(ctx, service, first, uint64(entries), (*client).wrong)
				}
			}
			fill(1000) // scripts and buffers belong to no entry
			check(redis.FlushAll(ctx).Err())
			before := redis.usedMemory(ctx)
			fill(b.entries)
			keys := redis.countKeys(ctx)
			bytes := (redis.usedMemory(ctx) - before) / float64(b.entries)
			b.bytes = append(b.bytes, bytes)
			target := stage.target
			if b.entries < 1_000_000 { // fewer share the sorted sets of notices, and so take more each
				target = 0
			}
			_, _ = fmt.Fprintf(w, "%s\t%s\t%.0f\t%s\t%.1f GB\t%.0f GB\t%s\n",
				stage.name, p.name, bytes, verdict(bytes, target), bytes/100, bytes/10, keys)
		}
	}
	check(w.Flush())
	_, _ = fmt.Fprintln(out, "\nc: an entry; x: notices of expiry; n: messages to a number; w: wrong codes of a number; a: messages of the service;\n"+
		"e: unverified messages of an exchange, an area code or all")
}

// countKeys waits until Redis has dropped what lives for seconds only, and
// returns how many keys there are of each kind and the size of one. Scanning a
// key removes it if it has expired.
func (r redisServer) countKeys(ctx context.Context) string {
	time.Sleep(3 * time.Second)
	counts, sizes := map[string]int{}, map[string]int64{}
	keys := r.Scan(ctx, 0, "*", 10_000).Iterator()
	for keys.Next(ctx) {
		kind, _, _ := strings.Cut(strings.TrimPrefix(keys.Val(), keyPrefix), "{") // the letters before the hash tag
		if counts[kind]++; sizes[kind] == 0 {
			sizes[kind], _ = r.MemoryUsage(ctx, keys.Val(), 0).Result() // fails if it has expired
		}
	}
	check(keys.Err())
	var list []string
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		list = append(list, fmt.Sprintf("%s %d × %d", kind, counts[kind], sizes[kind]))
	}
	return strings.Join(list, ", ")
}

// usedMemory returns Redis' used_memory in bytes, when its tables have stopped
// growing or shrinking.
func (r redisServer) usedMemory(ctx context.Context) (now float64) {
	for last := -1.0; math.Abs(now-last) > now/1000; time.Sleep(200 * time.Millisecond) {
		info := r.InfoMap(ctx, "memory")
		check(info.Err())
		last, now = now, must(strconv.ParseFloat(info.Item("Memory", "used_memory"), 64))
	}
	return now
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

// start measures what a replica takes.
func (b *bench) start(ctx context.Context, e *env, out io.Writer) {
	redis := e.startRedis(ctx)
	p := b.services[0]
	took := make([]float64, 2*b.rounds+1)
	for i := range took {
		begun := time.Now()
		r := e.startReplica(ctx, p, redis.addr)
		took[i] = time.Since(begun).Seconds() * 1e3
		kill(r.cmd)
	}
	r := e.startReplica(ctx, p, redis.addr)
	time.Sleep(settling)
	proc := must(procfs.NewProc(r.cmd.Process.Pid))
	idle := must(proc.NewStatus()).VmRSS
	_, _, err := e.load(ctx, load{
		replicas: []replica{r}, connections: 64, length: 2 * b.length,
		step: func(c *client, _ uint64) error { // a whole verification
			n := c.env.unused(1)
			return errors.Join(c.create(n, n), c.wrong(n), c.right(n))
		},
	})
	check(err)
	w := newTable(out)
	for _, t := range []struct {
		what   string
		value  float64
		unit   string
		target float64
	}{
		{"start until ready, median", median(took), "ms", 150},
		{"resident when idle", float64(idle) / (1 << 20), "MiB", 25},
		{"resident with 64 connections, most", float64(must(proc.NewStatus()).VmHWM) / (1 << 20), "MiB", 60},
		{"binary", float64(must(os.Stat(p.path)).Size()) / 1e6, "MB", 25},
	} {
		_, _ = fmt.Fprintf(w, "%s\t%.1f %s\t%s\n", t.what, t.value, t.unit, verdict(t.value, t.target))
	}
	check(w.Flush())
}
