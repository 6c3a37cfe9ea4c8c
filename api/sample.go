package api

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// sampler lets rate lines through in a second and counts the rest. Each kind of request has
// its own, so that a flood of one kind, such as requests without a key, takes no line from
// another.
type sampler struct {
	rate    int64 // 0 is no limit
	omitted prometheus.Counter

	mu    sync.Mutex
	begun time.Time // start of the current second
	lines int64     // in that second
}

// next reports whether a line may be written now. With the first line of a second it
// returns how many were left out of the one before.
func (s *sampler) next(now time.Time) (pass bool, omitted int64) {
	if s.rate == 0 {
		return true, 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.begun) >= time.Second {
		omitted = max(0, s.lines-s.rate)
		s.begun, s.lines = now, 1
		return true, omitted
	}
	if s.lines++; s.lines <= s.rate {
		return true, 0
	}
	s.omitted.Inc()
	return false, 0
}

// Line is what a line of the log is about.
type Line int

// The lines.
const (
	OtherLine   Line = iota // not about one request
	RoutineLine             // about a request that sent nothing
	SentLine                // about a request that sent a message, or may have
)

type lineKey struct{}

func withLine(ctx context.Context, l Line) context.Context {
	return context.WithValue(ctx, lineKey{}, l)
}

// LineOf returns what a line logged under ctx is about, so that an overloaded log can
// drop the least important lines first.
func LineOf(ctx context.Context) Line {
	l, _ := ctx.Value(lineKey{}).(Line)
	return l
}
