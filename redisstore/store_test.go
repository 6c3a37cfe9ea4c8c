package redisstore_test

import (
	"crypto/rand"
	"testing"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/redisstore"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// backends are the set-ups of Redis that every promise holds on.
var backends = map[string]func(testing.TB) *redistest.Instance{
	"miniredis":  redistest.Mini,
	"standalone": func(t testing.TB) *redistest.Instance { return redistest.Server(t) },
	"sentinel":   redistest.Sentinel,
	"cluster":    redistest.Cluster,
}

// everyBackend runs a test on each of them. The one that lives in this process
// goes first and alone: it takes the processor, and the others tell the time.
func everyBackend(t *testing.T, run func(*testing.T, string, *redistest.Instance)) {
	t.Helper()
	t.Run("miniredis", func(t *testing.T) { run(t, "miniredis", redistest.Mini(t)) })
	everyServer(t, run)
}

// everyServer runs a test on each of them that is a redis-server.
func everyServer(t *testing.T, run func(*testing.T, string, *redistest.Instance)) {
	t.Helper()
	t.Parallel()
	for name, start := range backends {
		if name != "miniredis" {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				run(t, name, start(t))
			})
		}
	}
}

// openURL opens a store on a URL, under the given prefix.
func openURL(t testing.TB, url, mode, prefix string, l codes.Limits) *redisstore.Store {
	t.Helper()
	client, err := redisstore.Dial(url, mode)
	if err != nil {
		t.Fatal(err)
	}
	store := redisstore.New(client, prefix, l)
	t.Cleanup(func() { _ = store.Close() })
	return store
}

func freshPrefix() string { return "test-" + rand.Text() + ":" }

func TestEveryBackend(t *testing.T) {
	everyBackend(t, func(t *testing.T, name string, instance *redistest.Instance) {
		waits := name != "miniredis" // its clock runs by itself
		open := func(t testing.TB, prefix string, l codes.Limits) *redisstore.Store {
			t.Cleanup(func() { instance.NoKeyWithoutTTL(t, prefix) })
			return openURL(t, instance.URL, instance.Mode, prefix, l)
		}
		suite := func(name string, run func(*testing.T)) {
			t.Run(name, func(t *testing.T) {
				if waits {
					t.Parallel()
				}
				run(t)
			})
		}
		suite("store", func(t *testing.T) {
			codestest.RunStore(t, func(t testing.TB) codestest.Backend {
				return codestest.Backend{Store: open(t, freshPrefix(), codes.Limits{}), Advance: instance.Advance, Parallel: waits}
			})
		})
		suite("concurrency", func(t *testing.T) {
			prefix := freshPrefix()
			codestest.RunStoreConcurrency(t,
				open(t, prefix, codes.Limits{}), open(t, prefix, codes.Limits{}), open(t, prefix, codes.Limits{}))
		})
		suite("limiter", func(t *testing.T) {
			codestest.RunLimiter(t, func(t testing.TB, l codes.Limits) codestest.LimiterBackend {
				return codestest.LimiterBackend{Limiter: open(t, freshPrefix(), l), Advance: instance.Advance, Parallel: waits}
			})
		})
		suite("claims", func(t *testing.T) {
			codestest.RunClaims(t, codestest.ClaimsBackend{Claims: open(t, freshPrefix(), codes.Limits{}), Advance: instance.Advance})
		})
		suite("prepare", func(t *testing.T) {
			if err := open(t, freshPrefix(), codes.Limits{}).Prepare(t.Context()); err != nil {
				t.Error(err)
			}
		})
	})
}
