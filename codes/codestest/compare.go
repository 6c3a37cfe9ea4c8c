package codestest

import (
	"errors"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// pace keeps the clock of a backend, which may run on by itself, near the
// Model's, which stands still.
type pace struct {
	most time.Duration // by which one clock may differ from the other
	last time.Time     // when they were together
	lost bool
}

func newPace(most time.Duration) pace { return pace{most: most, last: time.Now()} }

// over reports whether the clocks were ever too far apart: what the backend
// answers from then on cannot be compared.
func (p *pace) over() bool {
	p.lost = p.lost || time.Since(p.last) > p.most
	return p.lost
}

// pass lets the time d pass for both, less what the backend's has run ahead.
func (p *pace) pass(d time.Duration, model *Model, advance func(time.Duration)) {
	if p.over() {
		return
	}
	now := time.Now()
	advance(d - now.Sub(p.last))
	p.last = now
	model.Advance(d)
}

// near reports whether two times are the same but for what the clocks differ:
// both are over, or neither.
func (p *pace) near(got, want time.Duration) bool {
	return (got > 0) == (want > 0) && (got-want).Abs() <= p.most
}

// sameTurn reports whether two turns are. The Model's is as far off as when
// the clocks were together, the backend's may be nearer by now.
func (p *pace) sameTurn(got, want codes.Turn) bool {
	return got.Begin.Sub(want.Begin).Abs() <= p.most
}

// sameResent reports whether two live entries are the same, but for what the
// clocks differ.
func (p *pace) sameResent(got, want *codes.Resent) bool {
	if got == nil || want == nil {
		return got == want
	}
	near := p.near(got.TTLLeft, want.TTLLeft)
	same := *got
	same.TTLLeft = want.TTLLeft
	return same == *want && near
}

// sameError reports whether two errors are the same, but for their texts.
func sameError(err, want error) bool {
	var limit, wantLimit *codes.LimitError
	var busy, wantBusy *codes.UnavailableError
	switch {
	case want == nil:
		return err == nil
	case errors.As(want, &wantLimit):
		return errors.As(err, &limit) && *limit == *wantLimit
	case errors.As(want, &wantBusy):
		return errors.As(err, &busy) && busy.RetryAfter == wantBusy.RetryAfter
	}
	return errors.Is(err, codes.ErrUnavailable)
}

func enough(t *testing.T, compared int) {
	t.Helper()
	if compared < 500 {
		t.Errorf("only %d answers were in time to be compared", compared)
	}
}
