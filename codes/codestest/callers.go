package codestest

import (
	"context"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// RunCallers checks that callers are counted separately and share the future turns,
// and that a check can require a number.
func RunCallers(t *testing.T, open func(testing.TB) Backend) {
	run(t, open, tests{
		"recipient": func(s suite) { requiredRecipient(s, anyEntry(), Fresh()) },
		"recipient of an entry with a predecessor": func(s suite) { // for which the store takes a slower path
			older := s.newEntry()
			requiredRecipient(s, successor(older), older.Recipient)
		},
		"expired recipient": func(s suite) {
			e := s.create(entry(3, time.Second, time.Minute)).Entry
			s.Advance(1500 * time.Millisecond)
			s.check(codes.Check{Name: e.Name, Code: e.Code, Recipient: Fresh()}, codes.Outcome{Status: codes.Expired})
		},
		// Callers, profiles and clients have separate counts, over all numbers, and a message
		// that was not sent does not count.
		"limits": isolated(func(s suite) {
			one, other := Fresh(), Fresh()
			kinds := []codes.LimitKind{codes.CallerLimit, codes.ProfileLimit, codes.ClientLimit}
			of := func(kind codes.LimitKind, who codes.Digest) codes.Reservation {
				return messageTo(Fresh(), codes.Limit{Kind: kind, Subject: who, Windows: Windows(s, "2/3s")})
			}
			for _, kind := range kinds {
				limit := kind.Setting() + " 2/3s"
				first := of(kind, one)
				s.reserve(first)
				s.reserve(first) // repeated
				if again := s.reserve(of(kind, one)).ResendAfter; again != 0 {
					s.Errorf("%s: the number has to wait for %v", limit, again)
				}
				s.refused(of(kind, one), limit)
				s.reserve(of(kind, other))
				s.release(first, true)
				s.reserve(of(kind, one))
				s.refused(of(kind, one), limit)
			}
			s.Advance(3 * time.Second)
			for _, kind := range kinds {
				s.reserve(of(kind, one))
			}
		}),
		// A caller holds no more than its share of the future turns, so that there is one for
		// another caller.
		"share": isolated(func(s suite) {
			flood := func(want int) {
				s.Helper()
				for range want {
					s.reserve(fair(by("flood")))
				}
				_, err := s.Store.Reserve(context.Background(), fair(by("flood")))
				s.busy(err)
			}
			flood(2 + 6) // two at once, and half of 12: there may be a newcomer
			first := fair(by("quiet"))
			turn := s.reserve(first).Turn
			s.reserve(first) // repeated
			if wait := time.Until(turn.Begin); wait > 5*TurnSpan {
				s.Errorf("the quiet caller waits for %v", wait)
			}
			for range 3 { // a third of 12
				s.reserve(fair(by("quiet")))
			}
			s.Advance(4 * TurnSpan)
			s.reserve(fair(by("quiet"))) // both asked recently: a third each
			for range 4 {
				s.reserve(fair(by("flood")))
			}
			_, err := s.Store.Reserve(context.Background(), fair(by("flood")))
			s.busy(err)
		}),
		// A caller may use all turns that nobody else asks for.
		"alone": isolated(func(s suite) {
			for range 6 {
				s.reserve(fair(by("shop")))
				s.reserve(fair(by("shop")))
				s.Advance(TurnSpan)
			}
		}),
		"next turn": isolated(func(s suite) {
			for range 8 {
				s.reserve(fair(by("shop")))
			}
			_, err := s.Store.NextTurn(context.Background(), fair(codes.Reservation{Op: codes.NewOp(), Caller: "shop"}))
			s.busy(err)
			s.nextTurn(fair(codes.Reservation{Op: codes.NewOp(), Caller: "bank"}))
		}),
	}, nil)
}

func requiredRecipient(s suite, e codes.Entry, another codes.Digest) {
	s.create(e)
	other := codes.Check{Name: e.Name, Code: e.Code, Recipient: another, PreviousRecipient: Fresh()}
	s.check(other, codes.Outcome{Status: codes.Unknown})
	other.Code = Fresh()
	s.check(other, codes.Outcome{Status: codes.Unknown})
	s.live(e, e.Attempts) // no attempt was used
	s.check(codes.Check{Name: e.Name, Code: Fresh(), Recipient: e.Recipient}, wrongFor(e, e.Attempts-1))
	right := codes.Check{Name: e.Name, Code: e.Code, Recipient: Fresh(), PreviousRecipient: e.Recipient}
	s.check(right, rightFor(e))
}

// by returns a caller's reservation of a message to a new number.
func by(caller string) codes.Reservation {
	r := messageTo(Fresh())
	r.Caller = caller
	return r
}

// fair adds a shared turn to a reservation. At most 12 future turns can be reserved.
func fair(r codes.Reservation) codes.Reservation {
	r = paced(r, 2, 6*time.Second)
	r.Pace.Fair = true
	return r
}
