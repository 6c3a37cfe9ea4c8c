package redisstore

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Inspection is what Inspect found.
type Inspection struct {
	Warnings []string // one sentence for each setting that breaks a guarantee
	Unread   []string // settings that the service's user may not read
}

// Inspect reads the settings of the Redis servers on which the service's guarantees
// depend. It returns an error if a server cannot be reached.
func (s *Store) Inspect(ctx context.Context) (Inspection, error) {
	cluster, ok := s.client.(*redis.ClusterClient)
	if !ok {
		one, err := inspectServer(ctx, s.client)
		return one, wrap("inspect", err)
	}
	var mu sync.Mutex // the masters are asked in parallel
	var all Inspection
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, c *redis.Client) error {
		one, err := inspectServer(ctx, c)
		mu.Lock()
		defer mu.Unlock()
		all.Warnings = union(all.Warnings, one.Warnings)
		all.Unread = union(all.Unread, one.Unread)
		return err
	})
	if err != nil {
		return Inspection{}, wrap("inspect", err)
	}
	slices.Sort(all.Warnings) // the masters answer in any order
	slices.Sort(all.Unread)
	return all, nil
}

func union(to, more []string) []string {
	for _, s := range more {
		if !slices.Contains(to, s) {
			to = append(to, s)
		}
	}
	return to
}

// inspectServer prefers INFO, which the documented permissions include. It uses
// CONFIG GET only for what INFO lacks, because the server logs each refusal.
func inspectServer(ctx context.Context, c redis.Cmdable) (i Inspection, err error) {
	info, err := readInfo(ctx, c)
	read := func(setting, field string, known map[string]string) string {
		value, ok := info[field]
		if known[value] != "" {
			value = known[value]
		}
		if err == nil && !ok {
			value, ok, err = readConfig(ctx, c, setting)
		}
		if err == nil && !ok {
			i.Unread = append(i.Unread, setting)
		}
		return value
	}
	policy := read("maxmemory-policy", "maxmemory_policy", nil)
	appendOnly := read("appendonly", "aof_enabled", map[string]string{"0": "no", "1": "yes"})
	if appendOnly == "no" && read("save", "", nil) != "" {
		i.Warnings = append(i.Warnings, "Redis keeps snapshots without an append-only file: after a crash every code used since the last snapshot "+
			"is valid again; set appendonly yes, or save \"\"")
	}
	if policy != "" && policy != "noeviction" {
		i.Warnings = append(i.Warnings, "Redis's maxmemory-policy is "+policy+": it may drop limits and attempts; set noeviction")
	}
	if err != nil {
		return Inspection{}, err
	}
	return i, nil
}

// readInfo returns the fields of INFO; none if it is not permitted.
func readInfo(ctx context.Context, c redis.Cmdable) (map[string]string, error) {
	text, err := c.Info(ctx).Result()
	if err != nil && !declined(err) {
		return nil, err
	}
	fields := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), ":"); found {
			fields[name] = value
		}
	}
	return fields, nil
}

// readConfig returns a setting; ok is false if reading it is not permitted.
func readConfig(ctx context.Context, c redis.Cmdable, setting string) (value string, ok bool, err error) {
	values, err := c.ConfigGet(ctx, setting).Result()
	if err != nil && !declined(err) {
		return "", false, err
	}
	value, ok = values[setting]
	return strings.TrimSpace(value), ok, nil
}

// declined reports whether a server or a proxy refused to run a command. Each has
// its own text for that.
func declined(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply) && !notReached(err)
}

// IsMissingPermission reports whether an operation failed because the service's user
// may not run one of its commands. Inside a script Redis uses another text.
func IsMissingPermission(err error) bool {
	if redis.IsPermissionError(err) {
		return true
	}
	var reply redis.Error
	return errors.As(err, &reply) && (strings.Contains(reply.Error(), "can't run this command") ||
		strings.Contains(reply.Error(), "can't access at least one of the keys"))
}
