package redisstore

import (
	"context"
	"fmt"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// guard is added to the second in which the carrier counts messages: a message
// that is late on its way by no more than this does not fall together with
// one too many of the next.
const guard = 200 * time.Millisecond

// Take takes a place and a turn; see codes.Limiter.
func (s *Store) Take(ctx context.Context, p codes.Place) (time.Duration, error) {
	bounded, cancel := context.WithTimeout(ctx, opTimeout) // for both steps together
	defer cancel()
	if err := s.takeRecipient(bounded, p); err != nil {
		return 0, fmt.Errorf("redisstore: take: %w", err)
	}
	wait, err := s.takeTurn(bounded, p)
	if err == nil {
		return wait, nil
	}
	// A refused request takes no place. If one cannot be given back, or the
	// caller has waited long enough for Redis, it stays taken, which is the
	// safe side.
	if bounded.Err() != nil {
		return 0, fmt.Errorf("redisstore: take: %w", err)
	}
	if undo := s.Return(ctx, p); undo != nil {
		return 0, fmt.Errorf("redisstore: take: %w (place not given back: %w)", err, undo)
	}
	return 0, fmt.Errorf("redisstore: take: %w", err)
}

func (s *Store) takeRecipient(ctx context.Context, p codes.Place) error {
	sends, guesses := s.limits.Sends, s.limits.Guesses
	if len(sends) == 0 && len(guesses) == 0 {
		return nil
	}
	const first = 5 // index in ARGV of the first window
	args := append([]any{p.Op[:], longest(sends), first - 1 + 2*len(sends)}, windowArgs(sends)...)
	args = append(args, windowArgs(guesses)...)
	reply, err := s.run(ctx, s.scripts.take, []string{s.keys.sends(p.Recipient), s.keys.guesses(p.Recipient)}, args...)
	if err != nil || reply[0] == "taken" {
		return err
	}
	i := (number(reply, 1) - first) / 2
	if i < len(sends) {
		return limitError("SEND_LIMITS", sends[i], reply)
	}
	return limitError("GUESS_LIMITS", guesses[i-len(sends)], reply)
}

// TakeFailure counts one failed authentication of a client address, at most
// as many as the window allows, and says so with a *codes.LimitError.
func (s *Store) TakeFailure(ctx context.Context, address codes.Digest, w codes.Window) error {
	windows := []codes.Window{w}
	op, log := codes.NewOp(), s.keys.failures(address)
	reply, err := s.run(ctx, s.scripts.take, []string{log, log},
		op[:], longest(windows), 6, w.Max, w.Span.Milliseconds())
	if err == nil && reply[0] == "full" {
		err = limitError("failed API keys", w, reply)
	}
	if err != nil {
		return fmt.Errorf("redisstore: take failure: %w", err)
	}
	return nil
}

func (s *Store) takeTurn(ctx context.Context, p codes.Place) (time.Duration, error) {
	if s.limits.Rate == 0 && len(s.limits.Total) == 0 {
		return 0, nil
	}
	const first = 7 // index in ARGV of the first window
	args := append([]any{
		p.Op[:], s.limits.Rate, (time.Second + guard).Milliseconds(), s.limits.MaxWait.Milliseconds(), longest(s.limits.Total),
	}, windowArgs(s.limits.Total)...)
	reply, err := s.run(ctx, s.scripts.turn, []string{s.keys.total(), s.keys.turns()}, args...)
	switch {
	case err != nil:
		return 0, err
	case reply[0] == "full":
		return 0, limitError("SEND_LIMITS_TOTAL", s.limits.Total[(number(reply, 1)-first)/2], reply)
	case reply[0] == "busy":
		return 0, &codes.UnavailableError{RetryAfter: wholeSeconds(number(reply, 1)), Cause: "no turn to send near enough"}
	}
	return time.Duration(number(reply, 1)) * time.Millisecond, nil
}

// Return gives a place back; see codes.Limiter.
func (s *Store) Return(ctx context.Context, p codes.Place) error {
	if p.Paid {
		return s.returnPaid(ctx, p)
	}
	if err := s.giveBack(ctx, s.keys.sends(p.Recipient), p.Op, s.limits.Sends); err != nil {
		return fmt.Errorf("redisstore: return: %w", err)
	}
	if err := s.giveBack(ctx, s.keys.total(), p.Op, s.limits.Total); err != nil {
		return fmt.Errorf("redisstore: return: %w", err)
	}
	return nil
}

func (s *Store) giveBack(ctx context.Context, log string, op codes.Op, windows []codes.Window) error {
	if len(windows) == 0 {
		return nil
	}
	_, err := s.run(ctx, s.scripts.giveBack, []string{log}, op[:])
	return err
}

// CountWrong counts a wrong code; see codes.Limiter.
func (s *Store) CountWrong(ctx context.Context, p codes.Place) error {
	if len(s.limits.Guesses) == 0 {
		return nil
	}
	largest := int64(0)
	for _, w := range s.limits.Guesses {
		largest = max(largest, w.Max)
	}
	_, err := s.run(ctx, s.scripts.count, []string{s.keys.guesses(p.Recipient)},
		p.Op[:], longest(s.limits.Guesses), largest)
	if err != nil {
		return fmt.Errorf("redisstore: count wrong: %w", err)
	}
	return nil
}

func windowArgs(windows []codes.Window) []any {
	args := make([]any, 0, 2*len(windows))
	for _, w := range windows {
		args = append(args, w.Max, w.Span.Milliseconds())
	}
	return args
}

// longest is the span of the longest window in milliseconds.
func longest(windows []codes.Window) int64 {
	span := time.Duration(0)
	for _, w := range windows {
		span = max(span, w.Span)
	}
	return span.Milliseconds()
}

// limitError reads the reply {"full", window, milliseconds}.
func limitError(setting string, w codes.Window, reply []any) error {
	return &codes.LimitError{Limit: setting + " " + w.Text, RetryAfter: wholeSeconds(number(reply, 2))}
}

func wholeSeconds(millis int) time.Duration {
	return time.Duration((millis+999)/1000) * time.Second
}

func number(reply []any, i int) int {
	n, _ := reply[i].(int64)
	return int(n)
}
