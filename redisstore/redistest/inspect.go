package redistest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

const inspectTimeout = 30 * time.Second

// Keys returns the keys that begin with prefix, on all masters, sorted.
func (i *Instance) Keys(t testing.TB, prefix string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), inspectTimeout)
	defer cancel()
	var mu sync.Mutex
	found := map[string]bool{} // SCAN may return a key twice
	err := i.eachMaster(ctx, func(c redis.UniversalClient) error {
		keys := c.Scan(ctx, 0, "", 1000).Iterator()
		for keys.Next(ctx) {
			if strings.HasPrefix(keys.Val(), prefix) {
				mu.Lock()
				found[keys.Val()] = true
				mu.Unlock()
			}
		}
		return keys.Err()
	})
	if err != nil {
		t.Fatalf("redistest: scan: %v", err)
	}
	return slices.Sorted(maps.Keys(found))
}

// NoKeyWithoutTTL fails the test if a key that begins with prefix has no TTL.
func (i *Instance) NoKeyWithoutTTL(t testing.TB, prefix string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), inspectTimeout)
	defer cancel()
	var withoutTTL []string
	for batch := range slices.Chunk(i.Keys(t, prefix), 1000) {
		ttls := make([]*redis.DurationCmd, 0, len(batch))
		_, err := i.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for _, key := range batch {
				ttls = append(ttls, p.PTTL(ctx, key))
			}
			return nil
		})
		if err != nil {
			t.Fatalf("redistest: pttl: %v", err)
		}
		for n, ttl := range ttls {
			if ttl.Val() == -1 { // -2: gone since the scan
				withoutTTL = append(withoutTTL, batch[n])
			}
		}
	}
	if len(withoutTTL) > 0 {
		t.Errorf("%d keys without TTL: %q", len(withoutTTL), withoutTTL)
	}
}

// Dump returns every key that begins with prefix and its content, byte for byte, to be
// searched for secrets. It fails the test at a key of an unknown type.
func (i *Instance) Dump(t testing.TB, prefix string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), inspectTimeout)
	defer cancel()
	var out strings.Builder
	for _, key := range i.Keys(t, prefix) {
		kind, values, err := i.values(ctx, key)
		if err != nil && !errors.Is(err, redis.Nil) { // Nil: expired since the scan
			t.Fatalf("redistest: dump %q: %v", key, err)
		}
		fmt.Fprintf(&out, "%s (%s)\n", key, kind)
		for _, v := range values {
			fmt.Fprintf(&out, "\t%s\n", v)
		}
	}
	return out.String()
}

// values returns the type of a key and its content: fields with their values, members
// with their scores.
func (i *Instance) values(ctx context.Context, key string) (kind string, values []string, err error) {
	if kind, err = i.client.Type(ctx, key).Result(); err != nil {
		return "", nil, err
	}
	switch kind {
	case "none": // expired since the scan
	case "string":
		values = make([]string, 1)
		values[0], err = i.client.Get(ctx, key).Result()
	case "hash":
		var fields map[string]string
		fields, err = i.client.HGetAll(ctx, key).Result()
		for _, f := range slices.Sorted(maps.Keys(fields)) {
			values = append(values, f+" = "+fields[f])
		}
	case "list":
		values, err = i.client.LRange(ctx, key, 0, -1).Result()
	case "set":
		values, err = i.client.SMembers(ctx, key).Result()
		slices.Sort(values)
	case "zset":
		var members []redis.Z
		members, err = i.client.ZRangeWithScores(ctx, key, 0, -1).Result()
		for _, m := range members {
			values = append(values, fmt.Sprintf("%s = %.17g", m.Member, m.Score))
		}
	default:
		err = fmt.Errorf("unknown type %s", kind)
	}
	return kind, values, err
}
