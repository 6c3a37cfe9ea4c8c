package redisstore_test

import (
	"crypto/rand"
	"testing"
	"time"

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
	client, err := redisstore.Dial(redisstore.DialOptions{URL: url, Mode: mode})
	if err != nil {
		t.Fatal(err)
	}
	store := redisstore.New(client, prefix, l)
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// prepare makes a store ready as the service does, in as many tries as it
// takes: the first calls may be late on a machine that starts many servers.
func prepare(t testing.TB, store *redisstore.Store) {
	t.Helper()
	err := store.Prepare(t.Context())
	for end := time.Now().Add(10 * time.Second); err != nil && time.Now().Before(end); err = store.Prepare(t.Context()) {
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func freshPrefix() string { return "test-" + rand.Text() + ":" }

// TestEveryBackend runs every promise on every backend. The one that lives in
// this process goes first and alone: it takes the processor, and the others
// tell the time.
func TestEveryBackend(t *testing.T) {
	t.Run("miniredis", func(t *testing.T) { runSuites(t, "miniredis", redistest.Mini(t)) })
	everyServer(t, runSuites)
}

func runSuites(t *testing.T, backend string, instance *redistest.Instance) {
	for name, run := range map[string]func(*testing.T, string, *redistest.Instance){
		"contracts": runContracts,
		"keys":      runKeys, "entry": runEntry, "notices": runNotices, "notes": runNotes, "total": runTotal,
		"lost reply": runLostReply, "every reply lost": runEveryReplyLost, "fresh op": runFreshOp,
	} {
		t.Run(name, func(t *testing.T) {
			if backend != "miniredis" { // whose clock all tests move
				t.Parallel()
			}
			run(t, backend, instance)
		})
	}
}

// runContracts runs what the interfaces of package codes demand.
func runContracts(t *testing.T, backend string, instance *redistest.Instance) {
	waits := backend != "miniredis" // its clock runs by itself
	open := func(t testing.TB, prefix string, l codes.Limits) *redisstore.Store {
		t.Cleanup(func() { instance.NoKeyWithoutTTL(t, prefix) })
		return openURL(t, instance.URL, instance.Mode, prefix, l)
	}
	for name, run := range map[string]func(*testing.T){
		"store": func(t *testing.T) {
			codestest.RunStore(t, func(t testing.TB) codestest.Backend {
				return codestest.Backend{Store: open(t, freshPrefix(), codes.Limits{}), Advance: instance.Advance, Parallel: waits}
			})
		},
		"concurrency": func(t *testing.T) {
			prefix := freshPrefix()
			codestest.RunStoreConcurrency(t,
				open(t, prefix, codes.Limits{}), open(t, prefix, codes.Limits{}), open(t, prefix, codes.Limits{}))
		},
		"limiter": func(t *testing.T) {
			codestest.RunLimiter(t, func(t testing.TB, l codes.Limits) codestest.LimiterBackend {
				return codestest.LimiterBackend{Limiter: open(t, freshPrefix(), l), Advance: instance.Advance, Parallel: waits}
			})
		},
		"claims": func(t *testing.T) {
			codestest.RunClaims(t, codestest.ClaimsBackend{Claims: open(t, freshPrefix(), codes.Limits{}), Advance: instance.Advance})
		},
		"receipts": func(t *testing.T) {
			codestest.RunReceipts(t, func(t testing.TB) codestest.ReceiptsBackend {
				s := open(t, freshPrefix(), codes.Limits{})
				return codestest.ReceiptsBackend{Store: s, Receipts: s, Advance: instance.Advance, Parallel: waits}
			})
		},
		"receipts in parallel": func(t *testing.T) {
			prefix := freshPrefix()
			one, other := open(t, prefix, codes.Limits{}), open(t, prefix, codes.Limits{})
			codestest.RunReceiptsConcurrency(t,
				codestest.ReceiptsBackend{Store: one, Receipts: one}, codestest.ReceiptsBackend{Store: other, Receipts: other})
		},
		"prepare": func(t *testing.T) {
			prepare(t, open(t, freshPrefix(), codes.Limits{}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			if waits {
				t.Parallel()
			}
			run(t)
		})
	}
}
