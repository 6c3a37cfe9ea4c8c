package redisstore

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// clock estimates the time of one Redis server, the only clock that counts: the
// timestamp of its last reply, advanced by the local monotonic clock.
//
// A reply arrives after it was stamped, so the estimate is never ahead of the
// server. A deadline given in it has passed on the server at the latest when it
// has passed here.
type clock struct {
	start  time.Time    // origin of the local clock
	offset atomic.Int64 // milliseconds from the local clock to that of Redis
	steps  *atomic.Int64
}

// unknownOffset puts every deadline into the past: the first script only returns
// the time.
const unknownOffset = math.MinInt64 / 2

// stepSize is by how many milliseconds the offsets of two replies must differ to
// show that the server's clock was set. No reply is that late.
const stepSize = 1000

func newClock(steps *atomic.Int64) *clock {
	c := &clock{start: time.Now(), steps: steps}
	c.offset.Store(unknownOffset)
	return c
}

func (c *clock) sinceStart(t time.Time) int64 { return t.Sub(c.start).Milliseconds() }

// sync sets the clock by a timestamp that has just arrived from the server.
func (c *clock) sync(redisMillis int64) {
	offset := redisMillis - c.sinceStart(time.Now()) - 1 // both are rounded down
	was := c.offset.Swap(offset)
	if was != unknownOffset && max(offset-was, was-offset) > stepSize {
		c.steps.Add(1)
	}
}

// at returns the server's time at the local time t, in milliseconds.
func (c *clock) at(t time.Time) int64 { return c.offset.Load() + c.sinceStart(t) }

// clocks has a clock for each server.
type clocks struct {
	steps  atomic.Int64
	single *clock // outside of a cluster
	byAddr sync.Map
}

func newClocks() *clocks {
	c := &clocks{}
	c.single = newClock(&c.steps)
	return c
}

// of returns the clock of the server at an address.
func (c *clocks) of(addr string) *clock {
	if known, ok := c.byAddr.Load(addr); ok {
		return known.(*clock)
	}
	known, _ := c.byAddr.LoadOrStore(addr, newClock(&c.steps))
	return known.(*clock)
}

// ClockSteps returns how often the clock of a Redis server has stepped.
func (s *Store) ClockSteps() int64 { return s.clocks.steps.Load() }
