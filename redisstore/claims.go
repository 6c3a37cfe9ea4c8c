package redisstore

import (
	"context"
	"fmt"

	"github.com/flowroute/sms-verification/codes"
)

// Claim claims the request of an idempotency key; see codes.Claims.
func (s *Store) Claim(ctx context.Context, c codes.Claim) (string, codes.Op, error) {
	reply, err := s.run(ctx, s.scripts.claim, []string{s.keys.request(c.Key)},
		c.Arguments[:], c.Op[:], c.Lease.Milliseconds(), codes.KeepAnswers.Milliseconds())
	switch {
	case err != nil:
	case reply[0] == "other":
		err = codes.ErrKeyReused
	case reply[0] == "running":
		err = &codes.InProgressError{RetryAfter: wholeSeconds(number(reply, 1))}
	case reply[0] == "answered" && len(reply) == 2:
		answer, _ := reply[1].(string)
		return answer, codes.Op{}, nil
	default:
		var op codes.Op
		text, _ := reply[1].(string)
		if copy(op[:], text) == len(op) {
			return "", op, nil
		}
		err = fmt.Errorf("malformed answer")
	}
	return "", codes.Op{}, fmt.Errorf("redisstore: claim: %w", err)
}

// Settle keeps or drops the answer; see codes.Claims.
func (s *Store) Settle(ctx context.Context, c codes.Claim, answer string) (bool, error) {
	reply, err := s.run(ctx, s.scripts.settle, []string{s.keys.request(c.Key)}, c.Op[:], answer)
	if err != nil {
		return false, fmt.Errorf("redisstore: settle: %w", err)
	}
	return number(reply, 1) == 1, nil
}
