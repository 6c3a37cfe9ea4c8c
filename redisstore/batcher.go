package redisstore

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	minSlots = 2   // one round trip at Redis, one on its way
	minBatch = 32  // calls that share a round trip, if so many wait
	maxBatch = 256 // most calls that share one

	maxQueueDelay = 5 * time.Millisecond
	minTripTime   = 100 * time.Millisecond // that a shared round trip gets, whatever its leader has left
)

// batcher is a client whose script calls share round trips to Redis: most of
// the cost of a call, at both ends, is reading and writing the connection.
//
// A slot is the right to make a round trip. A call that finds a free slot is sent
// at once. Calls that arrive while all slots are taken wait, and are sent as one
// batch when a slot is free; the first of them leads the batch on its own
// goroutine. The number of slots grows with the latency of Redis, so that no call
// waits where the network takes most of the time. A call that has waited for
// maxQueueDelay takes an extra slot.
//
// The batcher retries nothing: every call gets its own reply or error. Its queue
// is no longer than the number of callers.
//
// On a cluster every call is sent alone: a batch would have to wait for the
// slowest master, even for one that is down.
type batcher struct {
	redis.UniversalClient
	passthrough   bool
	maxSlots      int
	maxQueueDelay time.Duration
	calls         sync.Pool // of *call

	mu      sync.Mutex
	latency latency
	taken   int     // slots
	waiting []*call // for a slot
}

// call is a command that waits for a slot.
type call struct {
	cmd       *redis.Cmd
	wake      chan bool // true: lead the next round trip; false: the reply is there
	timer     *time.Timer
	abandoned bool // by its caller; guarded by batcher.mu
}

func newCall() any {
	c := &call{wake: make(chan bool, 1), timer: time.NewTimer(0)}
	c.timer.Stop()
	return c
}

func newBatcher(client redis.UniversalClient) *batcher {
	_, cluster := client.(*redis.ClusterClient)
	return &batcher{
		UniversalClient: client,
		passthrough:     cluster,
		maxSlots:        max(minSlots, poolSizeOf(client)),
		maxQueueDelay:   maxQueueDelay,
		calls:           sync.Pool{New: newCall},
	}
}

// Do sends a command and returns its reply, or an error once ctx has ended.
func (b *batcher) Do(ctx context.Context, words ...any) *redis.Cmd {
	if b.passthrough {
		return b.UniversalClient.Do(ctx, words...)
	}
	cmd := redis.NewCmd(ctx, words...)
	own := b.join(cmd)
	if own == nil {
		b.lead(ctx, cmd)
		return cmd
	}
	if b.await(ctx, own) {
		own.cmd = nil
		b.calls.Put(own)
		return cmd
	}
	// The command may still be in use by the leader of its batch.
	cmd = redis.NewCmd(ctx)
	cmd.SetErr(ctx.Err())
	return cmd
}

// await waits until the call has its reply, and leads a round trip if the call is
// given a slot. It returns false if ctx ends first.
func (b *batcher) await(ctx context.Context, own *call) bool {
	defer own.timer.Stop()
	own.timer.Reset(b.maxQueueDelay)
	for {
		select {
		case leads := <-own.wake:
			if leads {
				b.lead(ctx, own.cmd)
			}
			return true
		case <-own.timer.C:
			deadline, limited := ctx.Deadline()
			switch {
			case ctx.Err() != nil:
				b.abandon(own)
				return false
			case b.takeExtraSlot(own):
				b.lead(ctx, own.cmd)
				return true
			case limited:
				own.timer.Reset(time.Until(deadline))
			}
		case <-ctx.Done():
			b.abandon(own)
			return false
		}
	}
}

// join takes a free slot and returns nil, or puts the command into the queue.
func (b *batcher) join(cmd *redis.Cmd) *call {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.taken < b.slots() {
		b.taken++
		return nil
	}
	own := b.calls.Get().(*call)
	own.cmd = cmd
	b.waiting = append(b.waiting, own)
	return own
}

// slots returns the number of slots. b.mu is held.
func (b *batcher) slots() int { return b.latency.slots(b.maxSlots) }

// takeExtraSlot takes a slot beyond the usual number for a call that waits. It
// returns false if maxSlots are taken or the call has been given a slot already.
func (b *batcher) takeExtraSlot(own *call) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := slices.Index(b.waiting, own)
	if at < 0 || b.taken >= b.maxSlots {
		return false
	}
	b.waiting = slices.Delete(b.waiting, at, at+1)
	b.taken++
	return true
}

// lead sends a command that has a slot, together with a batch of those that wait,
// and releases the slot.
func (b *batcher) lead(ctx context.Context, cmd *redis.Cmd) {
	// Requests that have arrived already join the queue first and share the round
	// trip. Without any, this takes no time.
	runtime.Gosched()
	others := b.batch()
	begun := time.Now()
	defer func() { b.release(cmd.Err() == nil, time.Since(begun), 1+len(others)) }()
	if len(others) == 0 {
		_ = b.Process(ctx, cmd)
		return
	}
	trip := b.Pipeline()
	_ = trip.Process(ctx, cmd)
	for _, one := range others {
		_ = trip.Process(ctx, one.cmd)
	}
	_, _ = trip.Exec(sharedContext(ctx)) // each command has its own error
	for _, one := range others {
		one.wake <- false
	}
}

// sharedContext returns the context of a round trip that the call with ctx leads.
// It is not cancelled with that call, and lasts for at least minTripTime, so that
// the others get their replies.
func sharedContext(ctx context.Context) context.Context {
	deadline, limited := ctx.Deadline()
	ctx = context.WithoutCancel(ctx)
	if !limited {
		return ctx
	}
	if least := time.Now().Add(minTripTime); deadline.Before(least) {
		deadline = least
	}
	return bounded{ctx, deadline}
}

// batch takes the calls that share the next round trip out of the queue.
func (b *batcher) batch() []*call {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dropAbandoned()
	n := min(len(b.waiting), max(minBatch, len(b.waiting)/minSlots), maxBatch)
	others := b.waiting[:n:n]
	b.waiting = b.waiting[n:]
	return others
}

// dropAbandoned drops the calls whose callers have given up. b.mu is held.
func (b *batcher) dropAbandoned() {
	b.waiting = slices.DeleteFunc(b.waiting, func(one *call) bool { return one.abandoned })
}

// release releases a slot after a round trip of so many calls, which counts for
// the latency if it was ok.
func (b *batcher) release(ok bool, took time.Duration, calls int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if ok {
		b.latency.measure(took, calls)
	}
	b.handOver()
}

// handOver releases a slot and wakes the next leader, if a call waits. It wakes
// more leaders, up to the number of slots, if one batch cannot hold all that
// wait. b.mu is held.
func (b *batcher) handOver() {
	b.taken--
	b.dropAbandoned()
	woken := false
	for left := len(b.waiting); left > 0 && (!woken || b.taken < b.slots()); left -= 1 + minBatch {
		leader := b.waiting[0]
		b.waiting = b.waiting[1:]
		b.taken++
		leader.wake <- true
		woken = true
	}
}

// abandon marks a call whose caller has given up. If the call was just given a
// slot, the slot goes to the next one.
func (b *batcher) abandon(own *call) {
	b.mu.Lock()
	defer b.mu.Unlock()
	own.abandoned = true
	select {
	case leads := <-own.wake:
		if leads {
			b.handOver()
		}
	default:
	}
}
