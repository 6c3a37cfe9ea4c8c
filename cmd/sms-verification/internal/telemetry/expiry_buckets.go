package telemetry

import (
	"sync"
	"time"
)

// maxExpiryBuckets limits the memory of expiryBuckets for any lifetime of entries.
const maxExpiryBuckets = 1000

// expiryBuckets counts future events in buckets of time. An event is due when the
// time of its bucket is over.
//
// Redis expires an unused entry without notice. But the service knows when an entry
// will expire when it creates it, and again when the entry ends early. The number of
// entries whose time is over, minus those that had ended earlier, is the number of
// entries that expired unused.
type expiryBuckets struct {
	span  time.Duration // of one bucket, whole seconds
	start time.Time

	mu      sync.Mutex
	next    int64 // the first bucket that is not due
	buckets [maxExpiryBuckets + 3]int64
	total   int64 // events due so far
}

// newExpiryBuckets returns buckets for events up to the given time ahead.
func newExpiryBuckets(ahead time.Duration) *expiryBuckets {
	return &expiryBuckets{span: (ahead / maxExpiryBuckets).Truncate(time.Second) + time.Second, start: time.Now()}
}

// add counts an event. One beyond the last bucket is due too early.
func (b *expiryBuckets) add(at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.advance()
	i := min(max(b.index(at), b.next), b.next+int64(len(b.buckets))-1)
	b.buckets[i%int64(len(b.buckets))]++
}

// due returns the number of events due so far.
func (b *expiryBuckets) due() float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.advance()
	return float64(b.total)
}

func (b *expiryBuckets) index(t time.Time) int64 { return int64(t.Sub(b.start) / b.span) }

// advance counts and clears the buckets whose time is over.
func (b *expiryBuckets) advance() {
	now := b.index(time.Now())
	for n := 0; b.next < now && n < len(b.buckets); n++ {
		b.total += b.buckets[b.next%int64(len(b.buckets))]
		b.buckets[b.next%int64(len(b.buckets))] = 0
		b.next++
	}
	b.next = max(b.next, now)
}
