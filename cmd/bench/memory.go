package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// What a pending entry may take of Redis, in bytes.
const (
	targetAlone    = 215
	targetDefaults = 400
)

// stage is a set of features, each with what it keeps beside an entry.
type stage struct {
	name   string
	notice time.Duration
	limits codes.Limits
	wrong  bool    // a wrong code was entered for every entry
	target float64 // bytes; 0 is none
}

func stages() []stage {
	sends := []codes.Window{{Max: 5, Span: 10 * time.Minute}, {Max: 20, Span: 24 * time.Hour}}
	guesses := []codes.Window{{Max: 20, Span: 24 * time.Hour}}
	total := []codes.Window{{Max: codes.MaxWindowCount, Span: 24 * time.Hour}}
	notice := 10 * time.Minute
	return []stage{
		{name: "live entry alone", target: targetAlone},
		{name: "with EXPIRED_NOTICE", notice: notice},
		{name: "with SEND_LIMITS too: the defaults", notice: notice, limits: codes.Limits{Sends: sends, Guesses: guesses}, target: targetDefaults},
		{name: "with a wrong code for each too", notice: notice, limits: codes.Limits{Sends: sends, Guesses: guesses}, wrong: true},
		{name: "the defaults and SEND_LIMITS_TOTAL", notice: notice, limits: codes.Limits{Sends: sends, Guesses: guesses, Total: total}},
	}
}

// kept is what Redis holds after a stage.
type kept struct {
	stage
	each float64 // bytes for one entry with everything beside it
	keys string  // how many of each kind, and what one takes
}

func memory(ctx context.Context, args []string, out, progress io.Writer) error {
	flags := flag.NewFlagSet("memory", flag.ContinueOnError)
	entries := flags.Uint64("entries", 1_000_000, "pending entries, of as many recipients")
	if err := flags.Parse(args); err != nil {
		return err
	}
	all, err := measureMemory(ctx, *entries, progress)
	if err != nil {
		return err
	}
	return writeMemory(out, *entries, all)
}

func measureMemory(ctx context.Context, entries uint64, progress io.Writer) ([]kept, error) {
	if entries < 1 || entries > codes.MaxWindowCount {
		return nil, fmt.Errorf("-entries: 1 to %d", codes.MaxWindowCount)
	}
	l, err := openLab(ctx)
	if err != nil {
		return nil, err
	}
	defer l.close()
	var all []kept
	for _, s := range stages() {
		_, _ = fmt.Fprintf(progress, "storing %d entries: %s\n", entries, s.name)
		k := kept{stage: s}
		if err := l.fill(ctx, s, 1000); err != nil { // scripts and buffers belong to no entry
			return nil, err
		}
		if err := l.redis.empty(ctx); err != nil {
			return nil, err
		}
		before, err := l.usedMemory(ctx)
		if err != nil {
			return nil, err
		}
		if err := l.fill(ctx, s, entries); err != nil {
			return nil, err
		}
		if k.keys, err = l.sweep(ctx); err != nil {
			return nil, err
		}
		after, err := l.usedMemory(ctx)
		if err != nil {
			return nil, err
		}
		k.each = (after - before) / float64(entries)
		all = append(all, k)
	}
	return all, nil
}

// writeMemory writes what was measured, and what more entries need: each takes
// the same, but for the tables of Redis, which double at a time.
func writeMemory(out io.Writer, entries uint64, all []kept) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(w, "%d pending entries\tB/entry\ttarget\t10 million\t100 million\tkeys, and bytes of each\n", entries)
	for _, k := range all {
		_, _ = fmt.Fprintf(w, "%s\t%.0f\t%s\t%.1f GB\t%.0f GB\t%s\n", k.name, k.each, verdict(k.each, k.target), k.each/100, k.each/10, k.keys)
	}
	return w.Flush()
}

// verdict says whether a value is within its target; 0 is none.
func verdict(value, target float64) string {
	switch {
	case target == 0:
		return ""
	case value <= target:
		return fmt.Sprintf("%.0f: met", target)
	}
	return fmt.Sprintf("%.0f: MISSED", target)
}

// nobody takes every message.
type nobody struct{}

func (nobody) Send(context.Context, codes.Message) (string, error) { return "mdr2-0", nil }

// fill lets the service create the entries, without HTTP and a carrier.
func (l *lab) fill(ctx context.Context, s stage, entries uint64) error {
	store, err := l.openStore(s.limits)
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }() // connections take memory of Redis too
	message, err := codes.ParseTemplate("{code}")
	if err != nil {
		return err
	}
	recipients, err := codes.ParseRecipients(nil, nil)
	if err != nil {
		return err
	}
	service := codes.NewService(codes.Rules{
		CodeLength: 4, Expiration: time.Hour, Notice: s.notice, Attempts: 3, Message: message, Recipients: recipients,
	}, codes.NewHasher([]byte(codeSecret)), nil, store, store, nobody{})
	return seedAll(ctx, l.reserve(entries), entries, func(ctx context.Context, n uint64) error {
		if _, err := service.Create(ctx, codes.ID(idOf(n)), codes.Phone(recipientOf(n))); err != nil || !s.wrong {
			return err
		}
		outcome, err := service.Verify(ctx, codes.ID(idOf(n)), "11111") // no code is that long
		if err == nil && outcome.Status != codes.Wrong {
			err = errors.New("a wrong code was not called wrong")
		}
		return err
	})
}

// kindOf is the letter of a key that tells what it is: see package redisstore.
func kindOf(key string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(key, keyPrefix), "{")
	return name
}

// noteLife is longer than Redis keeps the answer of an operation.
const noteLife = 3 * time.Second

// sweep waits until what lives for a moment only is gone, and tells how many
// keys there are of each kind and what one takes. Looking at a key removes it
// if it has expired.
func (l *lab) sweep(ctx context.Context) (string, error) {
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case <-time.After(noteLife):
	}
	counts, bytes := map[string]int{}, map[string]int64{}
	keys := l.redis.client.Scan(ctx, 0, "*", 10_000).Iterator()
	for keys.Next(ctx) {
		kind := kindOf(keys.Val())
		if counts[kind]++; bytes[kind] == 0 {
			bytes[kind], _ = l.redis.client.MemoryUsage(ctx, keys.Val(), 0).Result() // gone: the next one tells
		}
	}
	var list []string
	for kind, n := range counts {
		list = append(list, fmt.Sprintf("%s %d × %d", kind, n, bytes[kind]))
	}
	slices.Sort(list)
	return strings.Join(list, ", "), keys.Err()
}

// usedMemory is Redis's used_memory in bytes, once its tables have their size.
func (l *lab) usedMemory(ctx context.Context) (float64, error) {
	last := -1.0
	for range 100 {
		info, err := l.redis.client.Info(ctx, "memory").Result()
		if err != nil {
			return 0, err
		}
		_, rest, _ := strings.Cut(info, "\nused_memory:")
		text, _, _ := strings.Cut(rest, "\r")
		now, err := strconv.ParseFloat(text, 64)
		if err != nil || math.Abs(now-last) < now/1000 {
			return now, err
		}
		last = now
		time.Sleep(200 * time.Millisecond)
	}
	return last, nil
}
