package redisstore

import "time"

// distance estimates how far away Redis is: the quickest of the round trips of
// the last minute, less what Redis needs to run their scripts. Seconds of full load
// would make a server nearby look far away.
type distance struct {
	recent, before time.Duration // quickest in this window, and in the one before
	until          time.Time     // end of the window
}

const (
	distanceWindow = 30 * time.Second
	scriptTime     = 20 * time.Microsecond

	// slotsEvery is by how much distance another slot pays: while a round trip
	// takes so long, a processor would do little else than serve its calls.
	slotsEvery = 50 * time.Microsecond

	// farSlots is how many slots are enough however far away Redis is: on average
	// one of them is free again after a twelfth of a round trip.
	farSlots = 12
)

func (d *distance) measure(took time.Duration, calls int) {
	took = max(time.Microsecond, took-time.Duration(calls)*scriptTime)
	now := time.Now()
	if now.After(d.until) {
		d.before, d.recent, d.until = d.recent, took, now.Add(distanceWindow)
	}
	d.recent = min(d.recent, took)
}

// slots returns how many round trips should be under way at most before calls
// wait for each other.
func (d *distance) slots(most int) int {
	quickest := d.recent
	if d.before > 0 {
		quickest = min(quickest, d.before)
	}
	if quickest == 0 {
		return min(most, farSlots) // not measured yet
	}
	return min(most, farSlots, max(minSlots, int(quickest/slotsEvery)))
}
