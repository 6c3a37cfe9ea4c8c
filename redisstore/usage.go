package redisstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// Used is how much of a limit of the whole service is used up.
type Used struct {
	Window   codes.Window
	Messages int64 // in the window that ends now
}

// Used reads what is used of limits of the whole service. Its error is
// codes.ErrUnavailable.
func (s *Store) Used(ctx context.Context, windows []codes.Window) (used []Used, err error) {
	if len(windows) == 0 {
		return nil, nil
	}
	defer s.done(ctx, "used", time.Now(), &err)
	spans := make([]any, len(windows))
	for i, w := range windows {
		spans[i] = w.Span.Milliseconds()
	}
	answer, err := s.run(ctx, s.scripts.usage, []string{s.keys.total()}, spans...)
	if err != nil {
		return nil, fmt.Errorf("redisstore: used: %w", err)
	}
	used = make([]Used, len(windows))
	answer = strings.TrimPrefix(answer, "used ")
	for i, w := range windows {
		used[i].Window = w
		if answer, err = numbers(answer, &used[i].Messages); err != nil {
			return nil, fmt.Errorf("redisstore: used: %w", err)
		}
	}
	return used, nil
}

// Pool is the state of the connections to Redis, of all nodes together.
type Pool struct {
	Total, Idle      uint32 // connections now
	Misses, Timeouts uint32 // so far: none was idle, or none free in time
}

// Pool returns the state of the connections.
func (s *Store) Pool() Pool {
	p := s.client.PoolStats()
	return Pool{Total: p.TotalConns, Idle: p.IdleConns, Misses: p.Misses, Timeouts: p.Timeouts}
}
