package codestest

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

type modelClaim struct {
	codes.Claim
	made, leased time.Duration
	answer       string
}

// Claim claims the request of an idempotency key.
func (m *Model) Claim(_ context.Context, c codes.Claim) (string, codes.Op, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.claims[c.Key]
	switch {
	case known == nil || m.now >= known.made+codes.KeepAnswers:
	case known.Arguments != c.Arguments:
		return "", codes.Op{}, codes.ErrKeyReused
	case known.answer != "":
		return known.answer, codes.Op{}, nil
	case known.Op == c.Op || c.Lease == 0:
		return "", known.Op, nil
	case m.now < known.leased+known.Lease:
		return "", codes.Op{}, &codes.InProgressError{RetryAfter: ceilSeconds(known.leased + known.Lease - m.now)}
	}
	m.claims[c.Key] = &modelClaim{Claim: c, made: m.now, leased: m.now}
	return "", c.Op, nil
}

// Settle keeps or drops the answer of a claim.
func (m *Model) Settle(_ context.Context, c codes.Claim, answer string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
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

// ClaimsBackend are claims under test.
type ClaimsBackend struct {
	Claims  codes.Claims
	Advance func(time.Duration)
}

// RunClaims checks what the interface codes.Claims demands.
func RunClaims(t *testing.T, b ClaimsBackend) {
	ctx := context.Background()
	run := func(t *testing.T, c codes.Claim, want codes.Op) {
		t.Helper()
		answer, op, err := b.Claims.Claim(ctx, c)
		if err != nil || answer != "" || op != want {
			t.Fatalf("Claim = %q, %v, %v; want to run as %v", answer, op, err, want)
		}
	}
	settle := func(t *testing.T, c codes.Claim, answer string, want bool) {
		t.Helper()
		if first, err := b.Claims.Settle(ctx, c, answer); err != nil || first != want {
			t.Fatalf("Settle = %v, %v; want %v", first, err, want)
		}
	}
	claim := func(lease time.Duration) codes.Claim {
		return codes.Claim{Key: Fresh(), Arguments: Fresh(), Op: codes.NewOp(), Lease: lease}
	}
	again := func(c codes.Claim) codes.Claim {
		c.Op = codes.NewOp()
		return c
	}
	t.Run("the answer is kept", func(t *testing.T) {
		c := claim(time.Minute)
		run(t, c, c.Op)
		run(t, c, c.Op) // repeated: still its own
		settle(t, c, "created 60 3", true)
		settle(t, c, "created 60 3", false)
		if answer, _, err := b.Claims.Claim(ctx, again(c)); err != nil || answer != "created 60 3" {
			t.Errorf("Claim = %q, %v", answer, err)
		}
		settle(t, again(c), "", false) // somebody else's
		if answer, _, err := b.Claims.Claim(ctx, again(c)); err != nil || answer != "created 60 3" {
			t.Errorf("Claim = %q, %v", answer, err)
		}
	})
	t.Run("other arguments", func(t *testing.T) {
		c := claim(time.Minute)
		run(t, c, c.Op)
		other := again(c)
		other.Arguments = Fresh()
		if _, _, err := b.Claims.Claim(ctx, other); !errors.Is(err, codes.ErrKeyReused) {
			t.Errorf("Claim = %v", err)
		}
	})
	t.Run("in progress, then run afresh", func(t *testing.T) {
		c := claim(time.Second)
		run(t, c, c.Op)
		var running *codes.InProgressError
		if _, _, err := b.Claims.Claim(ctx, again(c)); !errors.As(err, &running) || running.RetryAfter != time.Second {
			t.Fatalf("Claim = %v", err)
		}
		b.Advance(running.RetryAfter)
		next := again(c)
		run(t, next, next.Op)
		settle(t, c, "rejected", false) // the first is too late
		if _, _, err := b.Claims.Claim(ctx, again(c)); !errors.As(err, &running) {
			t.Errorf("Claim = %v", err)
		}
	})
	t.Run("dropped", func(t *testing.T) {
		c := claim(time.Minute)
		run(t, c, c.Op)
		settle(t, c, "", false)
		next := again(c)
		run(t, next, next.Op)
	})
	t.Run("without a lease the first op counts", func(t *testing.T) {
		c := claim(0)
		run(t, c, c.Op)
		run(t, again(c), c.Op)
	})
	t.Run("parallel", func(t *testing.T) {
		c := claim(time.Minute)
		var ran atomic.Int64
		together(func(int) {
			var running *codes.InProgressError
			_, _, err := b.Claims.Claim(ctx, again(c))
			switch {
			case err == nil:
				ran.Add(1)
			case !errors.As(err, &running):
				t.Errorf("Claim: %v", err)
			}
		})
		if ran.Load() != 1 {
			t.Errorf("%d of %d parallel requests with one key ran", ran.Load(), crowd)
		}
	})
}
