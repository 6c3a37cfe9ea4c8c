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

// TestCallsShareRoundTrips: calls that come while all slots are taken go
// together, and each gets its own reply.
func TestCallsShareRoundTrips(t *testing.T) {
	const calls = 50
	c, trips := openBatcher(t)
	trips.hold()
	var wg sync.WaitGroup
	c.occupy(t, trips, &wg, func() { mustEcho(t, c, "before") })
	for i := range calls {
		wg.Go(func() { mustEcho(t, c, fmt.Sprint(i)) })
	}
	await(t, func() bool { return c.queue() == calls })
	trips.release()
	wg.Wait()
	const wantShared = (calls + minBatch) / (1 + minBatch)
	// One that is late to lead may find that all have gone with others.
	if alone, shared := trips.alone.Load(), trips.shared.Load(); shared != wantShared || alone < minSlots || alone > 2*minSlots {
		t.Errorf("%d calls went alone and others in %d shared round trips, want %d to %d and %d", alone, shared, minSlots, 2*minSlots, wantShared)
	}
	c.mustBeIdle(t)
}

// TestCallsComeAlong: those that a busy service is about to make do not wait
// for the next round trip.
func TestCallsComeAlong(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const calls = minSlots + minBatch
	c, trips := openBatcher(t)
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

// TestSlowRoundTrips: where round trips take long nobody waits for long to set
// out, as long as there are not too many of them.
func TestSlowRoundTrips(t *testing.T) {
	c, trips := openBatcher(t)
	c.maxQueueDelay, c.maxSlots = maxQueueDelay, 16
	trips.hold()
	var wg sync.WaitGroup
	c.occupy(t, trips, &wg, func() { mustEcho(t, c, "before") })
	under := func() int { return int(trips.alone.Load() + trips.shared.Load()) }
	for i := range c.maxSlots - minSlots {
		wg.Go(func() { mustEcho(t, c, fmt.Sprint(i)) })
		await(t, func() bool { return under() == minSlots+i+1 })
	}
	for i := range 10 {
		wg.Go(func() { mustEcho(t, c, fmt.Sprint("more ", i)) })
	}
	await(t, func() bool { return c.queue() == 10 })
	time.Sleep(2 * maxQueueDelay)
	if n := under(); n != c.maxSlots || c.queue() != 10 {
		t.Errorf("%d round trips under way, want %d", n, c.maxSlots)
	}
	trips.release()
	wg.Wait()
	c.mustBeIdle(t)
}

// TestShareIsBounded: a crowd goes in several round trips.
func TestShareIsBounded(t *testing.T) {
	const calls = minSlots * (maxBatch + 9)
	c, trips := openBatcher(t)
	trips.hold()
	var wg sync.WaitGroup
	c.occupy(t, trips, &wg, func() { mustEcho(t, c, "before") })
	for i := range calls {
		wg.Go(func() { mustEcho(t, c, fmt.Sprint(i)) })
	}
	await(t, func() bool { return c.queue() == calls })
	trips.release()
	wg.Wait()
	if largest := trips.largest.Load(); largest > 1+maxBatch {
		t.Errorf("%d calls in one round trip, want at most %d", largest, 1+maxBatch)
	}
	c.mustBeIdle(t)
}

// TestWaitingCallEnds: a call whose time is over while it waits for a slot
// ends in time, and takes nobody with it.
func TestWaitingCallEnds(t *testing.T) {
	c, trips := openBatcher(t)
	trips.hold()
	var wg sync.WaitGroup
	c.occupy(t, trips, &wg, func() { mustEcho(t, c, "first") })
	ctx, cancel := context.WithCancel(t.Context())
	wg.Go(func() {
		if _, err := echo(ctx, c, "gone"); !errors.Is(err, context.Canceled) {
			t.Errorf("a call whose time is over: %v", err)
		}
	})
	await(t, func() bool { return c.queue() == 1 })
	wg.Go(func() { mustEcho(t, c, "patient") })
	await(t, func() bool { return c.queue() == 2 })
	cancel()
	await(t, func() bool { return c.queue() == 1 })
	trips.release()
	wg.Wait()
	c.mustBeIdle(t)
}

// TestCallsThatLeave: callers that give up at any moment, also just when they
// are to lead, neither mix up replies, nor keep a slot, nor take others along.
func TestCallsThatLeave(t *testing.T) {
	c, _ := openBatcher(t)
	c.maxQueueDelay = time.Millisecond
	var wg sync.WaitGroup
	for worker := range 64 {
		wg.Go(func() {
			for i := range 200 {
				patience := 10 * time.Second
				if worker%2 == 0 {
					patience = rand.N(2 * time.Millisecond)
				}
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				word := fmt.Sprint(worker, " ", i)
				got, err := echo(ctx, c, word)
				for err != nil && ctx.Err() == nil {
					got, err = echo(ctx, c, word) // a round trip lasts as long as who leads it
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

// TestLeaderOutOfTime: who leads a round trip with no time left, or hangs up,
// does not take the others along.
func TestLeaderOutOfTime(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, ctx := range map[string]context.Context{
		"no time left": bounded{t.Context(), time.Now()},
		"hung up":      bounded{cancelled, time.Now().Add(time.Minute)},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := openBatcher(t)
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

// TestLeavesWhenItsTurnComes: a slot that is given to a call that just leaves
// goes to the next, and back if there is none.
func TestLeavesWhenItsTurnComes(t *testing.T) {
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

// TestLostTrip: the calls of a round trip that fails all fail, and the next goes on.
func TestLostTrip(t *testing.T) {
	c, trips := openBatcher(t)
	trips.hold()
	trips.fail.Store(true)
	var wg sync.WaitGroup
	lost := func() {
		if _, err := echo(t.Context(), c, "lost"); !errors.Is(err, errTrip) {
			t.Errorf("a call of a failed trip: %v", err)
		}
	}
	c.occupy(t, trips, &wg, lost)
	for range 10 {
		wg.Go(lost)
	}
	await(t, func() bool { return c.queue() == 10 })
	trips.release()
	wg.Wait()
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

// occupy makes a call on every slot, while trips are held.
func (c *batcher) occupy(t *testing.T, held *trips, wg *sync.WaitGroup, call func()) {
	t.Helper()
	for range minSlots {
		wg.Go(call)
	}
	await(t, func() bool { return held.alone.Load() == minSlots })
}

// queue is how many calls wait for a slot.
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

func openBatcher(t *testing.T) (*batcher, *trips) {
	client, err := Dial(DialOptions{URL: redistest.Server(t).URL, Mode: Standalone})
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
	c.maxQueueDelay = time.Hour // so that a busy machine opens no further slots
	return c, hook
}

// near is a distance at which round trips are shared.
func near() latency { return latency{current: time.Microsecond, until: time.Now().Add(time.Hour)} }

// trips counts round trips, and holds them up or lets them fail.
type trips struct {
	redis.Hook
	gate          sync.RWMutex
	fail          atomic.Bool
	alone, shared atomic.Int64 // round trips
	largest       atomic.Int64 // calls in one
}

var errTrip = errors.New("trip lost")

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
