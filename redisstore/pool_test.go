package redisstore_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/redisstore"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// TestPoolExhausted: with more round trips than the connections can make, each call gets
// its answer or is unavailable in time, and costs at most one attempt. Afterwards
// everything works.
func TestPoolExhausted(t *testing.T) {
	instance := redistest.Server(t)
	proxy := redistest.NewProxy(t, instance.Addr)
	url := strings.Replace(instance.URL, instance.Addr, proxy.Addr(), 1) + "?pool_size=2"
	store := openURL(t, url, instance.Mode, redisstore.Options{Prefix: freshPrefix()})
	const calls = 60
	entries := reserveMany(t, store, calls)
	guess := func(r codes.Reservation) (codes.Outcome, error) {
		checked, err := store.Check(t.Context(), checkOf(r, codestest.Fresh()))
		return checked.Outcome, err
	}
	proxy.Delay(50 * time.Millisecond) // two connections make 20 round trips before the deadline of an operation
	var answered atomic.Int64
	var wg sync.WaitGroup
	for _, e := range entries {
		wg.Go(func() {
			begun := time.Now()
			outcome, err := guess(e)
			switch {
			case errors.Is(err, codes.ErrUnavailable):
			case err != nil || outcome.Status != codes.Wrong || outcome.AttemptsLeft != 2:
				t.Errorf("Check = %+v, %v", outcome, err)
			default:
				answered.Add(1)
			}
			if took := time.Since(begun); took > 2*time.Second {
				t.Errorf("answered after %v", took)
			}
		})
	}
	wg.Wait()
	if n := answered.Load(); n < 4 {
		t.Errorf("%d of %d calls answered: they did not share round trips", n, calls)
	}
	proxy.Delay(0)
	for _, e := range entries {
		outcome, err := guess(e)
		if err != nil || outcome.Status != codes.Wrong || outcome.AttemptsLeft < 1 {
			t.Fatalf("afterwards Check = %+v, %v", outcome, err)
		}
	}
}
