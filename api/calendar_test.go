package api

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestCalendar: an event is due from its slot on, and counted once, whether or
// not anybody looks.
func TestCalendar(t *testing.T) {
	for _, span := range []time.Duration{10 * time.Second, 10 * time.Minute, 24 * time.Hour, 9_000_000_000 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			c := newCalendar(span)
			if c.slot < span/calendarSlots {
				t.Fatalf("slots of %v cannot hold %v", c.slot, span)
			}
			expect := func(want float64) {
				t.Helper()
				if got := c.due(); got != want {
					t.Errorf("%v due %v after the start, want %v", got, time.Since(c.start), want)
				}
			}
			for range 3 {
				c.add(time.Now().Add(span))
			}
			c.add(time.Now().Add(span / 2))
			expect(0)
			if span > 24*time.Hour {
				return // further than this clock goes
			}
			time.Sleep(span/2 + c.slot)
			expect(1)
			time.Sleep(span/2 - c.slot - 1)
			expect(1)
			time.Sleep(c.slot + 1)
			expect(4)
			c.add(time.Now().Add(-time.Hour)) // late
			expect(4)
			time.Sleep(c.slot)
			expect(5)
			c.add(time.Now().Add(1000 * span)) // too far off
			time.Sleep(1000 * span)
			expect(6)
			c.add(time.Now().Add(span))
			time.Sleep(span + c.slot)
			expect(7)
		})
	}
}

// TestCalendarsNeverCross: an early end is never due before the entry is.
func TestCalendarsNeverCross(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lifetime = 40 * time.Minute
		over, gone := newCalendar(lifetime), newCalendar(lifetime)
		for i := range 5000 {
			made := time.Now()
			over.add(made.Add(lifetime))
			time.Sleep(time.Duration(i%7) * 333 * time.Millisecond)
			rest := lifetime - time.Since(made)
			gone.add(time.Now().Add(rest + gone.slot))
			if gone.due() > over.due() {
				t.Fatalf("%v gone of %v", gone.due(), over.due())
			}
		}
		time.Sleep(lifetime + 2*gone.slot)
		if over.due() != 5000 || gone.due() != 5000 {
			t.Errorf("in the end %v and %v", over.due(), gone.due())
		}
	})
}
