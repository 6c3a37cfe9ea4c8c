package codestest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

func sends(recipient codes.Digest, windows []codes.Window) codes.Limit {
	return codes.Limit{Kind: codes.SendLimit, Subject: recipient, Windows: windows}
}

func guesses(recipient codes.Digest, windows []codes.Window) codes.Limit {
	return codes.Limit{Kind: codes.GuessLimit, Subject: recipient, Windows: windows}
}

func total(windows []codes.Window) codes.Limit {
	return codes.Limit{Kind: codes.TotalLimit, Windows: windows}
}

// to reserves a message to a recipient, in the name of an entry of its own.
func to(recipient codes.Digest, limits ...codes.Limit) codes.Reservation {
	e := usual()
	e.Recipient = recipient
	return within(unlimited(e), limits...)
}

// refused reserves what must not be granted, and returns when to try again.
func (s suite) refused(r codes.Reservation, limit string) (retryAfter time.Duration) {
	s.Helper()
	_, err := s.Store.Reserve(context.Background(), r)
	var reached *codes.LimitError
	if !errors.As(err, &reached) || reached.Limit != limit {
		s.Fatalf("Reserve = %v, want limit %s", err, limit)
	}
	if reached.RetryAfter < time.Second || reached.RetryAfter%time.Second != 0 {
		s.Fatalf("retry after %v: not whole seconds", reached.RetryAfter)
	}
	return reached.RetryAfter
}

// clears lets the time pass that a refusal names, and no more: a second
// earlier it is refused too.
func (s suite) clears(r func() codes.Reservation, limit string) {
	s.Helper()
	clear := s.refused(r(), limit)
	s.Advance(clear - time.Second)
	s.refused(r(), limit)
	s.Advance(time.Second)
	s.take(r())
}

// RunReservations checks limits and turns. Guesses have RunGuesses.
func RunReservations(t *testing.T, open func(testing.TB) Backend) {
	run(t, open, tests{
		"no limits": func(s suite) {
			one := Fresh()
			for range 50 {
				if turn := s.take(to(one)).Turn; time.Until(turn.Begin) > 0 || !turn.End.IsZero() {
					s.Fatalf("turn %+v without a rate", turn)
				}
			}
		},
		"sends to a recipient": func(s suite) {
			one, windows := Fresh(), Windows(s, "2/3s", "3/1h")
			message := func() codes.Reservation { return to(one, sends(one, windows)) }
			s.take(message())
			s.take(message())
			s.clears(message, "SEND_LIMITS 2/3s")
			s.Advance(3 * time.Second)
			s.about("clear", s.refused(message(), "SEND_LIMITS 3/1h"), time.Hour)
			other := Fresh()
			s.take(to(other, sends(other, windows)))
		},
		"messages in all": apart(func(s suite) {
			windows := Windows(s, "2/3s")
			message := func() codes.Reservation { return to(Fresh(), total(windows)) }
			s.take(message())
			s.Advance(time.Second)
			s.take(message())
			if clear := s.refused(message(), "SEND_LIMITS_TOTAL 2/3s"); clear > 2*time.Second {
				s.Errorf("retry after %v, want 2s", clear)
			}
			s.clears(message, "SEND_LIMITS_TOTAL 2/3s")
		}),
		"the limit that clears last": apart(clearsLast),
		"a refusal takes nothing":    apart(refusalTakesNothing),
		"a release frees the places": apart(released),
		"a refund frees one place":   apart(refunded),
		"refunds have an end":        refundsEnd,
		"test recipients": apart(func(s suite) {
			// They are counted under the limits of their number alone.
			one, windows := Fresh(), Windows(s, "2/1h")
			s.take(paced(to(Fresh(), total(windows[:1])), 1, 0))
			for range 2 {
				if turn := s.take(to(one, sends(one, windows))).Turn; time.Until(turn.Begin) > 0 {
					s.Errorf("turn %+v", turn)
				}
			}
			s.refused(to(one, sends(one, windows)), "SEND_LIMITS 2/1h")
			s.take(to(Fresh(), total(windows)))
			s.refused(to(Fresh(), total(windows)), "SEND_LIMITS_TOTAL 2/1h")
		}),
		"turns":                         apart(turns),
		"a turn too far off":            apart(turnTooFar),
		"another turn":                  apart(nextTurn),
		"a release keeps the turn":      apart(releaseKeepsTurn),
		"an entry counts from its turn": apart(countsFromTurn),
	}, tests{
		"parallel messages to one number": func(s suite) {
			one := Fresh()
			parallelMessages(s, func() codes.Reservation { return to(one, sends(one, Windows(s, "5/1h"))) })
		},
		"parallel messages in all": apart(func(s suite) {
			parallelMessages(s, func() codes.Reservation { return to(Fresh(), total(Windows(s, "5/1h"))) })
		}),
		"parallel turns":                  apart(parallelTurns),
	})
}

