package codes

import (
	"math"
	"time"
)

// Odds is the probability of guessing a code of so many digits with so many
// tries, each at another code: 1-(1-10^-digits)^tries. Different tries at one code
// do better, by a factor of less than 1 + tries/10^digits.
func Odds(digits int, tries float64) float64 {
	if math.IsInf(tries, 1) {
		return 1 // even for a code so long that 10^-digits is 0 here
	}
	// Log1p and Expm1 keep the digits that 1-1e-6 would lose.
	return -math.Expm1(tries * math.Log1p(-math.Pow(10, -float64(digits))))
}

// MaxGuessesPerDay bounds the wrong codes that can be compared for one number in
// any 24 hours, whatever is requested and whatever the carrier does. It is +Inf if
// either messages or guesses are not limited.
//
// A day is split into windows of a guess limit. In each window, fewer wrong codes
// than the limit come before its last create. After that, only the entries that are
// live then can be tried. A send limit bounds those made within its span; they may
// be new ones in every window, since a message that the carrier refuses stops
// counting. The older entries did count, so the send limit bounds them over the
// whole day too.
func MaxGuessesPerDay(l Limits, attempts int64, expiration time.Duration) float64 {
	const day = 24 * time.Hour
	perEntry := float64(attempts)
	if l.Refunds {
		perEntry *= 2 // for every message there may be another that a receipt refunded
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
