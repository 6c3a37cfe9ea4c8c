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
func (s *Store) Standings(ctx context.Context, limits []codes.Limit) ([]Standing, error) {
	return s.standings(ctx, "standings", s.scripts.limitsPeek, limits)
}

// Unverified returns what counts under limits on messages whose code is not entered,
// in the order of their windows. It counts the codes that were entered first. Its
// error is codes.ErrUnavailable. It is not part of a request, so Done is not called.
func (s *Store) Unverified(ctx context.Context, limits []codes.Limit) ([]Standing, error) {
	return s.standings(ctx, "unverified", s.scripts.unverifiedPeek, limits, s.enteredArg(limits))
}

// standings runs a script that returns what counts under each window of limits.
func (s *Store) standings(ctx context.Context, operation string, script script, limits []codes.Limit, args ...any) (all []Standing, err error) {
	var keys []string
	for _, l := range limits {
		if len(l.Windows) == 0 {
			continue
		}
		keys, args = s.appendLimit(keys, args, l)
		for _, w := range l.Windows {
			all = append(all, Standing{Kind: l.Kind, Window: w})
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	answer, err := s.run(ctx, script, keys, args...)
	_, answer, _ = strings.Cut(answer, " ")
	for i := range all {
		standing, millis := &all[i], int64(0)
		if err == nil && standing.Kind.OfUnverified() {
			answer, err = numbers(answer, &standing.Used, &standing.Share, &millis)
		} else if err == nil {
			answer, err = numbers(answer, &standing.Used, &millis)
		}
		standing.Wait = time.Duration(millis) * time.Millisecond
	}
	if err != nil {
		return nil, wrap(operation, err)
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
