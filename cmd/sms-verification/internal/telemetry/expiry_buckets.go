package telemetry

import (
	"sync"
	"time"
)

// maxExpiryBuckets bounds the memory of expiryBuckets, whatever the lifetime of
// entries.
const maxExpiryBuckets = 1000

// expiryBuckets counts events of the future. Each is due when the span of time
// that its bucket stands for is over.
//
// Redis drops an entry that nobody uses without a word. But the service knows
// when an entry will expire when it makes it, and again when the entry ends
// early. The number of entries whose time is over, less those of them that
// ended before, is the number that expired unused.
type expiryBuckets struct {
	span  time.Duration // of one bucket, whole seconds
	start time.Time

	mu      sync.Mutex
	next    int64 // the first bucket that is not due
	buckets [maxExpiryBuckets + 3]int64
	total   int64 // events that were due so far
}

// newExpiryBuckets returns buckets for events up to so far ahead.
func newExpiryBuckets(ahead time.Duration) *expiryBuckets {
	return &expiryBuckets{span: (ahead / maxExpiryBuckets).Truncate(time.Second) + time.Second, start: time.Now()}
}

// add counts an event. One that is too far off is due too early.
func (b *expiryBuckets) add(at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.advance()
	i := min(max(b.index(at), b.next), b.next+int64(len(b.buckets))-1)
	b.buckets[i%int64(len(b.buckets))]++
}

// due returns how many events are due by now.
func (b *expiryBuckets) due() float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.advance()
	return float64(b.total)
}

func (b *expiryBuckets) index(t time.Time) int64 { return int64(t.Sub(b.start) / b.span) }

// advance empties the buckets whose time is over.
func (b *expiryBuckets) advance() {
	now := b.index(time.Now())
	for n := 0; b.next < now && n < len(b.buckets); n++ {
		b.total += b.buckets[b.next%int64(len(b.buckets))]
		b.buckets[b.next%int64(len(b.buckets))] = 0
		b.next++
	}
	b.next = max(b.next, now)
}
