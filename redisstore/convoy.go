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
	lanes    = 2   // round trips under way at a time, while they are quick: one at Redis, one on the way
	maxLanes = 32  // and while they are not: then to wait for one takes too long
	minShare = 32  // calls that come along with one, if so many wait
	maxShare = 256 // and with none more

	quick = 25 * time.Millisecond // for a round trip, however many share it
)

// convoy is a client whose calls of scripts share round trips to Redis: most
// of what a call costs, at both ends, is to read from and write to the
// connection. A call that finds a lane free sets out at once, so that a lone
// one waits for nobody; those that come while all lanes are taken go together
// when one is free, led by the first of them on its own goroutine. A crowd is
// spread over the lanes: if all were in one round trip, the service would have
// nothing to do until Redis is done, and then Redis until the service is.
//
// It repeats nothing: every call gets the reply or the error that was its own.
// Only callers wait in it, so its queue is as long as they are many.
//
// On a cluster every call goes alone: together with others it would have to
// wait for the slowest master, also for one that is gone.
type convoy struct {
	redis.UniversalClient
	alone bool
	calls sync.Pool // that nobody waits for any more

	mu      sync.Mutex
	lanes   int     // open now
	taken   int     // of them
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
	return &convoy{UniversalClient: client, alone: cluster, lanes: lanes, calls: sync.Pool{New: newCall}}
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
	if deadline, ok := ctx.Deadline(); ok {
		own.timer.Reset(time.Until(deadline))
	}
	select {
	case leads := <-own.turn:
		if leads {
			c.lead(ctx, cmd)
		}
		own.timer.Stop()
		own.cmd = nil
		c.calls.Put(own)
		return cmd
	case <-own.timer.C:
		return c.leave(ctx, own, context.DeadlineExceeded)
	case <-ctx.Done():
		return c.leave(ctx, own, ctx.Err())
	}
}

// join takes a lane for the call, or else a place among the waiting, which it
// returns.
func (c *convoy) join(cmd *redis.Cmd) *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.taken < c.lanes {
		c.taken++
		return nil
	}
	own := c.calls.Get().(*call)
	own.cmd = cmd
	c.waiting = append(c.waiting, own)
	return own
}

// lead makes the round trip of a command that has a lane, and of those who
// wait, and gives the lane on.
func (c *convoy) lead(ctx context.Context, cmd *redis.Cmd) {
	// Requests that have arrived already get this far first, and come along: on
	// a busy service twice as many share a round trip. Where none have, it
	// takes no time.
	runtime.Gosched()
	others := c.companions()
	defer c.giveLane(time.Now())
	if len(others) == 0 {
		_ = c.Process(ctx, cmd)
		return
	}
	trip := c.Pipeline()
	_ = trip.Process(ctx, cmd)
	for _, one := range others {
		_ = trip.Process(ctx, one.cmd)
	}
	_, _ = trip.Exec(ctx) // each command has its own error
	for _, one := range others {
		one.turn <- false
	}
}

// companions takes those who come along in a round trip from the waiting.
func (c *convoy) companions() []*call {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.strike()
	n := min(len(c.waiting), max(minShare, len(c.waiting)/c.lanes), maxShare)
	others := c.waiting[:n:n]
	c.waiting = c.waiting[n:]
	return others
}

// strike strikes out those who have left. c.mu is held.
func (c *convoy) strike() {
	c.waiting = slices.DeleteFunc(c.waiting, func(one *call) bool { return one.left })
}

// giveLane gives a lane to those who wait for one, or back, after a round trip
// that began then.
func (c *convoy) giveLane(began time.Time) {
	took := time.Since(began)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lanes = lanes
	if took > quick {
		c.lanes = maxLanes
	}
	c.handOn()
}

// handOn is giveLane with mu held. The first of those who wait lead the next
// round trips, on as many lanes as it takes for all to come along.
func (c *convoy) handOn() {
	c.taken--
	c.strike()
	for left := len(c.waiting); left > 0 && c.taken < c.lanes; left -= 1 + minShare {
		first := c.waiting[0]
		c.waiting = c.waiting[1:]
		c.taken++
		first.turn <- true
	}
}

// leave is for a caller that waits no longer. If it was just given a lane, that
// goes to the next. It returns a command with the error: the one that was
// given may still be on its way.
func (c *convoy) leave(ctx context.Context, own *call, err error) *redis.Cmd {
	cmd := redis.NewCmd(ctx)
	cmd.SetErr(err)
	c.mu.Lock()
	defer c.mu.Unlock()
	own.left = true
	select {
	case leads := <-own.turn:
		if leads {
			c.handOn()
		}
	default:
	}
	return cmd
}
