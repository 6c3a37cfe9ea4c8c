package redisstore

import (
	"context"
	"errors"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// Release undoes a reservation; see codes.Reservations.
func (s *Store) Release(ctx context.Context, r codes.Reservation) (removed bool, err error) {
	defer s.end(ctx, "release", time.Now(), &err)
	if !s.split.Load() {
		return s.release(ctx, r.Op, s.keys.entries(nil, r.Entry.Name), r.Limits)
	}
	for _, name := range s.slots(r.Entry.Name) {
		if err == nil && !removed {
			removed, err = s.release(ctx, r.Op, s.keys.entries(nil, name), nil)
		}
	}
	if err == nil {
		err = s.releaseLimits(ctx, r.Op, r.Limits)
	}
	return removed, err
}

// releaseLimits releases what an op counts under limits. On a cluster these are the
// limits of the number, and then all others.
func (s *Store) releaseLimits(ctx context.Context, op codes.Op, limits []codes.Limit) error {
	steps := [][]codes.Limit{limits}
	if s.split.Load() {
		number, shared := bySlot(limits)
		steps = [][]codes.Limit{number, shared}
	}
	for _, step := range steps {
		if _, err := s.release(ctx, op, nil, step); err != nil {
			return err
		}
	}
	return nil
}

// release runs the script for limits and for the entry with these keys, if any.
func (s *Store) release(ctx context.Context, op codes.Op, entry []string, limits []codes.Limit) (removed bool, err error) {
	keys, call := entry, releaseOp(op)
	args := []any{op[:], len(entry), call[:], s.enteredArg(limits)}
	for _, l := range limits {
		if l.Reserves() {
			keys, args = append(keys, s.keyOf(l)), append(args, storage(l))
		}
	}
	if len(keys) == 0 {
		return false, nil
	}
	answer, err := s.run(ctx, s.scripts.release, keys, args...)
	return answer == "removed 1", err
}

// releaseOp returns the op under which the reply of a release is saved: the op of
// the reservation has a saved reply of its own.
func releaseOp(op codes.Op) codes.Op {
	op[0] = ^op[0]
	return op
}

// Refund uncounts a message that was rejected after it was sent; see
// codes.Reservations. It counts the refund first, under the windows of the first
// limit, and refunds nothing if these are full.
func (s *Store) Refund(ctx context.Context, op codes.Op, limits []codes.Limit) (err error) {
	defer s.end(ctx, "refund", time.Now(), &err)
	err = s.addToLog(ctx, s.keys.refunds(limits[0].Subject), op, limits[0].Windows)
	var full *codes.LimitError
	switch {
	case errors.As(err, &full):
		return nil
	case err != nil:
		return err
	}
	return s.releaseLimits(ctx, op, limits)
}
