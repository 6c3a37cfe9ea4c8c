package api

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowroute/sms-verification/codes"
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

// TestNeverNegative: of two replicas one makes entries, the other sees them end
// early; what it counts is never due before the entries are.
func TestNeverNegative(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lifetime, entries = 40 * time.Minute, 3000
		maker := newFunnel([]string{""}, lifetime, prometheus.NewRegistry())
		time.Sleep(2 * time.Second) // their slots are not the same
		checker := newFunnel([]string{""}, lifetime, prometheus.NewRegistry())
		compare := func() {
			if gone, over := checker.gone.due(), maker.over.due(); gone > over {
				t.Fatalf("%v ended early of %v whose time is over", gone, over)
			}
		}
		for i := range entries {
			made := time.Now()
			maker.created("", made, codes.Created{Stored: true}, nil)
			time.Sleep(time.Duration(i%7) * 333 * time.Millisecond)
			checker.checked("", codes.Outcome{Status: codes.Right, Rest: lifetime - time.Since(made)})
			compare()
		}
		for range int(lifetime/time.Second) + 10 {
			compare()
			time.Sleep(time.Second)
		}
		if maker.over.due() != entries || checker.gone.due() != entries {
			t.Errorf("in the end %v and %v", checker.gone.due(), maker.over.due())
		}
	})
}
