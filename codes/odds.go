package codes

import (
	"math"
	"time"
)

// Odds is the probability of guessing a code of so many digits with so many
// tries, each at a code of its own: 1-(1-10^-digits)^tries. Different tries at
// the same code do better, by a share of less than their number over 10^digits.
func Odds(digits int, tries float64) float64 {
	if math.IsInf(tries, 1) {
		return 1 // also for a code so long that 10^-digits is 0 here
	}
	// Log1p and Expm1 keep the digits that 1-1e-6 would lose.
	return -math.Expm1(tries * math.Log1p(-math.Pow(10, -float64(digits))))
}

// MaxGuessesPerDay bounds the wrong codes that anybody can have compared for
// one number in any 24 hours, whatever is requested and whatever the carrier
// does. It is +Inf when either messages or guesses are not limited.
//
// The day holds so many windows of a guess limit. In each of them, fewer wrong
// codes than the limit come before its last create; after it, only the entries
// that are live then can be tried. Those made within the span of a send limit
// are as many as that limit allows; they may be new ones in every window, since
// a message that the carrier refuses gives its place back. The older entries
// held their places, so over the whole day the send limit bounds them too.
func MaxGuessesPerDay(l Limits, attempts int64, expiration time.Duration) float64 {
	const day = 24 * time.Hour
	perEntry := float64(attempts)
	if l.Refunds {
		perEntry *= 2 // for every message there may be one whose place a receipt gave back
	}
	least := math.Inf(1)
	for _, guesses := range l.Guesses {
		windows := spans(day, guesses.Span)
		for _, sends := range l.Sends {
			tries := perEntry * float64(sends.Max)
			young := windows * (float64(guesses.Max) + tries)
			old := tries * min(windows*(spans(expiration, sends.Span)-1), spans(day+expiration, sends.Span)-1)
			least = min(least, young+old)
		}
	}
	return least
}

// spans returns how many spans of the length of a window cover a duration.
func spans(d, window time.Duration) float64 { return math.Ceil(d.Seconds() / window.Seconds()) }
