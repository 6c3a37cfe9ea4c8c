package codestest

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// TurnSpan is the time in which at most Rate turns begin: the carrier's second and a
// margin for messages that are delayed on their way.
const TurnSpan = 1200 * time.Millisecond

// reserveTurn reserves the next turn.
func (m *Model) reserveTurn(r codes.Reservation) (time.Duration, error) {
	p, turn := r.Pace, m.nextTurn(r.Pace)
	if p.Rate == 0 {
		return turn, nil
	}
	tooFar := max(0, turn-m.now-r.WaitLeft)
	if p.Fair {
		m.asked[r.Caller] = m.now
		if turn > m.now {
			tooFar = max(tooFar, m.waitForShare(p, r.Caller))
		}
	}
	if tooFar > 0 {
		return 0, &codes.UnavailableError{RetryAfter: wholeSeconds(tooFar), Cause: "send rate exceeded"}
	}
	m.turns = append(m.turns, event{r.Op, turn, r.Caller})
	slices.SortFunc(m.turns, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	return turn, nil
}

// nextTurn returns when the next turn begins.
func (m *Model) nextTurn(p codes.Pace) time.Duration {
	if n := len(m.turns); p.Rate > 0 && n >= p.Rate {
		return max(m.now, m.turns[n-p.Rate].at+TurnSpan)
	}
	return m.now
}

// waitForShare returns how long until a caller holds less than its share of the
// future turns.
func (m *Model) waitForShare(p codes.Pace, caller string) time.Duration {
	callers := int64(0)
	for _, at := range m.asked {
		if at > m.now-p.MaxWait {
			callers++
		}
	}
	var held []event
	for _, turn := range m.turns {
		if turn.at > m.now && turn.caller == caller {
			held = append(held, turn)
		}
	}
	if int64(len(held)) < max(1, p.Ahead()/(callers+1)) {
		return 0
	}
	return held[0].at - m.now
}

// turn converts a time of the model to a turn by the local clock.
func (m *Model) turn(at time.Duration) codes.Turn {
	m.mu.Lock()
	defer m.mu.Unlock()
	return codes.Turn{Begin: time.Now().Add(max(0, at-m.now))}
}

// NextTurn reserves another turn.
func (m *Model) NextTurn(ctx context.Context, r codes.Reservation) (codes.Turn, error) {
	done, err := once(ctx, m, call{"next turn", r.Op}, func() (modelReserved, error) {
		turn, err := m.reserveTurn(r)
		return modelReserved{turn: turn}, err
	})
	if err != nil {
		return codes.Turn{}, err
	}
	return m.turn(done.turn), nil
}
