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

// TestPoolExhausted: where there are more round trips than connections can
// carry, each call has its true answer or is unavailable in time, and costs
// one attempt at most; afterwards all is as before.
func TestPoolExhausted(t *testing.T) {
	instance := redistest.Server(t)
	proxy := redistest.NewProxy(t, instance.Addr)
	url := strings.Replace(instance.URL, instance.Addr, proxy.Addr(), 1) + "?pool_size=2"
	store := openURL(t, url, instance.Mode, redisstore.Options{Prefix: freshPrefix()})
	const calls = 60
	entries := make([]codes.Reservation, calls)
	for i := range entries {
		entries[i] = newReservation(3)
		mustReserve(t, store, entries[i])
	}
	guess := func(r codes.Reservation) (codes.Outcome, error) {
		checked, err := store.Check(t.Context(), checkOf(r, codestest.Fresh()))
		return checked.Outcome, err
	}
	proxy.Delay(50 * time.Millisecond) // two connections make ten round trips in the time of one operation
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
