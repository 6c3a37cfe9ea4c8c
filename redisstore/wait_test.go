package redisstore_test

import (
	"errors"
	"syscall"
	"testing"
	"time"

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
			store := openURL(t, instance.URL, instance.Mode, freshPrefix(), codes.Limits{})
			store.WaitForReplicas(1)
			if err := store.Prepare(t.Context()); err != nil {
				t.Fatal(err)
			}
			e := codes.Entry{ID: codestest.Fresh(), Code: codestest.Fresh(), Attempts: 3, Expiration: time.Minute, Op: codes.NewOp()}
			put := func() {
				e.Op = codes.NewOp()
				if err := store.Put(t.Context(), e); err != nil {
					t.Fatal(err)
				}
			}
			try := codes.Try{ID: e.ID, Code: e.Code, Op: codes.NewOp()}
			put()
			if got, err := store.Try(t.Context(), try); err != nil || got.Status != codes.Right {
				t.Fatalf("Try = %v, %v", got, err)
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
