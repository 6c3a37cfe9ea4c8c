package redisstore

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Inspect looks at the settings of the Redis servers that the promises rest
// on, and returns what breaks them, one sentence each. What the service's user
// may not look at it says too: the permissions that the service needs do not
// include looking.
func (s *Store) Inspect(ctx context.Context) []string {
	cluster, ok := s.client.(*redis.ClusterClient)
	if !ok {
		return inspectServer(ctx, s.client)
	}
	var mu sync.Mutex // several masters are looked at at the same time
	var warnings []string
	warn := func(more []string) {
		mu.Lock()
		defer mu.Unlock()
		for _, w := range more {
			if !slices.Contains(warnings, w) {
				warnings = append(warnings, w)
			}
		}
	}
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, c *redis.Client) error {
		warn(inspectServer(ctx, c))
		return nil
	})
	if err != nil {
		warn([]string{notPermitted})
	}
	return warnings
}

const notPermitted = "could not look at Redis's own settings (it is out of reach, or the user may not run CONFIG GET); " +
	"make sure of appendonly yes, or save \"\", and maxmemory-policy noeviction"

func inspectServer(ctx context.Context, c redis.Cmdable) []string {
	get := func(name string) (string, bool) {
		values, err := c.ConfigGet(ctx, name).Result()
		return values[name], err == nil
	}
	save, okSave := get("save")
	appendOnly, okAppend := get("appendonly")
	policy, okPolicy := get("maxmemory-policy")
	if !okSave || !okAppend || !okPolicy {
		return []string{notPermitted}
	}
	var warnings []string
	if save != "" && appendOnly != "yes" {
		warnings = append(warnings, "Redis keeps snapshots without an append-only file: after a crash every code used since the last snapshot "+
			"is valid again; set appendonly yes, or save \"\"")
	}
	if policy != "noeviction" {
		warnings = append(warnings, "Redis's maxmemory-policy is "+strings.TrimSpace(policy)+": it may drop limits and attempts; set noeviction")
	}
	return warnings
}
