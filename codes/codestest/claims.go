package codestest

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// runs expects that a request may run under an op.
func (s suite) runs(c codes.Claim, want codes.Op) {
	s.Helper()
	answer, op, err := s.Store.Claim(context.Background(), c)
	if err != nil || answer != "" || op != want {
		s.Fatalf("Claim = %q, %v, %v; want to run as %v", answer, op, err, want)
	}
}

// answered expects that a request has an answer.
func (s suite) answered(c codes.Claim, want string) {
	s.Helper()
	if answer, _, err := s.Store.Claim(context.Background(), c); err != nil || answer != want {
		s.Fatalf("Claim = %q, %v; want %q", answer, err, want)
	}
}

// inProgress expects that a request is running, and returns when to try again.
func (s suite) inProgress(c codes.Claim) time.Duration {
	s.Helper()
	var running *codes.InProgressError
	if _, _, err := s.Store.Claim(context.Background(), c); !errors.As(err, &running) {
		s.Fatalf("Claim = %v, want it to be in progress", err)
	}
	return running.RetryAfter
}

// settle settles a claim. A call that the store makes again is not the first.
func (s suite) settle(c codes.Claim, answer string, want bool) {
	s.Helper()
	first, err := s.Store.Settle(context.Background(), c, answer)
	if err != nil || first != want && (first || !s.Lossy) {
		s.Fatalf("Settle = %v, %v; want %v", first, err, want)
	}
}

func claim(lease time.Duration) codes.Claim {
	return codes.Claim{Key: Fresh(), Arguments: Fresh(), Op: codes.NewOp(), Lease: lease}
}

// repeated returns the claim of a retry of the request.
func repeated(c codes.Claim) codes.Claim {
	c.Op = codes.NewOp()
	return c
}

// RunClaims checks codes.Claims.
func RunClaims(t *testing.T, open func(testing.TB) Backend) {
	run(t, open, tests{
		"the answer is kept": func(s suite) {
			c := claim(time.Minute)
			s.runs(c, c.Op)
			s.runs(c, c.Op) // repeated: still its own
			s.settle(c, "created 60 3", true)
			s.settle(c, "created 60 3", false)
			s.answered(repeated(c), "created 60 3")
			s.settle(repeated(c), "", false) // not its claim
			s.answered(repeated(c), "created 60 3")
		},
		"other arguments": func(s suite) {
			c := claim(time.Minute)
			s.runs(c, c.Op)
			other := repeated(c)
			other.Arguments = Fresh()
			if _, _, err := s.Store.Claim(context.Background(), other); !errors.Is(err, codes.ErrKeyReused) {
				s.Errorf("Claim = %v", err)
			}
		},
		"in progress, then run again": func(s suite) {
			c := claim(time.Second)
			s.runs(c, c.Op)
			if retryAfter := s.inProgress(repeated(c)); retryAfter != time.Second {
				s.Errorf("retry after %v", retryAfter)
			}
			s.Advance(time.Second)
			second := repeated(c)
			s.runs(second, second.Op)
			s.settle(c, "rejected", false) // its lease has expired
			s.inProgress(repeated(c))
		},
		"dropped": func(s suite) {
			c := claim(time.Minute)
			s.runs(c, c.Op)
			s.settle(c, "", false)
			second := repeated(c)
			s.runs(second, second.Op)
		},
		"without a lease the first op counts": func(s suite) {
			c := claim(0)
			s.runs(c, c.Op)
			s.runs(repeated(c), c.Op)
		},
		"an ended context": func(s suite) {
			c := claim(time.Minute)
			_, _, err := s.Store.Claim(cancelledContext(), c)
			s.unavailable("Claim", err)
			second := repeated(c)
			s.runs(second, second.Op)
			_, err = s.Store.Settle(cancelledContext(), second, "rejected")
			s.unavailable("Settle", err)
			s.inProgress(repeated(c))
		},
	}, tests{
		"parallel": func(s suite) {
			c := claim(time.Minute)
			var ran atomic.Int64
			parallel(parallelCalls, func(i int) {
				var running *codes.InProgressError
				_, _, err := s.store(i).Claim(context.Background(), repeated(c))
				switch {
				case err == nil:
					ran.Add(1)
				case !errors.As(err, &running):
					s.Errorf("Claim: %v", err)
				}
			})
			if ran.Load() != 1 {
				s.Errorf("%d of %d parallel requests with one key ran", ran.Load(), parallelCalls)
			}
		},
	})
}
