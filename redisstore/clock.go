package redisstore

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// clock estimates the time of one Redis server, which is the only clock that
// counts: the time of its last reply, carried on by the local clock.
//
// A reply was made before it arrived, so the estimate is never ahead of the
// server. A deadline given in it is therefore over on the server, at the latest,
// when it is over here.
type clock struct {
	start  time.Time    // reads the monotonic clock
	offset atomic.Int64 // milliseconds from the local clock to Redis's
	steps  *atomic.Int64
}

// unknownOffset makes every deadline expired, so that the reply brings the time.
const unknownOffset = math.MinInt64 / 2

// stepSize is by how many milliseconds two replies of one server must disagree
// to show that its clock was set. A reply takes less than that.
const stepSize = 1000

func newClock(steps *atomic.Int64) *clock {
	c := &clock{start: time.Now(), steps: steps}
	c.offset.Store(unknownOffset)
	return c
}

func (c *clock) sinceStart(t time.Time) int64 { return t.Sub(c.start).Milliseconds() }

// sync takes the time that has just arrived from the server.
func (c *clock) sync(redisMillis int64) {
	offset := redisMillis - c.sinceStart(time.Now()) - 1 // both are cut off to milliseconds
	was := c.offset.Swap(offset)
	if was != unknownOffset && max(offset-was, was-offset) > stepSize {
		c.steps.Add(1)
	}
}

// at returns the server's time at the local time t, in milliseconds.
func (c *clock) at(t time.Time) int64 { return c.offset.Load() + c.sinceStart(t) }

// clocks are those of all servers, by address.
type clocks struct {
	steps  atomic.Int64
	single *clock
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

// ClockSteps returns how often the clock of a Redis server was seen to be set.
func (s *Store) ClockSteps() int64 { return s.clocks.steps.Load() }
