package redisstore

import (
	"context"
	"strings"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// Claim claims the request of an Idempotency-Key; see codes.Claims.
func (s *Store) Claim(ctx context.Context, c codes.Claim) (kept string, op codes.Op, err error) {
	defer s.end(ctx, "claim", time.Now(), &err)
	answer, err := s.run(ctx, s.scripts.claim, []string{s.keys.request(c.Key)},
		c.Arguments[:], c.Op[:], c.Lease.Milliseconds(), codes.KeepAnswers.Milliseconds())
	if err != nil {
		return "", codes.Op{}, err
	}
	word, rest, _ := strings.Cut(answer, " ")
	switch {
	case word == "other":
		err = codes.ErrKeyReused
	case word == "answered":
		return rest, codes.Op{}, nil
	case word == "running":
		var millis int64
		if _, err = numbers(rest, &millis); err == nil {
			err = &codes.InProgressError{RetryAfter: wholeSeconds(millis)}
		}
	case word == "run" && len(rest) == len(codes.Op{}):
		return "", codes.Op([]byte(rest)), nil
	default:
		err = errMalformed
	}
	return "", codes.Op{}, err
}

// Settle saves the answer of a claimed request, or drops the claim; see codes.Claims.
func (s *Store) Settle(ctx context.Context, c codes.Claim, answer string) (first bool, err error) {
	defer s.end(ctx, "settle", time.Now(), &err)
	reply, err := s.run(ctx, s.scripts.settle, []string{s.keys.request(c.Key)}, c.Op[:], answer)
	return reply == "done 1", err
}
