package redisstore_test

import (
	"errors"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
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
			store := openURL(t, instance.URL, instance.Mode, freshPrefix(), codes.Limits{})
			store.WaitForReplicas(1)
			prepare(t, store)
			e := codes.Entry{ID: codestest.Fresh(), Code: codestest.Fresh(), Attempts: 3, Expiration: time.Minute, Op: codes.NewOp()}
			put := func() {
				e.Op = codes.NewOp()
				if _, err := store.Put(t.Context(), e); err != nil {
					t.Fatal(err)
				}
			}
			try := codes.Try{ID: e.ID, Code: e.Code}
			follows := false
			for end := time.Now().Add(10 * time.Second); !follows && time.Now().Before(end); {
				put()
				try.Op = codes.NewOp()
				got, err := store.Try(t.Context(), try)
				if err != nil && !errors.Is(err, codes.ErrUnavailable) {
					t.Fatal(err)
				}
				follows = err == nil && got.Status == codes.Right
			}
			if !follows {
				t.Fatal("no replica took note within 10 s")
			}

			put()
			replicas := instance.Nodes[len(instance.Nodes)/2:]
			for _, r := range replicas {
				r.Signal(syscall.SIGSTOP)
			}
			try.Op = codes.NewOp()
			_, err := store.Try(t.Context(), try)
			for _, r := range replicas {
				r.Signal(syscall.SIGCONT)
			}
			if !errors.Is(err, codes.ErrUnavailable) {
				t.Fatalf("Try = %v while no replica takes note, want ErrUnavailable", err)
			}
			// Asked again as the same operation it gives its true answer.
			if got, err := store.Try(t.Context(), try); err != nil || got.Status != codes.Right {
				t.Errorf("Try again = %v, %v", got, err)
			}
			if got, err := store.Try(t.Context(), codes.Try{ID: e.ID, Code: e.Code, Op: codes.NewOp()}); err != nil || got.Status != codes.Unknown {
				t.Errorf("another Try = %v, %v", got, err)
			}
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
	store := openURL(t, instance.URL, instance.Mode, freshPrefix(), codes.Limits{})
	store.WaitForReplicas(1)
	entries := make([]codes.Entry, 200)
	for i := range entries {
		entries[i] = newEntry(3)
		if _, err := store.Put(t.Context(), entries[i]); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for _, e := range entries {
		wg.Go(func() {
			_, err := store.Try(t.Context(), codes.Try{ID: e.ID, Code: e.Code, Op: codes.NewOp()})
			if !errors.Is(err, codes.ErrUnavailable) {
				t.Errorf("Try = %v, want ErrUnavailable", err)
			}
		})
	}
	time.Sleep(50 * time.Millisecond) // now they wait
	for range 20 {
		if _, err := store.Put(t.Context(), newEntry(3)); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	if n := store.Pool().Timeouts; n != 0 {
		t.Errorf("%d times no connection was free", n)
	}
}
