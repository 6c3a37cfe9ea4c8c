package redisstore

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Bounds of the round trips that calls share.
const (
	lanes    = 4   // round trips under way at a time, while they are quick
	maxLanes = 32  // and while they are not: then to wait for one takes too long
	maxShare = 256 // calls in one round trip

	quick = 25 * time.Millisecond // for a round trip, however many share it
)

// convoy is a client whose calls of scripts share round trips to Redis: most
// of what a call costs, at both ends, is to read from and write to the
// connection. A call that finds a lane free sets out at once, so that a lone
// one waits for nobody. Those that come while all lanes are taken go together
// when one is free, led by the first of them on its own goroutine.
//
// It repeats nothing: every call gets the reply or the error that was its own.
// Only callers wait in it, so its queue is as long as they are many.
//
// On a cluster every call goes alone: together with others it would have to
// wait for the slowest master, also for one that is gone.
type convoy struct {
	redis.UniversalClient
	alone bool

	mu      sync.Mutex
	lanes   int     // open now
	taken   int     // of them
	waiting []*call // while all are taken
}

// call is a command that waits.
type call struct {
	cmd  *redis.Cmd
	turn chan []*call // gets the calls to lead, its own first, or is closed when its reply is there
	left bool         // by its caller; guarded by mu
}

func newConvoy(client redis.UniversalClient) *convoy {
	_, cluster := client.(*redis.ClusterClient)
	return &convoy{UniversalClient: client, alone: cluster, lanes: lanes}
}

// EvalSha runs a script, and waits for its reply no longer than ctx lasts.
func (c *convoy) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	if c.alone {
		return c.UniversalClient.EvalSha(ctx, sha, keys, args...)
	}
	words := make([]any, 0, 3+len(keys)+len(args))
	words = append(words, "evalsha", sha, len(keys))
	for _, key := range keys {
		words = append(words, key)
	}
	cmd := redis.NewCmd(ctx, append(words, args...)...)

	own := c.join(cmd)
	if own == nil {
		defer c.giveLane(time.Now())
		_ = c.Process(ctx, cmd)
		return cmd
	}
	select {
	case share := <-own.turn:
		if share != nil {
			c.lead(ctx, share)
		}
		return cmd
	case <-ctx.Done():
		c.leave(own)
		given := redis.NewCmd(ctx) // the first may still be on its way
		given.SetErr(ctx.Err())
		return given
	}
}

// join takes a lane for the call alone, or else a place among the waiting,
// which it returns.
func (c *convoy) join(cmd *redis.Cmd) *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.taken < c.lanes {
		c.taken++
		return nil
	}
	own := &call{cmd: cmd, turn: make(chan []*call, 1)}
	c.waiting = append(c.waiting, own)
	return own
}

// lead makes the round trip of a share, and gives the lane on.
func (c *convoy) lead(ctx context.Context, share []*call) {
	defer c.giveLane(time.Now())
	trip := c.Pipeline()
	for _, one := range share {
		_ = trip.Process(ctx, one.cmd)
	}
	_, _ = trip.Exec(ctx) // each command has its own error
	for _, one := range share[1:] {
		close(one.turn)
	}
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

// handOn is giveLane with mu held.
func (c *convoy) handOn() {
	c.waiting = slices.DeleteFunc(c.waiting, func(one *call) bool { return one.left })
	if len(c.waiting) == 0 {
		c.taken--
		return
	}
	n := min(len(c.waiting), maxShare)
	share := c.waiting[:n:n]
	c.waiting = c.waiting[n:]
	share[0].turn <- share
}

// leave is for a caller that waits no longer. If it was just given a lane, the
// others of its share go first with the next.
func (c *convoy) leave(own *call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	own.left = true
	select {
	case share := <-own.turn:
		if share != nil {
			c.waiting = append(share[1:], c.waiting...)
			c.handOn()
		}
	default:
	}
}
