package redisstore

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// TestNoWaitWhereTheNetworkIsSlow: with a network between service and Redis,
// calls that are made at the same time take one exchange each.
func TestNoWaitWhereTheNetworkIsSlow(t *testing.T) {
	const calls, oneWay = 12, 3 * time.Millisecond
	instance := redistest.Server(t)
	proxy := redistest.NewProxy(t, instance.Addr)
	client, err := Dial(DialOptions{URL: "redis://" + proxy.Addr() + "/0", Mode: Standalone})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	if err := echoScript.Load(t.Context(), client).Err(); err != nil {
		t.Fatal(err)
	}
	c := newBatcher(client)
	proxy.Delay(2 * oneWay) // there and back
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

// TestDistance: the quickest round trip of the last minute says how far Redis
// is away, whatever batches take.
func TestDistance(t *testing.T) {
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
