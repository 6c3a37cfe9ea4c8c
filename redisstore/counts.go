package redisstore

import (
	"context"
	"errors"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// CountGuess counts a wrong code; see codes.Counts.
func (s *Store) CountGuess(ctx context.Context, recipient codes.Digest, op codes.Op, guesses []codes.Window) (err error) {
	defer s.end(ctx, "count_guess", time.Now(), &err)
	return s.countGuess(ctx, recipient, op, guesses)
}

func (s *Store) countGuess(ctx context.Context, recipient codes.Digest, op codes.Op, guesses []codes.Window) error {
	_, err := s.run(ctx, s.scripts.guessCount, []string{s.keys.guesses(recipient)}, op[:], logHead(guesses))
	return err
}

// CountVerified counts a right code; see codes.Counts.
func (s *Store) CountVerified(ctx context.Context, v codes.VerifiedMessages) (err error) {
	defer s.end(ctx, "count_verified", time.Now(), &err)
	return s.countVerified(ctx, v)
}

func (s *Store) countVerified(ctx context.Context, v codes.VerifiedMessages) error {
	ops := make([]byte, 0, len(v.Ops)*len(codes.Op{}))
	for _, op := range v.Ops {
		ops = append(ops, op[:]...)
	}
	ofExchange, exchange := s.keys.unverified(exchangeOf(v.Destination))
	ofAreaCode, areaCode := s.keys.unverified(areaCodeOf(v.Destination))
	ofAll, all := s.keys.unverified(everywhere)
	keys := []string{ofExchange, ofAreaCode, ofAll, areaCode, all}
	if v.CountExchange {
		keys = append(keys, exchange)
	}
	_, err := s.run(ctx, s.scripts.verifiedCount, keys, ops)
	return err
}

// CountFailure counts a failed authentication of a client address. Once the window
// is full it counts no more and returns a *codes.LimitError.
func (s *Store) CountFailure(ctx context.Context, address codes.Digest, w codes.Window) (err error) {
	defer s.end(ctx, "count_failure", time.Now(), &err)
	err = s.addToLog(ctx, s.keys.failures(address), codes.NewOp(), []codes.Window{w})
	var limit *codes.LimitError
	if errors.As(err, &limit) {
		limit.Limit = "failed API keys " + w.Text
	}
	return err
}

// addToLog adds an event to a log, unless one of the windows is full.
func (s *Store) addToLog(ctx context.Context, log string, op codes.Op, windows []codes.Window) error {
	l := codes.Limit{Kind: codes.SendLimit, Windows: windows} // stored in the same way
	_, err := s.reserve(ctx, codes.Reservation{Op: op}, part{limits: []codes.Limit{l}, log: log})
	return err
}
