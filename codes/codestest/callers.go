package codestest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// RunCallers tests that callers are counted apart and share the turns that lie
// ahead, and that a check can demand a number.
func RunCallers(t *testing.T, open func(testing.TB) Backend) {
	run(t, open, tests{
		"recipient":             demandedRecipient,
		"recipient of an older": olderRecipient,
		"expired recipient":     expiredRecipient,
		"limits":                apart(countedApart),
		"share":                 apart(fairShare),
		"alone":                 apart(fairAlone),
		"next turn":             apart(fairNextTurn),
		"count guess":           countedGuess,
	}, nil)
}

func demandedRecipient(s suite) {
	e := usual()
	s.reserve(e)
	other := codes.Check{Name: e.Name, Code: e.Code, Recipient: Fresh(), PreviousRecipient: Fresh()}
	s.check(other, codes.Outcome{Status: codes.Unknown})
	other.Code = Fresh()
	s.check(other, codes.Outcome{Status: codes.Unknown})
	s.live(e, e.Attempts) // nothing was spent
	s.check(codes.Check{Name: e.Name, Code: Fresh(), Recipient: e.Recipient}, wrongFor(e, e.Attempts-1))
	right := codes.Check{Name: e.Name, Code: e.Code, Recipient: Fresh(), PreviousRecipient: e.Recipient}
	s.check(right, codes.Outcome{Status: codes.Right, Recipient: e.Recipient})
}

// olderRecipient: an entry that has a predecessor, which is not served in the
// quickest way, demands the number too.
func olderRecipient(s suite) {
	older := usual()
	s.reserve(older)
	e := next(older)
	s.reserve(e)
	s.check(codes.Check{Name: e.Name, Code: e.Code, Recipient: older.Recipient}, codes.Outcome{Status: codes.Unknown})
	s.live(e, e.Attempts)
	s.check(codes.Check{Name: e.Name, Code: e.Code, Recipient: e.Recipient}, codes.Outcome{Status: codes.Right, Recipient: e.Recipient})
}

func expiredRecipient(s suite) {
	e := entry(3, time.Second, time.Minute)
	s.reserve(e)
	s.Advance(1500 * time.Millisecond)
	s.check(codes.Check{Name: e.Name, Code: e.Code, Recipient: Fresh()}, codes.Outcome{Status: codes.Expired})
}

// by makes a caller ask for a message to a number of its own.
func by(caller string, limits ...codes.Limit) codes.Reservation {
	r := to(Fresh(), limits...)
	r.Caller = caller
	return r
}

// countedApart: callers, profiles and clients are counted each by itself, whatever
// number they ask for, and a message that was not sent does not count.
func countedApart(s suite) {
	one, other := Fresh(), Fresh()
	kinds := []codes.LimitKind{codes.CallerLimit, codes.ProfileLimit, codes.ClientLimit}
	of := func(kind codes.LimitKind, who codes.Digest) codes.Reservation {
		return to(Fresh(), codes.Limit{Kind: kind, Subject: who, Windows: Windows(s, "2/3s")})
	}
	for _, kind := range kinds {
		limit := kind.Setting() + " 2/3s"
		first := of(kind, one)
		s.take(first)
		s.take(first) // repeated
		if again := s.take(of(kind, one)).Again; again != 0 {
			s.Errorf("%s makes the number wait for %v", limit, again)
		}
		s.refused(of(kind, one), limit)
		s.take(of(kind, other))
		s.release(first, true)
		s.take(of(kind, one))
		s.refused(of(kind, one), limit)
	}
	s.Advance(3 * time.Second)
	for _, kind := range kinds {
		s.take(of(kind, one))
	}
}

// fair adds a turn that callers share: 12 lie ahead.
func fair(r codes.Reservation) codes.Reservation {
	r = paced(r, 2, 6*time.Second)
	r.Pace.Fair = true
	return r
}

func (s suite) busy(err error) {
	s.Helper()
	var busy *codes.UnavailableError
	if !errors.As(err, &busy) || busy.RetryAfter <= 0 {
		s.Errorf("%v, want a refusal for the send rate", err)
	}
}

// fairShare: a caller holds no more than its share of the turns that lie ahead,
// so that another one finds one.
func fairShare(s suite) {
	flood := func(want int) {
		s.Helper()
		for range want {
			s.take(fair(by("flood")))
		}
		_, err := s.Store.Reserve(context.Background(), fair(by("flood")))
		s.busy(err)
	}
	flood(2 + 6) // two at once, and half of 12: there may be a newcomer
	first := fair(by("quiet"))
	turn := s.take(first).Turn
	s.take(first) // repeated
	if wait := time.Until(turn.Begin); wait > 5*TurnSpan {
		s.Errorf("the quiet caller waits for %v", wait)
	}
	for range 3 { // a third of 12
		s.take(fair(by("quiet")))
	}
	s.Advance(4 * TurnSpan)
	s.take(fair(by("quiet"))) // both asked lately: a third each
	for range 4 {
		s.take(fair(by("flood")))
	}
	_, err := s.Store.Reserve(context.Background(), fair(by("flood")))
	s.busy(err)
}

// fairAlone: turns that nobody else asks for are a caller's own.
func fairAlone(s suite) {
	for range 6 {
		s.take(fair(by("shop")))
		s.take(fair(by("shop")))
		s.Advance(TurnSpan)
	}
}

func fairNextTurn(s suite) {
	for range 8 {
		s.take(fair(by("shop")))
	}
	_, err := s.Store.NextTurn(context.Background(), fair(codes.Reservation{Op: codes.NewOp(), Caller: "shop"}))
	s.busy(err)
	if _, err = s.Store.NextTurn(context.Background(), fair(codes.Reservation{Op: codes.NewOp(), Caller: "bank"})); err != nil {
		s.Errorf("NextTurn: %v", err)
	}
}

// countedGuess: a wrong code that is counted later, and again, counts once.
func countedGuess(s suite) {
	one, windows := Fresh(), Windows(s, "2/1h")
	for range 2 {
		op := codes.NewOp()
		s.take(to(one, guesses(one, windows)))
		for range 2 {
			if err := s.Store.CountGuess(context.Background(), one, op, windows); err != nil {
				s.Fatal(err)
			}
		}
	}
	s.refused(to(one, guesses(one, windows)), "GUESS_LIMITS 2/1h")
}
