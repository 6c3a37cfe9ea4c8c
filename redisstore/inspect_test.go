package redisstore_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/flowroute/sms-verification/redisstore"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// TestInspect: a setting that breaks a promise is a warning, one that the user may not
// read is not, and a server that cannot be reached is an error.
func TestInspect(t *testing.T) {
	const snapshots, eviction = "append-only", "maxmemory-policy is allkeys-lru"
	type settings = map[string]string
	everyServer(t, func(t *testing.T, name string, instance *redistest.Instance) {
		rules, cluster, _ := documentedRules(t)
		if name == "cluster" {
			rules = append(rules, cluster...)
		}
		documented := setUser(t, instance, "smsv", rules)
		blind := setUser(t, instance, "blind", append(slices.Clip(rules), "-info"))
		for _, test := range []struct {
			name         string
			settings     settings
			url          string
			want, unread []string // one warning each, however many servers give it
		}{
			{"nothing kept", nil, instance.URL, nil, nil},
			{"snapshots", settings{"save": "3600 1"}, instance.URL, []string{snapshots}, nil},
			{"append-only", settings{"save": "3600 1", "appendonly": "yes"}, instance.URL, nil, nil},
			{"both", settings{"save": "3600 1", "maxmemory-policy": "allkeys-lru"}, instance.URL, []string{snapshots, eviction}, nil},
			{"documented", settings{"save": "3600 1"}, documented, nil, []string{"save"}},
			{"documented, eviction", settings{"maxmemory-policy": "allkeys-lru"}, documented, []string{eviction}, []string{"save"}},
			{"documented, append-only", settings{"appendonly": "yes"}, documented, nil, nil},
			{"may read nothing", settings{"maxmemory-policy": "allkeys-lru"}, blind, nil, []string{"appendonly", "maxmemory-policy"}},
		} {
			configure(t, instance, settings{"save": "", "appendonly": "no", "maxmemory-policy": "noeviction"})
			configure(t, instance, test.settings)
			got, err := openURL(t, test.url, instance.Mode, redisstore.Options{Prefix: freshPrefix()}).Inspect(t.Context())
			ok := err == nil && len(got.Warnings) == len(test.want)
			for _, want := range test.want {
				ok = ok && strings.Contains(strings.Join(got.Warnings, "\n"), want)
			}
			slices.Sort(got.Unread)
			if !ok || !slices.Equal(got.Unread, test.unread) {
				t.Errorf("%s: %q, %v; want %q and unread %q", test.name, got, err, test.want, test.unread)
			}
		}
		absent := "redis://127.0.0.1:1"
		if instance.Mode == redisstore.Sentinel {
			absent += "?master_name=absent"
		}
		if got, err := openURL(t, absent, instance.Mode, redisstore.Options{}).Inspect(t.Context()); err == nil {
			t.Errorf("unreachable: %q", got)
		}
	})
}

// configure sets settings of all servers.
func configure(t *testing.T, i *redistest.Instance, settings map[string]string) {
	t.Helper()
	for _, n := range i.Nodes {
		for name, value := range settings {
			if err := n.Client().ConfigSet(t.Context(), name, value).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