func clearsLast(s suite) {
	one := Fresh()
	short, long := Windows(s, "1/1m"), Windows(s, "1/1h")
	e := usual()
	e.Recipient = one
	s.take(within(unlimited(e), sends(one, short), total(short)))
	s.guess(e, short, codes.NewOp())
	refused := func(want string, limits ...codes.Limit) {
		s.Helper()
		clear := time.Minute
		if want[len(want)-1] == 'h' {
			clear = time.Hour
		}
		s.about(want, s.refused(to(one, limits...), want), clear)
	}
	refused("SEND_LIMITS 1/1h", sends(one, long), guesses(one, short), total(short))
	refused("GUESS_LIMITS 1/1h", sends(one, short), guesses(one, long), total(short))
	refused("SEND_LIMITS_TOTAL 1/1h", sends(one, short), guesses(one, short), total(long))
	refused("SEND_LIMITS 1/1h", sends(one, append(short, long...)), total(short))
}

func refusalTakesNothing(s suite) {
	one, two, three := Fresh(), Windows(s, "2/1h"), Windows(s, "3/3s")
	s.take(to(Fresh(), total(three)))
	s.take(to(Fresh(), total(three)))
	before := usual()
	before.Recipient = one
	s.take(within(unlimited(before), sends(one, two), total(three)))
	after := next(before)
	after.Recipient = one
	s.wrong(before, 2)
	r := within(unlimited(after), sends(one, two), total(three))
	s.refused(r, "SEND_LIMITS_TOTAL 3/3s")
	s.live(before, 2)
	s.Advance(3 * time.Second)
	s.take(r) // the refusal took no place of the number
	s.refused(to(one, sends(one, two), total(three)), "SEND_LIMITS 2/1h")
	s.take(to(Fresh(), total(three)))
	s.take(to(Fresh(), total(three))) // nor one of all
	s.refused(to(Fresh(), total(three)), "SEND_LIMITS_TOTAL 3/3s")
}

func released(s suite) {
	one, two, three := Fresh(), Windows(s, "2/1h"), Windows(s, "3/1h")
	message := func(recipient codes.Digest) codes.Reservation {
		return to(recipient, sends(recipient, two), total(three))
	}
	first, second := message(one), message(one)
	s.take(first)
	s.take(second)
	s.release(second, true)
	s.release(second, true)        // repeated: the same place
	s.release(message(one), false) // it was never reserved
	s.take(message(one))
	s.refused(message(one), "SEND_LIMITS 2/1h")
	s.take(message(Fresh())) // the third of all: the place in the total came back too
	s.refused(message(Fresh()), "SEND_LIMITS_TOTAL 3/1h")
	s.release(first, true)
	s.take(message(Fresh()))
}

func (s suite) refund(r codes.Reservation, limits ...codes.Limit) {
	s.Helper()
	if err := s.Store.Refund(context.Background(), r.Op, limits); err != nil {
		s.Fatalf("Refund: %v", err)
	}
}

func refunded(s suite) {
	one := Fresh()
	limit, all := sends(one, Windows(s, "2/1h")), total(Windows(s, "3/1h"))
	first := to(one, limit, all)
	s.take(first)
	s.take(to(one, limit, all))
	s.refund(first, limit)
	s.refund(first, limit) // repeated: one place
	s.live(first.Entry, 3)
	s.take(to(one, limit, all))
	s.refused(to(one, limit), "SEND_LIMITS 2/1h")
	s.refused(to(Fresh(), all), "SEND_LIMITS_TOTAL 3/1h") // the message was paid for
}

// refundsEnd: a number that rejects everything is not sent to without end.
func refundsEnd(s suite) {
	one := Fresh()
	limit := sends(one, Windows(s, "2/3s"))
	message := func() codes.Reservation {
		r := to(one, limit)
		s.take(r)
		return r
	}
	s.refund(message(), limit)
	s.refund(message(), limit)
	s.refund(message(), limit) // one too many
	message()
	s.Advance(s.refused(to(one, limit), "SEND_LIMITS 2/3s"))
	s.refund(message(), limit)
	message()
	message()
	s.refused(to(one, limit), "SEND_LIMITS 2/3s")
}

// begins expects a turn that began so long after a time. The clock of a real
// backend goes on between two calls, and counts in milliseconds.
func (s suite) begins(turn codes.Turn, want time.Duration, since time.Time) {
	s.Helper()
	wait := time.Until(turn.Begin)
	if passed := time.Since(since) + 2*time.Millisecond; wait > want || wait < want-passed {
		s.Errorf("turn in %v, want %v", wait, want)
	}
	if !turn.End.IsZero() && turn.End.Before(turn.Begin) {
		s.Errorf("a turn that ends %v before it begins", turn.Begin.Sub(turn.End))
	}
}

