package redisstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// guard is added to the second in which the carrier counts messages: a message
// that is late on its way by no more than this does not fall together with
// one too many of the next.
const guard = 200 * time.Millisecond

// Take takes a place and a turn; see codes.Limiter.
func (s *Store) Take(ctx context.Context, p codes.Place) (time.Duration, error) {
	bounded := within(ctx, opTimeout) // for both steps together
	if err := s.takeRecipient(bounded, p); err != nil {
		return 0, fmt.Errorf("redisstore: take: %w", err)
	}
	if p.Unsent {
		return 0, nil
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
	answer, err := s.run(ctx, s.scripts.take, []string{s.keys.sends(p.Recipient), s.keys.guesses(p.Recipient)}, args...)
	if err != nil || answer == "taken" {
		return err
	}
	i, wait, err := fullFrom(answer, first, len(sends)+len(guesses))
	switch {
	case err != nil:
		return err
	case i < len(sends):
		return limitError("SEND_LIMITS", sends[i], wait)
	}
	return limitError("GUESS_LIMITS", guesses[i-len(sends)], wait)
}

// TakeFailure counts one failed authentication of a client address, at most
// as many as the window allows, and says so with a *codes.LimitError.
func (s *Store) TakeFailure(ctx context.Context, address codes.Digest, w codes.Window) error {
	windows := []codes.Window{w}
	op, log := codes.NewOp(), s.keys.failures(address)
	answer, err := s.run(ctx, s.scripts.take, []string{log, log},
		op[:], longest(windows), 6, w.Max, w.Span.Milliseconds())
	if err == nil && answer != "taken" {
		var wait int64
		if _, wait, err = fullFrom(answer, 5, 1); err == nil {
			err = limitError("failed API keys", w, wait)
		}
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
	answer, err := s.run(ctx, s.scripts.turn, []string{s.keys.total(), s.keys.turns()}, args...)
	if err != nil {
		return 0, err
	}
	if strings.HasPrefix(answer, "full ") {
		i, wait, err := fullFrom(answer, first, len(s.limits.Total))
		if err != nil {
			return 0, err
		}
		return 0, limitError("SEND_LIMITS_TOTAL", s.limits.Total[i], wait)
	}
	word, answer, _ := strings.Cut(answer, " ")
	var millis int64
	if _, err := numbers(answer, &millis); err != nil {
		return 0, err
	}
	if word == "busy" {
		return 0, &codes.UnavailableError{RetryAfter: wholeSeconds(millis), Cause: "no turn to send near enough"}
	}
	return time.Duration(millis) * time.Millisecond, nil
}

// Return gives a place back; see codes.Limiter.
func (s *Store) Return(ctx context.Context, p codes.Place) error {
	if p.Paid {
		return s.returnPaid(ctx, p)
	}
	if err := s.giveBack(ctx, p); err != nil {
		return fmt.Errorf("redisstore: return: %w", err)
	}
	if len(s.limits.Total) > 0 {
		if _, err := s.run(ctx, s.scripts.leave, []string{s.keys.total()}, p.Op[:]); err != nil {
			return fmt.Errorf("redisstore: return: %w", err)
		}
	}
	return nil
}

// giveBack gives back the place under Sends.
func (s *Store) giveBack(ctx context.Context, p codes.Place) error {
	if len(s.limits.Sends) == 0 {
		return nil
	}
	_, err := s.run(ctx, s.scripts.giveBack, []string{s.keys.sends(p.Recipient)}, p.Op[:])
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

// fullFrom reads the answer "full" of a script whose windows begin at the
// index first in ARGV: which of the windows it is, and how many milliseconds
// it takes to clear.
func fullFrom(answer string, first, windows int) (i int, wait int64, err error) {
	var index int64
	if _, err = numbers(strings.TrimPrefix(answer, "full "), &index, &wait); err != nil {
		return 0, 0, err
	}
	if i = (int(index) - first) / 2; i < 0 || i >= windows {
		return 0, 0, errMalformed
	}
	return i, wait, nil
}

func limitError(setting string, w codes.Window, wait int64) error {
	return &codes.LimitError{Limit: setting + " " + w.Text, RetryAfter: wholeSeconds(wait)}
}

func wholeSeconds(millis int64) time.Duration {
	return time.Duration((millis+999)/1000) * time.Second
}
