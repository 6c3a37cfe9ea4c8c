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

// messageTo returns the reservation of a message to a recipient, with a new entry.
func messageTo(recipient codes.Digest, limits ...codes.Limit) codes.Reservation {
	e := anyEntry()
	e.Recipient = recipient
	return withLimits(reservationOf(e), limits...)
}

// refused expects that a limit refuses r, and returns when to retry.
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

// clears expects that the limit refuses reservations until exactly the time that the
// refusal names: a second earlier they are still refused.
func (s suite) clears(r func() codes.Reservation, limit string) {
	s.Helper()
	clear := s.refused(r(), limit)
	s.Advance(clear - time.Second)
	s.refused(r(), limit)
	s.Advance(time.Second)
	s.reserve(r())
}

// RunReservations checks limits and turns. RunGuesses checks GuessLimit.
func RunReservations(t *testing.T, open func(testing.TB) Backend) {
	run(t, open, tests{
		"sends to a recipient": func(s suite) {
			one, windows := Fresh(), Windows(s, "2/3s", "3/1h")
			message := func() codes.Reservation { return messageTo(one, sends(one, windows)) }
			s.about("again", s.reserve(message()).ResendAfter, 0)
			s.about("again", s.reserve(message()).ResendAfter, 3*time.Second)
			s.clears(message, "SEND_LIMITS 2/3s")
			s.Advance(3 * time.Second)
			s.about("clear", s.refused(message(), "SEND_LIMITS 3/1h"), time.Hour)
			other := Fresh()
			s.reserve(messageTo(other, sends(other, windows)))
		},
		"messages in all": isolated(func(s suite) {
			windows := Windows(s, "2/3s")
			message := func() codes.Reservation { return messageTo(Fresh(), total(windows)) }
			s.reserve(message())
			s.Advance(time.Second)
			s.reserve(message())
			if clear := s.refused(message(), "SEND_LIMITS_TOTAL 2/3s"); clear > 2*time.Second {
				s.Errorf("retry after %v, want 2s", clear)
			}
			s.clears(message, "SEND_LIMITS_TOTAL 2/3s")
		}),
		"the limit that clears last": isolated(func(s suite) {
			one := Fresh()
			short, long := Windows(s, "1/1m"), Windows(s, "1/1h")
			e := anyEntry()
			e.Recipient = one
			s.reserve(withLimits(reservationOf(e), sends(one, short), total(short)))
			s.guess(e, short, codes.NewOp())
			refused := func(want string, limits ...codes.Limit) {
				s.Helper()
				clear := time.Minute
				if want[len(want)-1] == 'h' {
					clear = time.Hour
				}
				s.about(want, s.refused(messageTo(one, limits...), want), clear)
			}
			refused("SEND_LIMITS 1/1h", sends(one, long), guesses(one, short), total(short))
			refused("GUESS_LIMITS 1/1h", sends(one, short), guesses(one, long), total(short))
			refused("SEND_LIMITS_TOTAL 1/1h", sends(one, short), guesses(one, short), total(long))
			refused("SEND_LIMITS 1/1h", sends(one, append(short, long...)), total(short))
		}),
		"a refusal counts nothing": isolated(func(s suite) {
			one, two, three := Fresh(), Windows(s, "2/1h"), Windows(s, "3/3s")
			s.reserve(messageTo(Fresh(), total(three)))
			s.reserve(messageTo(Fresh(), total(three)))
			before := anyEntry()
			before.Recipient = one
			s.reserve(withLimits(reservationOf(before), sends(one, two), total(three)))
			after := successor(before)
			after.Recipient = one
			s.wrong(before, 2)
			r := withLimits(reservationOf(after), sends(one, two), total(three))
			s.refused(r, "SEND_LIMITS_TOTAL 3/3s")
			s.live(before, 2)
			s.Advance(3 * time.Second)
			s.reserve(r) // the refusal did not count for the number
			s.refused(messageTo(one, sends(one, two), total(three)), "SEND_LIMITS 2/1h")
			s.reserve(messageTo(Fresh(), total(three)))
			s.reserve(messageTo(Fresh(), total(three))) // nor in all
			s.refused(messageTo(Fresh(), total(three)), "SEND_LIMITS_TOTAL 3/3s")
		}),
		"a release uncounts": isolated(func(s suite) {
			one, two, three := Fresh(), Windows(s, "2/1h"), Windows(s, "3/1h")
			message := func(recipient codes.Digest) codes.Reservation {
				return messageTo(recipient, sends(recipient, two), total(three))
			}
			first, second := message(one), message(one)
			s.reserve(first)
			s.reserve(second)
			s.release(second, true)
			s.release(second, true)        // repeated
			s.release(message(one), false) // it was never reserved
			s.reserve(message(one))
			s.refused(message(one), "SEND_LIMITS 2/1h")
			s.reserve(message(Fresh())) // the third of all: the release uncounted it there too
			s.refused(message(Fresh()), "SEND_LIMITS_TOTAL 3/1h")
			s.release(first, true)
			s.reserve(message(Fresh()))
		}),
		"a refund uncounts once": isolated(func(s suite) {
			one := Fresh()
			limit, all := sends(one, Windows(s, "2/1h")), total(Windows(s, "3/1h"))
			first := messageTo(one, limit, all)
			s.reserve(first)
			s.reserve(messageTo(one, limit, all))
			s.refund(first, limit)
			s.refund(first, limit) // repeated
			s.live(first.Entry, 3)
			s.reserve(messageTo(one, limit, all))
			s.refused(messageTo(one, limit), "SEND_LIMITS 2/1h")
			s.refused(messageTo(Fresh(), all), "SEND_LIMITS_TOTAL 3/1h") // the message was paid for
		}),
		// Messages to a number that rejects all of them come to an end.
		"refunds are limited": func(s suite) {
			one := Fresh()
			limit := sends(one, Windows(s, "2/3s"))
			message := func() codes.Reservation {
				r := messageTo(one, limit)
				s.reserve(r)
				return r
			}
			s.refund(message(), limit)
			s.refund(message(), limit)
			s.refund(message(), limit) // one too many
			message()
			s.Advance(s.refused(messageTo(one, limit), "SEND_LIMITS 2/3s"))
			s.refund(message(), limit)
			message()
			message()
			s.refused(messageTo(one, limit), "SEND_LIMITS 2/3s")
		},
		"test recipients": isolated(func(s suite) {
			// They count only under the limits of their number.
			one, windows := Fresh(), Windows(s, "2/1h")
			s.reserve(paced(messageTo(Fresh(), total(windows[:1])), 1, 0))
			for range 2 {
				if turn := s.reserve(messageTo(one, sends(one, windows))).Turn; time.Until(turn.Begin) > 0 || !turn.End.IsZero() {
					s.Errorf("turn %+v", turn)
				}
			}
			s.refused(messageTo(one, sends(one, windows)), "SEND_LIMITS 2/1h")
			s.reserve(messageTo(Fresh(), total(windows)))
			s.refused(messageTo(Fresh(), total(windows)), "SEND_LIMITS_TOTAL 2/1h")
		}),
		"turns": isolated(func(s suite) {
			begun := time.Now()
			for _, want := range []time.Duration{0, 0, TurnSpan, TurnSpan, 2 * TurnSpan} {
				r := paced(messageTo(Fresh()), 2, time.Minute)
				s.begins(s.reserve(r).Turn, want, begun)
				s.begins(s.reserve(r).Turn, want, begun) // repeated: the same turn
			}
			s.Advance(TurnSpan)
			s.begins(s.reserve(paced(messageTo(Fresh()), 2, time.Minute)).Turn, TurnSpan, begun)
		}),
		"a turn too far off": isolated(func(s suite) {
			one, windows := Fresh(), Windows(s, "2/1h")
			before := messageTo(one, sends(one, windows))
			s.reserve(paced(before, 1, 0))
			s.wrong(before.Entry, 2)
			r := paced(withLimits(reservationOf(successor(before.Entry)), sends(one, windows)), 1, 100*time.Millisecond)
			_, err := s.Store.Reserve(context.Background(), r)
			var busy *codes.UnavailableError
			if !errors.As(err, &busy) || !errors.Is(err, codes.ErrUnavailable) || busy.RetryAfter > 2*time.Second || busy.RetryAfter < time.Second {
				s.Fatalf("Reserve = %v, want unavailable for 2s", err)
			}
			s.live(before.Entry, 2)
			s.Advance(busy.RetryAfter)
			s.reserve(r) // the refusal did not count
		}),
		"another turn": isolated(func(s suite) {
			begun := time.Now()
			r := paced(codes.Reservation{Op: codes.NewOp()}, 1, time.Minute)
			s.reserve(paced(messageTo(Fresh()), 1, time.Minute))
			for range 2 { // repeated: the same turn
				s.begins(s.nextTurn(r), TurnSpan, begun)
			}
			s.begins(s.reserve(paced(messageTo(Fresh()), 1, time.Minute)).Turn, 2*TurnSpan, begun)
			r.Op, r.WaitLeft = codes.NewOp(), 0
			_, err := s.Store.NextTurn(context.Background(), r)
			s.busy(err)
			if turn := s.nextTurn(codes.Reservation{Op: codes.NewOp()}); time.Until(turn.Begin) > 0 {
				s.Errorf("turn %+v without a rate", turn)
			}
		}),
		// Until its turn the previous entry is valid, and the lifetime of the new one has not
		// begun.
		"an entry is valid from its turn": isolated(func(s suite) {
			before := s.waiting(2)[0].Entry
			last := successor(before)
			last.Lifetime = 2 * time.Second
			s.reserve(paced(reservationOf(last), 1, time.Minute))
			s.wrong(before, 2)
			s.Advance(2*TurnSpan + 800*time.Millisecond) // longer than its lifetime
			s.check(codes.Check{Name: before.Name, Code: before.Code}, wrongFor(last, 2))
			s.right(last)
		}),
	}, tests{
		"parallel messages to one number": func(s suite) {
			one := Fresh()
			parallelMessages(s, func() codes.Reservation { return messageTo(one, sends(one, Windows(s, "5/1h"))) })
		},
		"parallel messages in all": isolated(func(s suite) {
			parallelMessages(s, func() codes.Reservation { return messageTo(Fresh(), total(Windows(s, "5/1h"))) })
		}),
		"parallel turns": isolated(func(s suite) {
			const rate, wait = 3, 2 * time.Second
			begun := time.Now()
			var mu sync.Mutex
			granted := 0
			parallel(parallelCalls, func(i int) {
				_, err := s.store(i).Reserve(context.Background(), paced(messageTo(Fresh()), rate, wait))
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
		}),
	})
}

func (s suite) refund(r codes.Reservation, limits ...codes.Limit) {
	s.Helper()
	if err := s.Store.Refund(context.Background(), r.Op, limits); err != nil {
		s.Fatalf("Refund: %v", err)
	}
}

// begins expects a turn that begins so long after a time. The clock of a real backend
// runs between two calls, and counts in milliseconds.
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

func (s suite) nextTurn(r codes.Reservation) codes.Turn {
	s.Helper()
	turn, err := s.Store.NextTurn(context.Background(), r)
	if err != nil {
		s.Fatalf("NextTurn: %v", err)
	}
	return turn
}

func (s suite) busy(err error) {
	s.Helper()
	var busy *codes.UnavailableError
	if !errors.As(err, &busy) || busy.RetryAfter <= 0 {
		s.Errorf("%v, want a refusal for the send rate", err)
	}
}

// parallelMessages: of parallel messages under a limit of 5, 5 pass.
func parallelMessages(s suite, message func() codes.Reservation) {
	var granted atomic.Int64
	parallel(parallelCalls, func(i int) {
		_, err := s.store(i).Reserve(context.Background(), message())
		if _, limited := errors.AsType[*codes.LimitError](err); err == nil {
			granted.Add(1)
		} else if !limited {
			s.Errorf("Reserve: %v", err)
		}
	})
	if granted.Load() != 5 {
		s.Errorf("%d of %d parallel requests passed a limit of 5", granted.Load(), parallelCalls)
	}
}
