package redisstore

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Bounds of the round trips that calls share.
const (
	minSlots = 2   // round trips under way at a time: one at Redis, one on the way
	minBatch = 32  // calls that share one, if so many wait
	maxBatch = 256 // and with none more

	maxQueueDelay = 5 * time.Millisecond
	minTrip       = 100 * time.Millisecond // that a shared round trip may take at least
)

// batcher is a client whose calls of scripts share round trips to Redis: most
// of what a call costs, at both ends, is to read from and write to the
// connection. A call that finds a slot free sets out at once. Calls that come
// while all slots are taken go together when one is free, led by the first of
// them on its own goroutine. There are as many slots as the distance to Redis
// is worth, so that no call waits for another where the network is what takes
// the time. A call that has waited for maxQueueDelay opens a further slot.
//
// It repeats nothing: every call gets the reply or the error that was its own.
// Only callers wait in it, so its queue is as long as they are many.
//
// On a cluster every call goes alone: together with others it would have to
// wait for the slowest master, even for one that is down.
type batcher struct {
	redis.UniversalClient
	passthrough   bool
	maxSlots      int
	maxQueueDelay time.Duration
	calls         sync.Pool // that nobody waits for any more

	mu       sync.Mutex
	distance distance
	taken    int     // slots
	waiting  []*call // while all are taken
}

// call is a command that waits.
type call struct {
	cmd       *redis.Cmd
	turn      chan bool // true: it leads the next round trip; false: its reply is there
	timer     *time.Timer
	abandoned bool // by its caller; guarded by mu
}

func newCall() any {
	c := &call{turn: make(chan bool, 1), timer: time.NewTimer(0)}
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

// Do sends a command, and waits for its reply no longer than ctx lasts.
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
	// The command may still be on its way.
	cmd = redis.NewCmd(ctx)
	cmd.SetErr(ctx.Err())
	return cmd
}

// await waits until the call has its reply, and leads a round trip if it is its
// turn. It returns false if ctx ended before.
func (b *batcher) await(ctx context.Context, own *call) bool {
	defer own.timer.Stop()
	own.timer.Reset(b.maxQueueDelay)
	for {
		select {
		case leads := <-own.turn:
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
			case b.open(own):
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

// join takes a slot for the call, or else a place in the queue, which it
// returns.
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

// slots returns how many round trips may be under way before calls wait. b.mu
// is held.
func (b *batcher) slots() int { return b.distance.slots(b.maxSlots) }

// open opens a further slot for a call that waits, unless there are enough or
// its turn has come already.
func (b *batcher) open(own *call) bool {
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

// lead makes the round trip of a command that has a slot, and of those that
// wait, and releases the slot.
func (b *batcher) lead(ctx context.Context, cmd *redis.Cmd) {
	// Requests that have arrived already get this far first, and share the round
	// trip. Where there are none, it takes no time.
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
	_, _ = trip.Exec(forAll(ctx)) // each command has its own error
	for _, one := range others {
		one.turn <- false
	}
}

// forAll is the context of a round trip that others share with the call whose
// context is ctx: it does not end when that caller hangs up nor, however little
// time that has left, too soon for the others.
func forAll(ctx context.Context) context.Context {
	deadline, limited := ctx.Deadline()
	ctx = context.WithoutCancel(ctx)
	if !limited {
		return ctx
	}
	if least := time.Now().Add(minTrip); deadline.Before(least) {
		deadline = least
	}
	return bounded{ctx, deadline}
}

// batch takes those that share a round trip from the queue.
func (b *batcher) batch() []*call {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dropAbandoned()
	n := min(len(b.waiting), max(minBatch, len(b.waiting)/minSlots), maxBatch)
	others := b.waiting[:n:n]
	b.waiting = b.waiting[n:]
	return others
}

// dropAbandoned drops the calls that nobody waits for. b.mu is held.
func (b *batcher) dropAbandoned() {
	b.waiting = slices.DeleteFunc(b.waiting, func(one *call) bool { return one.abandoned })
}

// release releases a slot after a round trip of so many calls.
func (b *batcher) release(ok bool, took time.Duration, calls int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if ok {
		b.distance.measure(took, calls)
	}
	b.pass()
}

// pass gives a slot back. The first of those that wait lead the next round
// trips, one in its place, and others in slots that are free if it takes more
// for all to be served. b.mu is held.
func (b *batcher) pass() {
	b.taken--
	b.dropAbandoned()
	passed := false
	for left := len(b.waiting); left > 0 && (!passed || b.taken < b.slots()); left -= 1 + minBatch {
		first := b.waiting[0]
		b.waiting = b.waiting[1:]
		b.taken++
		first.turn <- true
		passed = true
	}
}

// abandon is for a caller that waits no longer. If it was just given a slot, that
// goes to the next.
func (b *batcher) abandon(own *call) {
	b.mu.Lock()
	defer b.mu.Unlock()
	own.abandoned = true
	select {
	case leads := <-own.turn:
		if leads {
			b.pass()
		}
	default:
	}
}
