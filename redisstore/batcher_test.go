package redisstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// TestCallsShareRoundTrips: calls that arrive while all slots are taken share round
// trips, and each gets its own reply.
func TestCallsShareRoundTrips(t *testing.T) {
	const calls = 50
	c, trips := openBatcher(t, redistest.Server(t).Addr)
	c.crowd(t, trips, calls, func(word string) { mustEcho(t, c, word) })
	const wantShared = (calls + minBatch) / (1 + minBatch)
	// A leader that is late may find that all others have been sent.
	if alone, shared := trips.alone.Load(), trips.shared.Load(); shared != wantShared || alone < minSlots || alone > 2*minSlots {
		t.Errorf("%d calls were sent alone and others in %d round trips, want %d to %d and %d", alone, shared, minSlots, 2*minSlots, wantShared)
	}
	c.mustBeIdle(t)

	c.crowd(t, trips, minSlots*(maxBatch+9), func(word string) { mustEcho(t, c, word) })
	if largest := trips.largest.Load(); largest > 1+maxBatch {
		t.Errorf("%d calls in one round trip, want at most %d", largest, 1+maxBatch)
	}
	c.mustBeIdle(t)
}

// TestLeaderYields: calls that a busy service is about to make join the round trip that
// is about to be made.
func TestLeaderYields(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const calls = minSlots + minBatch
	c, trips := openBatcher(t, redistest.Server(t).Addr)
	fewest := int64(calls)
	for range 10 { // on a busy machine some may be late
		trips.alone.Store(0)
		trips.shared.Store(0)
		var wg sync.WaitGroup
		for i := range calls {
			wg.Go(func() { mustEcho(t, c, fmt.Sprint(i)) })
		}
		wg.Wait()
		fewest = min(fewest, trips.alone.Load()+trips.shared.Load())
	}
	if fewest > minSlots {
		t.Errorf("%d round trips, want at most %d", fewest, minSlots)
	}
}

// TestExtraSlots: while round trips are slow, a call that has waited for maxQueueDelay
// takes an extra slot, up to maxSlots.
func TestExtraSlots(t *testing.T) {
	c, trips := openBatcher(t, redistest.Server(t).Addr)
	c.maxQueueDelay, c.maxSlots = maxQueueDelay, 16
	trips.hold()
	var wg sync.WaitGroup
	c.occupy(t, trips, &wg, func() { mustEcho(t, c, "before") })
	underWay := func() int { return int(trips.alone.Load() + trips.shared.Load()) }
	for i := range c.maxSlots - minSlots {
		wg.Go(func() { mustEcho(t, c, fmt.Sprint(i)) })
		await(t, func() bool { return underWay() == minSlots+i+1 })
	}
	for i := range 10 {
		wg.Go(func() { mustEcho(t, c, fmt.Sprint("more ", i)) })
	}
	await(t, func() bool { return c.queue() == 10 })
	time.Sleep(2 * maxQueueDelay)
	if n := underWay(); n != c.maxSlots || c.queue() != 10 {
		t.Errorf("%d round trips under way, want %d", n, c.maxSlots)
	}
	trips.release()
	wg.Wait()
	c.mustBeIdle(t)
}

// TestWaitingCallEnds: a call whose context ends while it waits for a slot returns at
// once, and the others are not affected.
func TestWaitingCallEnds(t *testing.T) {
	c, trips := openBatcher(t, redistest.Server(t).Addr)
	trips.hold()
	var wg sync.WaitGroup
	c.occupy(t, trips, &wg, func() { mustEcho(t, c, "first") })
	ctx, cancel := context.WithCancel(t.Context())
	wg.Go(func() {
		if _, err := echo(ctx, c, "gone"); !errors.Is(err, context.Canceled) {
			t.Errorf("a call whose context has ended: %v", err)
		}
	})
	await(t, func() bool { return c.queue() == 1 })
	wg.Go(func() { mustEcho(t, c, "next") })
	await(t, func() bool { return c.queue() == 2 })
	cancel()
	await(t, func() bool { return c.queue() == 1 })
	trips.release()
	wg.Wait()
	c.mustBeIdle(t)
}

// TestCallersGiveUp: callers that give up at any moment, even when they are woken to
// lead, mix up no replies, keep no slot and do not affect other calls.
func TestCallersGiveUp(t *testing.T) {
	c, _ := openBatcher(t, redistest.Server(t).Addr)
	c.maxQueueDelay = time.Millisecond
	var wg sync.WaitGroup
	for worker := range 64 {
		wg.Go(func() {
			for i := range 200 {
				timeout := 10 * time.Second
				if worker%2 == 0 {
					timeout = rand.N(2 * time.Millisecond)
				}
				ctx, cancel := context.WithTimeout(t.Context(), timeout)
				word := fmt.Sprint(worker, " ", i)
				got, err := echo(ctx, c, word)
				for err != nil && ctx.Err() == nil {
					got, err = echo(ctx, c, word) // its leader had less time left
				}
				cancel()
				if err == nil && got != word || err != nil && worker%2 == 1 {
					t.Errorf("reply %q, %v to %q", got, err, word)
					return
				}
			}
		})
	}
	wg.Wait()
	c.mustBeIdle(t)
}

