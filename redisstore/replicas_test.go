package redisstore_test

import (
	"errors"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/redisstore"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// TestWaitForReplicas: with REDIS_WAIT_REPLICAS a code is right only when a
// replica knows that it is used.
func TestWaitForReplicas(t *testing.T) {
	for name, open := range map[string]func(testing.TB) *redistest.Instance{
		"sentinel": redistest.Sentinel,
		"cluster":  redistest.ClusterWithReplicas,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			instance := open(t)
			replicasHeard(t, instance.Nodes[:len(instance.Nodes)/2])
			store := openURL(t, instance.URL, instance.Mode, redisstore.Options{Prefix: freshPrefix(), MinReplicas: 1})
			prepare(t, store)
			r := newReservation(3)
			var op codes.Op
			rightCode := func() (codes.Checked, error) {
				c := checkOf(r, r.Entry.Code)
				c.Op = op
				return store.Check(t.Context(), c)
			}
			follows := false
			for end := time.Now().Add(10 * time.Second); !follows && time.Now().Before(end); {
				r, op = again(r), codes.NewOp()
				mustReserve(t, store, r)
				got, err := rightCode()
				if err != nil && !errors.Is(err, codes.ErrUnavailable) {
					t.Fatal(err)
				}
				follows = err == nil && got.Status == codes.Right
			}
			if !follows {
				t.Fatal("no replica acknowledged within 10 s")
			}

			r, op = again(r), codes.NewOp()
			mustReserve(t, store, r)
			replicas := instance.Nodes[len(instance.Nodes)/2:]
			for _, r := range replicas {
				r.Signal(syscall.SIGSTOP)
			}
			_, err := rightCode()
			for _, r := range replicas {
				r.Signal(syscall.SIGCONT)
			}
			if !errors.Is(err, codes.ErrUnavailable) {
				t.Fatalf("Check = %v while no replica acknowledges, want ErrUnavailable", err)
			}
			// Asked again as the same operation it gives its true answer.
			if got, err := rightCode(); err != nil || got.Status != codes.Right {
				t.Errorf("Check again = %v, %v", got, err)
			}
			expect(t, store, r, r.Entry.Code, unknown)
		})
	}
}

// replicasHeard waits until each master has heard of its replica: even one
// that is in step speaks only once a second at first.
func replicasHeard(t *testing.T, masters []*redistest.Node) {
	t.Helper()
	for _, m := range masters {
		c := redis.NewClient(&redis.Options{Addr: m.Addr, PoolSize: 1})
		// WAIT speaks of all that was written before the connection's last command.
		c.Time(t.Context())
		for began := time.Now(); c.Wait(t.Context(), 1, 50*time.Millisecond).Val() == 0; {
			if time.Since(began) > 10*time.Second {
				t.Fatal("the replica is not heard of")
			}
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestLaggingReplicas: right codes that wait for replicas, however many, leave
// connections to the others.
func TestLaggingReplicas(t *testing.T) {
	instance := redistest.Server(t) // without a replica each waits in vain
	store := openURL(t, instance.URL, instance.Mode, redisstore.Options{Prefix: freshPrefix(), MinReplicas: 1})
	entries := make([]codes.Reservation, 200)
	for i := range entries {
		entries[i] = newReservation(3)
		mustReserve(t, store, entries[i])
	}
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
