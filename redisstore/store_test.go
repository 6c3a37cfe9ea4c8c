package redisstore_test

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/redisstore"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// TestEveryBackend checks every promise on every backend. miniredis goes first and
// alone: it uses this process's CPU time, and the others measure time.
func TestEveryBackend(t *testing.T) {
	t.Run("miniredis", func(t *testing.T) { runSuites(t, "miniredis", redistest.Mini(t)) })
	everyServer(t, runSuites)
}

func runSuites(t *testing.T, backend string, instance *redistest.Instance) {
	for name, run := range map[string]func(*testing.T, string, *redistest.Instance){
		"contracts": runContracts,
		"keys":      runKeys, "entry": runEntry, "notices": runNotices, "replies": runReplies, "total": runTotal,
		"every reply lost": runEveryReplyLost,
	} {
		t.Run(name, func(t *testing.T) {
			if backend != "miniredis" { // whose clock all tests move
				t.Parallel()
			}
			run(t, backend, instance)
		})
	}
}

// runContractsOf checks what the interfaces of package codes demand, for stores on a
// URL whose keys begin with a prefix, with hooks in their clients.
func runContractsOf(t *testing.T, instance *redistest.Instance, url, prefix string, hooks ...redis.Hook) {
	open := func(t testing.TB) codestest.Backend {
		o := redisstore.Options{Prefix: prefix + freshPrefix()}
		t.Cleanup(func() { instance.NoKeyWithoutTTL(t, o.Prefix) })
		b := codestest.Backend{Advance: instance.Advance, Parallel: len(instance.Nodes) > 0, Lossy: len(hooks) > 0}
		for i := range 3 {
			store := openURL(t, url, instance.Mode, o, hooks...)
			prepare(t, store)
			if i == 0 {
				b.Store, b.Split = store, store.Split()
			} else {
				b.Peers = append(b.Peers, store)
			}
		}
		return b
	}
	for name, run := range codestest.Suites() {
		t.Run(name, func(t *testing.T) { run(t, open) })
	}
}