// TestLeaderOutOfTime: if the leader of a round trip has no time left or is cancelled,
// the others still get their replies.
func TestLeaderOutOfTime(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, ctx := range map[string]context.Context{
		"no time left": bounded{t.Context(), time.Now()},
		"hung up":      bounded{cancelled, time.Now().Add(time.Minute)},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := openBatcher(t, redistest.Server(t).Addr)
			for range minSlots {
				c.join(nil)
			}
			var wg sync.WaitGroup
			wg.Go(func() { mustEcho(t, c, "other") })
			await(t, func() bool { return c.queue() == 1 })
			c.lead(ctx, redis.NewCmd(ctx, "evalsha", echoScript.Hash(), 1, "echo", "leader"))
			wg.Wait()
			for range minSlots - 1 {
				c.release(false, 0, 1)
			}
			c.mustBeIdle(t)
		})
	}
}

// TestLeaderGivesUp: if a call gives up when it is given a slot, the slot goes to the
// next call, or is free if there is none.
func TestLeaderGivesUp(t *testing.T) {
	c := newBatcher(nil)
	c.latency = near()
	for range minSlots {
		c.join(nil)
	}
	first, second := c.join(nil), c.join(nil)
	c.release(false, 0, 1)
	c.abandon(first)
	select {
	case leads := <-second.wake:
		if !leads {
			t.Error("the next has a reply instead of the slot")
		}
	default:
		t.Error("the next did not get the slot")
	}
	for range minSlots {
		c.release(false, 0, 1)
	}
	c.mustBeIdle(t)
}

// TestFailedRoundTrip: all calls of a round trip that fails get its error, and the next
// round trip is made.
func TestFailedRoundTrip(t *testing.T) {
	c, trips := openBatcher(t, redistest.Server(t).Addr)
	trips.fail.Store(true)
	c.crowd(t, trips, 10, func(word string) {
		if _, err := echo(t.Context(), c, word); !errors.Is(err, errTrip) {
			t.Errorf("a call of a failed round trip: %v", err)
		}
	})
	trips.fail.Store(false)
	mustEcho(t, c, "after")
	c.mustBeIdle(t)
}

var echoScript = redis.NewScript("return ARGV[1]")

func echo(ctx context.Context, c *batcher, word string) (string, error) {
	return c.Do(ctx, "evalsha", echoScript.Hash(), 1, "echo", word).Text()
}

func mustEcho(t *testing.T, c *batcher, word string) {
	t.Helper()
	if got, err := echo(t.Context(), c, word); err != nil || got != word {
		t.Errorf("reply %q, %v to %q", got, err, word)
	}
}

// crowd makes calls while round trips are held and all slots are taken, and releases
// the round trips when all calls wait.
func (c *batcher) crowd(t *testing.T, trips *trips, calls int, call func(word string)) {
	t.Helper()
	trips.hold()
	trips.alone.Store(0)
	var wg sync.WaitGroup
	c.occupy(t, trips, &wg, func() { call("before") })
	for i := range calls {
		wg.Go(func() { call(fmt.Sprint(i)) })
	}
	await(t, func() bool { return c.queue() == calls })
	trips.release()
	wg.Wait()
}

// occupy makes a call on every slot, while round trips are held.
func (c *batcher) occupy(t *testing.T, held *trips, wg *sync.WaitGroup, call func()) {
	t.Helper()
	for range minSlots {
		wg.Go(call)
	}
	await(t, func() bool { return held.alone.Load() == minSlots })
}

// queue returns how many calls wait for a slot.
func (c *batcher) queue() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, one := range c.waiting {
		if !one.abandoned {
			n++
		}
	}
	return n
}

func (c *batcher) mustBeIdle(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.taken != 0 || len(c.waiting) != 0 {
		t.Errorf("%d slots taken and %d calls waiting at rest", c.taken, len(c.waiting))
	}
}

func await(t *testing.T, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}

// openBatcher opens a batcher for a Redis nearby, which takes no extra slots.
func openBatcher(t *testing.T, addr string) (*batcher, *trips) {
	client, err := Dial(DialOptions{URL: "redis://" + addr + "/0", Mode: Standalone})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	if err := echoScript.Load(t.Context(), client).Err(); err != nil {
		t.Fatal(err)
	}
	hook := &trips{}
	client.AddHook(hook)
	c := newBatcher(client)
	c.latency = near()
	c.maxQueueDelay = time.Hour // not even on a busy machine
	return c, hook
}

// near is a latency at which round trips are shared.
func near() latency { return latency{current: time.Microsecond, until: time.Now().Add(time.Hour)} }

// trips counts round trips, and can hold them up or make them fail.
type trips struct {
	redis.Hook
	gate          sync.RWMutex
	fail          atomic.Bool
	alone, shared atomic.Int64 // round trips
	largest       atomic.Int64 // calls in one
}

var errTrip = errors.New("round trip failed")

func (h *trips) hold()    { h.gate.Lock() }
func (h *trips) release() { h.gate.Unlock() }

func (h *trips) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h *trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "evalsha" { // and not the greeting of a new connection
			h.alone.Add(1)
		}
		return h.pass(func() error { return next(ctx, cmd) }, cmd)
	}
}

func (h *trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		h.shared.Add(1)
		h.largest.Store(max(h.largest.Load(), int64(len(cmds))))
		return h.pass(func() error { return next(ctx, cmds) }, cmds...)
	}
}

func (h *trips) pass(on func() error, cmds ...redis.Cmder) error {
	h.gate.RLock()
	defer h.gate.RUnlock()
	if !h.fail.Load() {
		return on()
	}
	for _, cmd := range cmds {
		cmd.SetErr(errTrip)
	}
	return errTrip
}
