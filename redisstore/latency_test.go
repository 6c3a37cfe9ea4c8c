package redisstore

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// TestSlowNetwork: if the network is slow, calls that are made at the same time do not
// wait for each other.
func TestSlowNetwork(t *testing.T) {
	const calls = 12
	proxy := redistest.NewProxy(t, redistest.Server(t).Addr)
	c, _ := openBatcher(t, proxy.Addr())
	c.latency, c.maxQueueDelay = latency{}, maxQueueDelay
	proxy.Delay(6 * time.Millisecond)
	atOnce := func(calls int) time.Duration {
		begun := time.Now()
		var wg sync.WaitGroup
		for i := range calls {
			wg.Go(func() { mustEcho(t, c, fmt.Sprint(i)) })
		}
		wg.Wait()
		return time.Since(begun)
	}
	atOnce(calls) // opens the connections
	one, all := time.Hour, time.Hour
	for range 20 { // on a busy machine some may be late
		one, all = min(one, atOnce(1)), min(all, atOnce(calls))
	}
	if limit := one * 3 / 2; all > limit {
		t.Errorf("%d calls at once take %v and one takes %v: they waited for each other", calls, all, one)
	}
	c.mustBeIdle(t)
}

// TestLatency: the quickest round trip of the last minute counts, whatever batches take.
func TestLatency(t *testing.T) {
	var d latency
	if n := d.slots(64); n != enoughSlots {
		t.Errorf("%d slots before anything is known, want %d", n, enoughSlots)
	}
	d.measure(80*time.Microsecond, 1)
	d.measure(700*time.Microsecond, 33)
	if n := d.slots(64); n != minSlots {
		t.Errorf("%d slots on loopback, want %d", n, minSlots)
	}
	for range 2 { // windows
		d.until = time.Time{}
		d.measure(2400*time.Microsecond, 1)
	}
	if n := d.slots(64); n != enoughSlots {
		t.Errorf("%d slots at 2.4 ms, want %d", n, enoughSlots)
	}
}
