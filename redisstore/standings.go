package redisstore

import (
	"context"
	"strings"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// Standing is what counts under one window of a limit.
type Standing struct {
	Kind   codes.LimitKind
	Window codes.Window
	Used   int64         // events in the window that ends now
	Share  int64         // of verified codes, allowed besides Window.Max
	Wait   time.Duration // until there is room for one more; 0 if there is
}

// Standings returns what counts against a recipient under the limits of its number,
// in the order of their windows. It changes nothing. Its error is
// codes.ErrUnavailable. It is not part of a request, so Done is not called.
func (s *Store) Standings(ctx context.Context, limits []codes.Limit) (all []Standing, err error) {
	var keys []string
	var args []any
	for _, l := range limits {
		if len(l.Windows) == 0 {
			continue
		}
		keys, args = append(keys, s.keyOf(l)), append(args, len(l.Windows))
		for _, w := range l.Windows {
			args = append(args, w.Max, w.Span.Milliseconds())
			all = append(all, Standing{Kind: l.Kind, Window: w})
		}
	}
	if len(keys) == 0 {
		return nil, nil
	}
	answer, err := s.run(ctx, s.scripts.limitsPeek, keys, args...)
	answer = strings.TrimPrefix(answer, "limits ")
	for i := range all {
		var millis int64
		if err == nil {
			answer, err = numbers(answer, &all[i].Used, &millis)
		}
		all[i].Wait = time.Duration(millis) * time.Millisecond
	}
	if err != nil {
		return nil, wrap("standings", err)
	}
	return all, nil
}

// Unverified returns what counts under limits on messages whose code is not entered,
// in the order of their windows. It counts the codes that were entered first. Its
// error is codes.ErrUnavailable. It is not part of a request, so Done is not called.
func (s *Store) Unverified(ctx context.Context, limits []codes.Limit) (all []Standing, err error) {
	if len(limits) == 0 {
		return nil, nil
	}
	var keys []string
	args := []any{s.enteredArg(limits)}
	for _, l := range limits {
		keys = append(keys, s.keyOf(l), s.keys.verified(subjectOf(l)))
		args = append(args, len(l.Windows))
		for _, w := range l.Windows {
			args = append(args, w.Max, w.Span.Milliseconds(), w.Percent)
			all = append(all, Standing{Kind: l.Kind, Window: w})
		}
	}
	answer, err := s.run(ctx, s.scripts.unverifiedPeek, keys, args...)
	answer = strings.TrimPrefix(answer, "unverified ")
	for i := range all {
		var millis int64
		if err == nil {
			answer, err = numbers(answer, &all[i].Used, &all[i].Share, &millis)
		}
		all[i].Wait = time.Duration(millis) * time.Millisecond
	}
	if err != nil {
		return nil, wrap("unverified", err)
	}
	return all, nil
}

// Cleared is how many events ClearLimits removed.
type Cleared struct{ Sends, Guesses, Refunds int64 }

// ClearLimits removes what is counted for a recipient alone: the messages to it, the
// wrong codes for it and its refunds. Limits that it shares with others keep
// counting. If the reply of a first attempt was lost, Cleared may be zero although
// something was cleared. Its error is codes.ErrUnavailable.
func (s *Store) ClearLimits(ctx context.Context, recipient codes.Digest) (c Cleared, err error) {
	keys := []string{s.keys.sends(recipient), s.keys.guesses(recipient), s.keys.refunds(recipient)} // of one slot
	answer, err := s.run(ctx, s.scripts.limitsClear, keys)
	if err == nil {
		_, err = numbers(strings.TrimPrefix(answer, "cleared "), &c.Sends, &c.Guesses, &c.Refunds)
	}
	if err != nil {
		return Cleared{}, wrap("clear_limits", err)
	}
	return c, nil
}

// Used is how many messages count under a window of the whole service.
type Used struct {
	Window   codes.Window
	Messages int64 // in the window that ends now
}

// Used returns how many messages count under windows of the whole service. Its error
// is codes.ErrUnavailable.
func (s *Store) Used(ctx context.Context, windows []codes.Window) (used []Used, err error) {
	if len(windows) == 0 {
		return nil, nil
	}
	defer s.end(ctx, "used", time.Now(), &err)
	spans := make([]any, len(windows))
	for i, w := range windows {
		spans[i] = w.Span.Milliseconds()
	}
	answer, err := s.run(ctx, s.scripts.usage, []string{s.keys.total()}, spans...)
	if err != nil {
		return nil, err
	}
	used = make([]Used, len(windows))
	answer = strings.TrimPrefix(answer, "used ")
	for i, w := range windows {
		used[i].Window = w
		if answer, err = numbers(answer, &used[i].Messages); err != nil {
			return nil, err
		}
	}
	return used, nil
}
