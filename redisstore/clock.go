package redisstore

import (
	"math"
	"sync/atomic"
	"time"
)

// clock tells the time of the Redis server, which is the only clock that
// counts: the time of its last answer, carried on by the local one.
//
// An answer was made before it arrived, so the estimate is never ahead of the
// server's clock. A deadline given in it is therefore over on the server, at
// the latest, when it is over here.
type clock struct {
	start  time.Time    // reads the monotonic clock
	offset atomic.Int64 // milliseconds from here's to Redis's
}

func newClock() *clock {
	c := &clock{start: time.Now()}
	c.offset.Store(math.MinInt64 / 2) // not known: every deadline is over, and the answer tells the time
	return c
}

func (c *clock) sinceStart(t time.Time) int64 { return t.Sub(c.start).Milliseconds() }

// sync takes the time that has just arrived from the server.
func (c *clock) sync(redisMillis int64) {
	c.offset.Store(redisMillis - c.sinceStart(time.Now()) - 1) // both are cut off to milliseconds
}

// at returns the server's time at the local time t, in milliseconds.
func (c *clock) at(t time.Time) int64 { return c.offset.Load() + c.sinceStart(t) }
