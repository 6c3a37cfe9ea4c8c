package redisstore_test

import (
	"context"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/redisstore"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// TestUsedCodesAfterACrash measures, for each set-up of Redis, how many used codes are
// valid again after its master was killed under load.
func TestUsedCodesAfterACrash(t *testing.T) {
	kill := func(r *redistest.Instance) { r.Signal(syscall.SIGKILL) }
	restart := func(r *redistest.Instance) { kill(r); r.Restart() }
	for _, setUp := range []struct {
		name     string
		open     func(testing.TB) *redistest.Instance
		crash    func(*redistest.Instance)
		replicas int
		none     bool // promised: no used code is valid again
	}{
		{"snapshots only", server(`save ""`), restart, 0, false}, // a snapshot is made below
		// Redis delays writes for up to two seconds while an earlier fsync is running.
		{"append-only file, fsync every second", server("appendonly yes", "appendfsync everysec"), restart, 0, false},
		{"append-only file, fsync always", server("appendonly yes", "appendfsync always"), restart, 0, true},
		{"no persistence", server(`save ""`, "appendonly no"), restart, 0, true},
		{"sentinel", redistest.Sentinel, kill, 0, false},
		{"sentinel, min-replicas-to-write 1", cautious, kill, 0, false},
		{"sentinel, REDIS_WAIT_REPLICAS=1", redistest.Sentinel, kill, 1, true},
	} {
		t.Run(setUp.name, func(t *testing.T) {
			t.Parallel()
			instance := setUp.open(t)
			store := openURL(t, instance.URL, instance.Mode, redisstore.Options{Prefix: freshPrefix(), MinReplicas: setUp.replicas})
			entries := reserveMany(t, store, 3000)
			if setUp.name == "snapshots only" {
				if err := instance.Client().Save(t.Context()).Err(); err != nil {
					t.Fatal(err)
				}
			}
			used := useUntilCrash(store, entries, func() { setUp.crash(instance) })
			again := 0
			for _, e := range used {
				if checkUntilAnswered(t, store, e).Status == codes.Right {
					again++
				}
			}
			t.Logf("%d of %d used codes were valid again", again, len(used))
			if setUp.none && again > 0 {
				t.Errorf("%d used codes were valid again", again)
			}
			if setUp.name == "snapshots only" && again == 0 {
				t.Error("no used code was valid again after a snapshot: the measurement is broken")
			}
			if len(used) < 100 {
				t.Errorf("only %d codes were used before the crash", len(used))
			}
		})
	}
}

func server(config ...string) func(testing.TB) *redistest.Instance {
	return func(t testing.TB) *redistest.Instance { return redistest.Server(t, config...) }
}

// cautious starts a master that refuses writes while its replica lags by more than a second.
func cautious(t testing.TB) *redistest.Instance {
	t.Helper()
	instance := redistest.Sentinel(t)
	for name, value := range map[string]string{"min-replicas-to-write": "1", "min-replicas-max-lag": "1"} {
		if err := instance.Client().ConfigSet(context.Background(), name, value).Err(); err != nil {
			t.Fatal(err)
		}
	}
	return instance
}

// reserveMany reserves n entries.
func reserveMany(t *testing.T, store *redisstore.Store, n int) []codes.Reservation {
	t.Helper()
	entries := make([]codes.Reservation, n)
	for i := range entries {
		entries[i] = withLifetime(newReservation(3), 10*time.Minute)
		_, err := store.Reserve(t.Context(), entries[i])
		for end := time.Now().Add(10 * time.Second); err != nil && time.Now().Before(end); { // a cautious master has no replica yet
			_, err = store.Reserve(t.Context(), entries[i])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return entries
}

// useUntilCrash enters codes from several goroutines, crashes Redis half way, and
// returns the entries whose code was right.
func useUntilCrash(store *redisstore.Store, entries []codes.Reservation, crash func()) (used []codes.Reservation) {
	var mu sync.Mutex
	var next atomic.Int64
	var down atomic.Bool
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := next.Add(1) - 1; int(i) < len(entries) && !down.Load(); i = next.Add(1) - 1 {
				outcome, err := check(context.Background(), store, entries[i])
				if err == nil && outcome.Status == codes.Right {
					mu.Lock()
					used = append(used, entries[i])
					mu.Unlock()
				}
			}
		})
	}
	for int(next.Load()) < len(entries)/2 {
		time.Sleep(time.Millisecond)
	}
	crash()
	down.Store(true)
	wg.Wait()
	return used
}

func checkUntilAnswered(t *testing.T, store *redisstore.Store, e codes.Reservation) codes.Outcome {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); {
		if outcome, err := check(context.Background(), store, e); err == nil {
			return outcome
		}
	}
	t.Fatal("Redis did not come back")
	return codes.Outcome{}
}
