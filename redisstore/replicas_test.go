package redisstore_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/redisstore"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// TestWaitForReplicas: with REDIS_WAIT_REPLICAS a code is right only when a replica has
// acknowledged that it is used, even if the check is sent again on another connection
// because its reply was lost.
func TestWaitForReplicas(t *testing.T) {
	for name, open := range map[string]func(testing.TB) *redistest.Instance{
		"sentinel": redistest.Sentinel,
		"cluster":  redistest.ClusterWithReplicas,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			instance := open(t)
			replicasHeard(t, instance.Nodes[:len(instance.Nodes)/2])
			o := redisstore.Options{Prefix: freshPrefix(), MinReplicas: 1}
			var breaks atomic.Bool // once
			w := &wire{loses: func() bool { return breaks.CompareAndSwap(true, false) }}
			store := openURL(t, instance.URL, instance.Mode, o, w)
			prepare(t, store)
			r := newReservation(3)
			mustReserve(t, store, r)
			c := checkOf(r, r.Entry.Code)
			replicas := instance.Nodes[len(instance.Nodes)/2:]
			for _, r := range replicas {
				r.Signal(syscall.SIGSTOP)
			}
			breaks.Store(true)
			if _, err := store.Check(t.Context(), c); !errors.Is(err, codes.ErrUnavailable) || w.lost.Load() != 1 {
				t.Errorf("Check = %v while no replica acknowledges, want ErrUnavailable", err)
			}
			for _, r := range replicas {
				r.Signal(syscall.SIGCONT)
			}
			got, err := store.Check(t.Context(), c)
			for end := time.Now().Add(10 * time.Second); err != nil && time.Now().Before(end); {
				got, err = store.Check(t.Context(), c)
			}
			if err != nil || got.Status != codes.Right {
				t.Errorf("the same check again = %v, %v", got, err)
			}
			expect(t, store, r, r.Entry.Code, unknown)
		})
	}
}

// replicasHeard waits until the replica of each master has acknowledged a write: at
// first a replica acknowledges only once a second.
func replicasHeard(t *testing.T, masters []*redistest.Node) {
	t.Helper()
	for _, m := range masters {
		c := m.Client().Conn()
		// WAIT waits for all writes before the connection's last command.
		c.Time(t.Context())
		for began := time.Now(); c.Wait(t.Context(), 1, 50*time.Millisecond).Val() == 0; {
			if time.Since(began) > 10*time.Second {
				t.Fatal("no replica acknowledges")
			}
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestLaggingReplicas: however many right codes wait for replicas, they leave
// connections for other operations.
func TestLaggingReplicas(t *testing.T) {
	instance := redistest.Server(t) // without a replica every WAIT fails
	store := openURL(t, instance.URL, instance.Mode, redisstore.Options{Prefix: freshPrefix(), MinReplicas: 1})
	entries := reserveMany(t, store, 200)
	var wg sync.WaitGroup
	for _, e := range entries {
		wg.Go(func() {
			_, err := check(t.Context(), store, e)
			if !errors.Is(err, codes.ErrUnavailable) {
				t.Errorf("Check = %v, want ErrUnavailable", err)
			}
		})
	}
	time.Sleep(50 * time.Millisecond) // now they wait
	for range 20 {
		if _, err := store.Reserve(t.Context(), newReservation(3)); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	if n := store.Pool().Timeouts; n != 0 {
		t.Errorf("%d times no connection was free", n)
	}
}
