package api

import (
	"sync"
	"time"
)

// calendarSlots bounds a calendar's memory, whatever the lifetime of entries.
const calendarSlots = 1000

// calendar counts events of the future, of which each is due when its slot of
// time is over.
//
// An entry that nobody uses vanishes from Redis unseen. But when it would have
// ended is known when it is made, and also when it ends early: so the
// number of entries whose time is over, less those of them that had ended
// before, is the number that expired unused.
type calendar struct {
	slot  time.Duration // whole seconds
	start time.Time

	mu    sync.Mutex
	next  int64 // the first slot that is not due
	slots [calendarSlots + 3]int64
	total int64 // what was due so far
}

// newCalendar returns a calendar that looks so far ahead.
func newCalendar(span time.Duration) *calendar {
	return &calendar{slot: (span / calendarSlots).Truncate(time.Second) + time.Second, start: time.Now()}
}

// add counts an event. One that is too far off is due too early.
func (c *calendar) add(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pass()
	i := min(max(c.index(at), c.next), c.next+int64(len(c.slots))-1)
	c.slots[i%int64(len(c.slots))]++
}

// due is how many events are due by now.
func (c *calendar) due() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pass()
	return float64(c.total)
}

func (c *calendar) index(t time.Time) int64 { return int64(t.Sub(c.start) / c.slot) }

// pass makes due what has become so.
func (c *calendar) pass() {
	now := c.index(time.Now())
	for n := 0; c.next < now && n < len(c.slots); n++ {
		c.total += c.slots[c.next%int64(len(c.slots))]
		c.slots[c.next%int64(len(c.slots))] = 0
		c.next++
	}
	c.next = max(c.next, now)
}
