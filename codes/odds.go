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
// one number in any 24 hours, whatever is requested: when the last code of
// the day was made fewer wrong ones than the limit had been counted, and after
// it only the entries made within one lifetime can be tried. It is +Inf when
// either SMS or guesses are not limited: to a number that Flowroute refuses
// messages may be asked for without end, each with a code to guess at meanwhile.
func MaxGuessesPerDay(l Limits, attempts int64, expiration time.Duration) float64 {
	const day = 24 * time.Hour
	perEntry := float64(attempts)
	if l.Returns {
		perEntry *= 2 // for every message there may be one whose place was given back
	}
	if len(l.Guesses) == 0 {
		return math.Inf(1)
	}
	all := perEntry * most(l.Sends, day+expiration)
	return math.Min(all, most(l.Guesses, day)+perEntry*most(l.Sends, expiration))
}

// most is how many events all windows together let pass in any span.
func most(windows []Window, span time.Duration) float64 {
	least := math.Inf(1)
	for _, w := range windows {
		least = math.Min(least, float64(w.Max)*math.Ceil(span.Seconds()/w.Span.Seconds()))
	}
	return least
}
