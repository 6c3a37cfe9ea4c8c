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
	for name, start := range backends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			instance := start(t)
			open := func(t testing.TB, prefix string, l codes.Limits) *redisstore.Store {
				t.Cleanup(func() { instance.NoKeyWithoutTTL(t, prefix) })
				return openURL(t, instance.URL, instance.Mode, prefix, l)
			}
			t.Run("store", func(t *testing.T) {
				codestest.RunStore(t, func(t testing.TB) codestest.Backend {
					return codestest.Backend{Store: open(t, freshPrefix(), codes.Limits{}), Advance: instance.Advance}
				})
			})
			t.Run("concurrency", func(t *testing.T) {
				prefix := freshPrefix()
				codestest.RunStoreConcurrency(t,
					open(t, prefix, codes.Limits{}), open(t, prefix, codes.Limits{}), open(t, prefix, codes.Limits{}))
			})
			t.Run("limiter", func(t *testing.T) {
				codestest.RunLimiter(t, func(t testing.TB, l codes.Limits) codestest.LimiterBackend {
					return codestest.LimiterBackend{Limiter: open(t, freshPrefix(), l), Advance: instance.Advance}
				})
			})
			t.Run("prepare", func(t *testing.T) {
				if err := open(t, freshPrefix(), codes.Limits{}).Prepare(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
