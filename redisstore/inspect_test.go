package redisstore_test

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/flowroute/sms-verification/redisstore"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

func TestInspect(t *testing.T) {
	const snapshots, eviction, notPermitted = "append-only", "maxmemory-policy is allkeys-lru", "could not look"
	everyServer(t, func(t *testing.T, _ string, instance *redistest.Instance) {
		rules, cluster, _ := documentedRules(t)
		user := setUser(t, instance, "smsv", append(rules, cluster...))
		absent := "redis://127.0.0.1:1"
		if instance.Mode == redisstore.Sentinel {
			absent += "?master_name=absent"
		}
		for _, test := range []struct {
			name     string
			settings map[string]string
			url      string
			want     []string // one warning each, however many servers give it
		}{
			{"nothing kept", nil, instance.URL, nil},
			{"snapshots", map[string]string{"save": "3600 1"}, instance.URL, []string{snapshots}},
			{"append-only", map[string]string{"save": "3600 1", "appendonly": "yes"}, instance.URL, nil},
			{"both", map[string]string{"save": "3600 1", "maxmemory-policy": "allkeys-lru"}, instance.URL, []string{snapshots, eviction}},
			{"not permitted", nil, user, []string{notPermitted}},
			{"unreachable", nil, absent, []string{notPermitted}},
		} {
			configure(t, instance, map[string]string{"save": "", "appendonly": "no", "maxmemory-policy": "noeviction"})
			configure(t, instance, test.settings)
			got := openURL(t, test.url, instance.Mode, redisstore.Options{Prefix: freshPrefix()}).Inspect(t.Context())
			ok := len(got) == len(test.want)
			for _, want := range test.want {
				ok = ok && strings.Contains(strings.Join(got, "\n"), want)
			}
			if !ok {
				t.Errorf("%s: %q, want %q", test.name, got, test.want)
			}
		}
	})
}

// configure sets settings of all servers.
func configure(t *testing.T, i *redistest.Instance, settings map[string]string) {
	t.Helper()
	for _, n := range i.Nodes {
		c := redis.NewClient(&redis.Options{Addr: n.Addr})
		for name, value := range settings {
			if err := c.ConfigSet(t.Context(), name, value).Err(); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}
