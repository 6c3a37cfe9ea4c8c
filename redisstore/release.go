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
		return s.release(ctx, r, true, r.Limits)
	}
	for _, name := range s.slots(r.Entry.Name) {
		if err == nil && !removed {
			r.Entry.Name = name
			removed, err = s.release(ctx, r, true, nil)
		}
	}
	if err == nil {
		err = s.releaseBySlot(ctx, r.Op, r.Limits)
	}
	return removed, err
}

// releaseBySlot releases the limits of the number and then all others.
func (s *Store) releaseBySlot(ctx context.Context, op codes.Op, limits []codes.Limit) error {
	number, shared := bySlot(limits)
	if err := s.releaseLimits(ctx, op, number); err != nil {
		return err
	}
	return s.releaseLimits(ctx, op, shared)
}

func (s *Store) releaseLimits(ctx context.Context, op codes.Op, limits []codes.Limit) error {
	_, err := s.release(ctx, codes.Reservation{Op: op}, false, limits)
	return err
}

// release runs the script for limits and, if wanted, for the entry.
func (s *Store) release(ctx context.Context, r codes.Reservation, entry bool, limits []codes.Limit) (removed bool, err error) {
	var keys []string
	call := releaseOp(r.Op)
	args := []any{r.Op[:], 0, call[:], s.enteredArg(limits)}
	if entry {
		keys = s.keys.entries(nil, r.Entry.Name)
		args[1] = len(keys)
	}
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

// Refund frees the places of a message that was rejected after it was sent; see
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
	case s.split.Load():
		return s.releaseBySlot(ctx, op, limits)
	}
	return s.releaseLimits(ctx, op, limits)
}
