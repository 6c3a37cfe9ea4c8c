// Package codestest holds the specification of package codes as code: a
// reference model in memory, and the suites that every store and limiter passes.
package codestest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// Model is a codes.Store and a codes.Limiter in memory, written to be
// evidently right: one lock, and a clock that stands still until it is moved.
type Model struct {
	mu      sync.Mutex
	now     time.Duration
	limits  codes.Limits
	entries map[codes.Digest]*modelEntry
	answers map[codes.Op]codes.Outcome
	sends   map[codes.Digest][]modelEvent
	guesses map[codes.Digest][]modelEvent
	returns map[codes.Digest][]modelEvent
	total   []modelEvent
	turns   []modelEvent
	taken   map[codes.Op]time.Duration // the turn of each place
	claims  map[codes.Digest]*modelClaim

	messages map[codes.Digest]*modelMessage
}

type modelEntry struct {
	codes.Entry
	made time.Duration
	left int64

	message codes.Digest // that tells its code
}

type modelEvent struct {
	op codes.Op
	at time.Duration
}

// NewModel returns an empty Model.
func NewModel(l codes.Limits) *Model {
	return &Model{
		limits:  l,
		entries: map[codes.Digest]*modelEntry{},
		answers: map[codes.Op]codes.Outcome{},
		sends:   map[codes.Digest][]modelEvent{},
		guesses: map[codes.Digest][]modelEvent{},
		returns: map[codes.Digest][]modelEvent{},
		taken:   map[codes.Op]time.Duration{},
		claims:  map[codes.Digest]*modelClaim{},

		messages: map[codes.Digest]*modelMessage{},
	}
}

// Advance moves the model's clock.
func (m *Model) Advance(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now += d
}

// once runs an operation, unless it ran before.
func (m *Model) once(ctx context.Context, op codes.Op, run func() codes.Outcome) (codes.Outcome, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if answer, ok := m.answers[op]; ok {
		return answer, nil
	}
	if ctx.Err() != nil {
		return codes.Outcome{}, codes.ErrUnavailable
	}
	m.answers[op] = run()
	return m.answers[op], nil
}

// Put stores an entry.
func (m *Model) Put(ctx context.Context, e codes.Entry) error {
	_, err := m.once(ctx, e.Op, func() codes.Outcome {
		m.entries[e.ID] = &modelEntry{Entry: e, made: m.now, left: e.Attempts}
		return codes.Outcome{}
	})
	return err
}

// Try compares a code.
func (m *Model) Try(ctx context.Context, t codes.Try) (codes.Outcome, error) {
	return m.once(ctx, t.Op, func() codes.Outcome {
		e := m.entries[t.ID]
		switch {
		case e == nil || m.now >= e.made+e.Expiration+e.Notice:
			return codes.Outcome{Status: codes.Unknown}
		case m.now >= e.made+e.Expiration:
			delete(m.entries, t.ID)
			return codes.Outcome{Status: codes.Expired}
		case e.Code == t.Code:
			delete(m.entries, t.ID)
			return codes.Outcome{Status: codes.Right}
		}
		e.left--
		if e.left == 0 {
			delete(m.entries, t.ID)
		}
		return codes.Outcome{Status: codes.Wrong, Left: e.left, Recipient: e.Recipient}
	})
}

// Delete removes an entry.
func (m *Model) Delete(ctx context.Context, d codes.Deletion) error {
	_, err := m.once(ctx, d.Op, func() codes.Outcome {
		e := m.entries[d.ID]
		live := e != nil && m.now < e.made+e.Expiration
		if d.Made == (codes.Op{}) || live && e.Op == d.Made {
			delete(m.entries, d.ID)
		}
		return codes.Outcome{}
	})
	return err
}

// Take takes a place and a turn.
func (m *Model) Take(_ context.Context, p codes.Place) (time.Duration, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if turn, ok := m.taken[p.Op]; ok {
		return max(0, turn-m.now), nil
	}
	if err := m.full(
		modelRule{"SEND_LIMITS", m.limits.Sends, m.sends[p.Recipient]},
		modelRule{"GUESS_LIMITS", m.limits.Guesses, m.guesses[p.Recipient]},
	); err != nil {
		return 0, err
	}
	if err := m.full(modelRule{"SEND_LIMITS_TOTAL", m.limits.Total, m.total}); err != nil {
		return 0, err
	}
	turn := m.now
	if rate := m.limits.Rate; rate > 0 {
		if n := len(m.turns); n > 0 {
			turn = max(turn, m.turns[n-1].at)
		}
		if n := len(m.turns); n >= rate {
			turn = max(turn, m.turns[n-rate].at+TurnSpan)
		}
		if wait := turn - m.now; wait > m.limits.MaxWait {
			return 0, &codes.UnavailableError{RetryAfter: ceilSeconds(wait - m.limits.MaxWait)}
		}
		m.turns = append(m.turns, modelEvent{p.Op, turn})
	}
	m.taken[p.Op] = turn
	m.sends[p.Recipient] = append(m.sends[p.Recipient], modelEvent{p.Op, m.now})
	m.total = append(m.total, modelEvent{p.Op, m.now})
	return turn - m.now, nil
}

// TurnSpan is the span in which at most Rate turns begin: the carrier's second
// and a reserve for messages that are late on their way.
const TurnSpan = 1200 * time.Millisecond

type modelRule struct {
	setting string
	windows []codes.Window
	events  []modelEvent
}

// full returns the limit that clears last, if any is reached.
func (m *Model) full(rules ...modelRule) error {
	var worst *codes.LimitError
	longest := time.Duration(0)
	for _, r := range rules {
		for _, w := range r.windows {
			if int64(len(r.events)) < w.Max {
				continue
			}
			nth := r.events[int64(len(r.events))-w.Max]
			if wait := nth.at + w.Span - m.now; wait > longest {
				longest = wait
				worst = &codes.LimitError{Limit: r.setting + " " + w.Text, RetryAfter: ceilSeconds(wait)}
			}
		}
	}
	if worst == nil {
		return nil
	}
	return worst
}

func ceilSeconds(d time.Duration) time.Duration {
	return (d + time.Second - 1).Truncate(time.Second)
}

// Return gives a place back.
func (m *Model) Return(_ context.Context, p codes.Place) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	returns := m.returns[p.Recipient]
	switch {
	case !p.Paid:
		m.total = without(m.total, p.Op)
	case slices.ContainsFunc(returns, func(e modelEvent) bool { return e.op == p.Op }):
	case m.full(modelRule{"", m.limits.Sends, returns}) != nil:
		return nil
	default:
		m.returns[p.Recipient] = append(returns, modelEvent{p.Op, m.now})
	}
	m.sends[p.Recipient] = without(m.sends[p.Recipient], p.Op)
	return nil
}

func without(events []modelEvent, op codes.Op) []modelEvent {
	return slices.DeleteFunc(events, func(e modelEvent) bool { return e.op == op })
}

// CountWrong counts a wrong code.
func (m *Model) CountWrong(_ context.Context, p codes.Place) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	guesses := m.guesses[p.Recipient]
	if !slices.ContainsFunc(guesses, func(e modelEvent) bool { return e.op == p.Op }) {
		m.guesses[p.Recipient] = append(guesses, modelEvent{p.Op, m.now})
	}
	return nil
}