func turns(s suite) {
	begun := time.Now()
	for _, want := range []time.Duration{0, 0, TurnSpan, TurnSpan, 2 * TurnSpan} {
		r := paced(to(Fresh()), 2, time.Minute)
		s.begins(s.take(r).Turn, want, begun)
		s.begins(s.take(r).Turn, want, begun) // repeated: the same turn
	}
	s.Advance(TurnSpan)
	s.begins(s.take(paced(to(Fresh()), 2, time.Minute)).Turn, TurnSpan, begun)
}

func turnTooFar(s suite) {
	one, windows := Fresh(), Windows(s, "2/1h")
	before := to(one, sends(one, windows))
	s.take(paced(before, 1, 0))
	s.wrong(before.Entry, 2)
	r := paced(within(unlimited(next(before.Entry)), sends(one, windows)), 1, 100*time.Millisecond)
	_, err := s.Store.Reserve(context.Background(), r)
	var busy *codes.UnavailableError
	if !errors.As(err, &busy) || !errors.Is(err, codes.ErrUnavailable) || busy.RetryAfter > 2*time.Second || busy.RetryAfter < time.Second {
		s.Fatalf("Reserve = %v, want unavailable for 2s", err)
	}
	s.live(before.Entry, 2)
	s.Advance(busy.RetryAfter)
	s.take(r) // it had taken no place
}

func nextTurn(s suite) {
	begun := time.Now()
	r := paced(codes.Reservation{Op: codes.NewOp()}, 1, time.Minute)
	s.take(paced(to(Fresh()), 1, time.Minute))
	for range 2 { // repeated: the same turn
		turn, err := s.Store.NextTurn(context.Background(), r)
		if err != nil {
			s.Fatal(err)
		}
		s.begins(turn, TurnSpan, begun)
	}
	s.begins(s.take(paced(to(Fresh()), 1, time.Minute)).Turn, 2*TurnSpan, begun)
	r.Op, r.WaitLeft = codes.NewOp(), 0
	_, err := s.Store.NextTurn(context.Background(), r)
	var busy *codes.UnavailableError
	if !errors.As(err, &busy) {
		s.Errorf("NextTurn = %v, want unavailable", err)
	}
	turn, err := s.Store.NextTurn(context.Background(), codes.Reservation{Op: codes.NewOp()})
	if err != nil || time.Until(turn.Begin) > 0 {
		s.Errorf("NextTurn without a rate = %+v, %v", turn, err)
	}
}

func releaseKeepsTurn(s suite) {
	begun := time.Now()
	r := paced(to(Fresh()), 1, time.Minute)
	s.take(r)
	s.release(r, true)
	s.begins(s.take(paced(to(Fresh()), 1, time.Minute)).Turn, TurnSpan, begun)
}

// countsFromTurn: until then the entry before counts, and its own lifetime has
// not begun.
func countsFromTurn(s suite) {
	before := s.waiting(2)[0].Entry
	last := next(before)
	last.Lifetime = 2 * time.Second
	s.take(paced(unlimited(last), 1, time.Minute))
	s.wrong(before, 2)
	s.Advance(2*TurnSpan + 800*time.Millisecond) // longer than its lifetime
	s.check(codes.Check{Name: before.Name, Code: before.Code}, wrongFor(last, 2))
	s.right(last)
}

// parallelMessages: of parallel messages under a limit of 5, 5 pass.
func parallelMessages(s suite, message func() codes.Reservation) {
	var granted atomic.Int64
	together(crowd, func(i int) {
		_, err := s.store(i).Reserve(context.Background(), message())
		if _, limited := errors.AsType[*codes.LimitError](err); err == nil {
			granted.Add(1)
		} else if !limited {
			s.Errorf("Reserve: %v", err)
		}
	})
	if granted.Load() != 5 {
		s.Errorf("%d of %d parallel requests passed a limit of 5", granted.Load(), crowd)
	}
}

func parallelTurns(s suite) {
	const rate, wait = 3, 2 * time.Second
	begun := time.Now()
	var mu sync.Mutex
	granted := 0
	together(crowd, func(i int) {
		_, err := s.store(i).Reserve(context.Background(), paced(to(Fresh()), rate, wait))
		var busy *codes.UnavailableError
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil:
			granted++
		case !errors.As(err, &busy):
			s.Errorf("Reserve: %v", err)
		}
	})
	turnsWithin := func(d time.Duration) int { return rate * (1 + int(d/TurnSpan)) }
	if most := turnsWithin(time.Since(begun) + wait); granted < turnsWithin(wait) || granted > most {
		s.Errorf("%d turns granted, want %d to %d", granted, turnsWithin(wait), most)
	}
}
