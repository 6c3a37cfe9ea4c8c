package redisstore

import "time"

// latency is the quickest round trip to Redis of the last minute, without the
// time that Redis needs to run the scripts. It is not an average: seconds of full
// load would make a server nearby look far away.
type latency struct {
	current, previous time.Duration // quickest in this window and in the one before
	until             time.Time     // end of the window
}

const (
	latencyWindow = 30 * time.Second
	scriptTime    = 20 * time.Microsecond

	// latencyPerSlot is how much latency makes another slot worth while: in less
	// time a processor would do little else than serve the extra round trips.
	latencyPerSlot = 50 * time.Microsecond

	// enoughSlots is enough at any latency: on average one of them is free again
	// after a twelfth of a round trip.
	enoughSlots = 12
)

// measure takes in a round trip of so many calls.
func (l *latency) measure(took time.Duration, calls int) {
	took = max(time.Microsecond, took-time.Duration(calls)*scriptTime)
	now := time.Now()
	if now.After(l.until) {
		l.previous, l.current, l.until = l.current, took, now.Add(latencyWindow)
	}
	l.current = min(l.current, took)
}

// slots returns how many round trips may be under way before calls wait.
func (l *latency) slots(most int) int {
	quickest := l.current
	if l.previous > 0 {
		quickest = min(quickest, l.previous)
	}
	if quickest == 0 {
		return min(most, enoughSlots) // not measured yet
	}
	return min(most, enoughSlots, max(minSlots, int(quickest/latencyPerSlot)))
}
