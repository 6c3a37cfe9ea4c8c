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
	lanes    = 2   // round trips under way at a time: one at Redis, one on the way
	maxLanes = 32  // and where Redis is slow
	minShare = 32  // calls that come along with one, if so many wait
	maxShare = 256 // and with none more

	usualPatience = 25 * time.Millisecond
	minTrip       = 100 * time.Millisecond // that a shared one may take at least
)

// convoy is a client whose calls of scripts share round trips to Redis: most
// of what a call costs, at both ends, is to read from and write to the
// connection. A call that finds a lane free sets out at once, so that a lone
// one waits for nobody; those that come while all lanes are taken go together
// when one is free, led by the first of them on its own goroutine. A crowd is
// spread over the lanes: if all were in one round trip, the service would have
// nothing to do until Redis is done, and then Redis until the service is. Where
// Redis is slow, whoever has waited long enough opens a further lane.
//
// It repeats nothing: every call gets the reply or the error that was its own.
// Only callers wait in it, so its queue is as long as they are many.
//
// On a cluster every call goes alone: together with others it would have to
// wait for the slowest master, also for one that is gone.
type convoy struct {
	redis.UniversalClient
	alone    bool
	patience time.Duration // of a call that waits for a lane
	calls    sync.Pool     // that nobody waits for any more

	mu      sync.Mutex
	taken   int     // lanes
	waiting []*call // while all are taken
}

// call is a command that waits.
type call struct {
	cmd   *redis.Cmd
	turn  chan bool // true: it leads the next round trip; false: its reply is there
	timer *time.Timer
	left  bool // by its caller; guarded by mu
}

func newCall() any {
	c := &call{turn: make(chan bool, 1), timer: time.NewTimer(0)}
	c.timer.Stop()
	return c
}

func newConvoy(client redis.UniversalClient) *convoy {
	_, cluster := client.(*redis.ClusterClient)
	return &convoy{UniversalClient: client, alone: cluster, patience: usualPatience, calls: sync.Pool{New: newCall}}
}

// Do sends a command, and waits for its reply no longer than ctx lasts.
func (c *convoy) Do(ctx context.Context, words ...any) *redis.Cmd {
	if c.alone {
		return c.UniversalClient.Do(ctx, words...)
	}
	cmd := redis.NewCmd(ctx, words...)
	own := c.join(cmd)
	if own == nil {
		c.lead(ctx, cmd)
		return cmd
	}
	if c.await(ctx, own) {
		own.cmd = nil
		c.calls.Put(own)
		return cmd
	}
	// The one that was given may still be on its way.
	cmd = redis.NewCmd(ctx)
	cmd.SetErr(ctx.Err())
	return cmd
}

// await waits until the call has its reply, and leads a round trip if it is
// its turn. It tells false if ctx ended before.
func (c *convoy) await(ctx context.Context, own *call) bool {
	defer own.timer.Stop()
	own.timer.Reset(c.patience)
	for {
		select {
		case leads := <-own.turn:
			if leads {
				c.lead(ctx, own.cmd)
			}
			return true
		case <-own.timer.C:
			deadline, limited := ctx.Deadline()
			switch {
			case ctx.Err() != nil:
				c.leave(own)
				return false
			case c.open(own):
				c.lead(ctx, own.cmd)
				return true
			case limited:
				own.timer.Reset(time.Until(deadline))
			}
		case <-ctx.Done():
			c.leave(own)
			return false
		}
	}
}

// join takes a lane for the call, or else a place among the waiting, which it
// returns.
func (c *convoy) join(cmd *redis.Cmd) *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.taken < lanes {
		c.taken++
		return nil
	}
	own := c.calls.Get().(*call)
	own.cmd = cmd
	c.waiting = append(c.waiting, own)
	return own
}

// open opens a further lane for a call that waits, unless there are enough or
// its turn has come already.
func (c *convoy) open(own *call) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := slices.Index(c.waiting, own)
	if at < 0 || c.taken >= maxLanes {
		return false
	}
	c.waiting = slices.Delete(c.waiting, at, at+1)
	c.taken++
	return true
}

// lead makes the round trip of a command that has a lane, and of those who
// wait, and gives the lane on.
func (c *convoy) lead(ctx context.Context, cmd *redis.Cmd) {
	// Requests that have arrived already get this far first, and come along.
	// Where none have, it takes no time.
	runtime.Gosched()
	others := c.companions()
	defer c.handOn()
	if len(others) == 0 {
		_ = c.Process(ctx, cmd)
		return
	}
	trip := c.Pipeline()
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
// context is ctx: it does not end when that caller leaves, nor, however little
// time that has left, too soon for them.
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

// companions takes those who come along in a round trip from the waiting.
func (c *convoy) companions() []*call {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.strike()
	n := min(len(c.waiting), max(minShare, len(c.waiting)/lanes), maxShare)
	others := c.waiting[:n:n]
	c.waiting = c.waiting[n:]
	return others
}

// strike strikes out those who have left. c.mu is held.
func (c *convoy) strike() {
	c.waiting = slices.DeleteFunc(c.waiting, func(one *call) bool { return one.left })
}

// handOn gives a lane back. The first of those who wait lead the next round
// trips, one in its place, and others on lanes that are free if it takes more
// for all to come along.
func (c *convoy) handOn() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pass()
}

// pass is handOn with mu held.
func (c *convoy) pass() {
	c.taken--
	c.strike()
	passed := false
	for left := len(c.waiting); left > 0 && (!passed || c.taken < lanes); left -= 1 + minShare {
		first := c.waiting[0]
		c.waiting = c.waiting[1:]
		c.taken++
		first.turn <- true
		passed = true
	}
}

// leave is for a caller that waits no longer. If it was just given a lane, that
// goes to the next.
func (c *convoy) leave(own *call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	own.left = true
	select {
	case leads := <-own.turn:
		if leads {
			c.pass()
		}
	default:
	}
}
