package telemetry

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestExpiryBuckets: an event is due when its bucket is over, and is counted
// once, whether or not anybody reads the figure.
func TestExpiryBuckets(t *testing.T) {
	for _, ahead := range []time.Duration{10 * time.Second, 10 * time.Minute, 24 * time.Hour, 9_000_000_000 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			b := newExpiryBuckets(ahead)
			if b.span < ahead/maxExpiryBuckets {
				t.Fatalf("buckets of %v cannot hold %v", b.span, ahead)
			}
			expect := func(want float64) {
				t.Helper()
				if got := b.due(); got != want {
					t.Errorf("%v due %v after the start, want %v", got, time.Since(b.start), want)
				}
			}
			for range 3 {
				b.add(time.Now().Add(ahead))
			}
			b.add(time.Now().Add(ahead / 2))
			expect(0)
			if ahead > 24*time.Hour {
				return // further than this clock goes
			}
			time.Sleep(ahead/2 + b.span)
			expect(1)
			time.Sleep(ahead/2 - b.span - 1)
			expect(1)
			time.Sleep(b.span + 1)
			expect(4)
			b.add(time.Now().Add(-time.Hour)) // late
			expect(4)
			time.Sleep(b.span)
			expect(5)
			b.add(time.Now().Add(1000 * ahead)) // too far off
			time.Sleep(1000 * ahead)
			expect(6)
			b.add(time.Now().Add(ahead))
			time.Sleep(ahead + b.span)
			expect(7)
		})
	}
}
