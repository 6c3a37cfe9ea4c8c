package codestest

import (
	"context"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

type modelClaim struct {
	codes.Claim
	made   time.Duration
	answer string
}

// Claim claims the request of an idempotency key.
func (m *Model) Claim(ctx context.Context, c codes.Claim) (string, codes.Op, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return "", codes.Op{}, codes.ErrUnavailable
	}
	known := m.claims[c.Key]
	switch {
	case known == nil || m.now >= known.made+codes.KeepAnswers:
	case known.Arguments != c.Arguments:
		return "", codes.Op{}, codes.ErrKeyReused
	case known.answer != "":
		return known.answer, codes.Op{}, nil
	case known.Op == c.Op || c.Lease == 0:
		return "", known.Op, nil
	case m.now < known.made+known.Lease:
		return "", codes.Op{}, &codes.InProgressError{RetryAfter: wholeSeconds(known.made + known.Lease - m.now)}
	}
	m.claims[c.Key] = &modelClaim{Claim: c, made: m.now}
	return "", c.Op, nil
}

// Settle keeps or drops the answer of a claim.
func (m *Model) Settle(ctx context.Context, c codes.Claim, answer string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return false, codes.ErrUnavailable
	}
	known := m.claims[c.Key]
	switch {
	case known == nil || known.Op != c.Op:
	case answer == "":
		delete(m.claims, c.Key)
	default:
		first := known.answer == ""
		known.answer = answer
		return first, nil
	}
	return false, nil
}
