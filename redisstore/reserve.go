package redisstore

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// The carrier counts messages in every second. A message that leaves later than
// its turn by no more than the guard does not fall into one second with one too
// many of the next.
const (
	guard    = 200 * time.Millisecond
	paceSpan = time.Second + guard
)

// Reserve reserves what a create needs; see codes.Reservations. Where keys of
// several slots can be in one script it makes one round trip. Else it makes one
// for each slot: the number's limits, all other limits with the turn, the entry.
func (s *Store) Reserve(ctx context.Context, r codes.Reservation) (reserved codes.Reserved, err error) {
	defer s.done(ctx, "reserve", time.Now(), &err)
	bounded := within(ctx, opTimeout) // for all steps together
	if s.split.Load() {
		reserved, err = s.reserveSteps(bounded, r)
	} else {
		reserved, err = s.reserve(bounded, r, part{limits: r.Limits, turn: true, entry: true})
	}
	if err != nil {
		return codes.Reserved{}, fmt.Errorf("redisstore: reserve: %w", err)
	}
	return reserved, nil
}

// part is what one run of the script reserve does of a reservation.
type part struct {
	limits       []codes.Limit
	dry          bool // the limits must have room only
	turn         bool
	entry        bool
	startIn      time.Duration // of an entry whose turn another part took
	predecessors string        // of an entry that was under the previous secret
}

// reserveSteps reserves one slot after the other.
func (s *Store) reserveSteps(ctx context.Context, r codes.Reservation) (codes.Reserved, error) {
	number, shared := bySlot(r.Limits)
	reserved := codes.Reserved{Turn: codes.Turn{Begin: time.Now()}}
	var again time.Duration
	var err error
	if len(number) > 0 {
		first, err := s.reserve(ctx, r, part{limits: number})
		if err != nil {
			return codes.Reserved{}, s.worse(ctx, r, shared, err)
		}
		again = first.Again
	}
	if len(shared) > 0 || r.Pace.Rate > 0 {
		reserved, err = s.reserve(ctx, r, part{limits: shared, turn: true})
		if isRefusal(err) {
			// Nothing may stay taken. If that cannot be made sure of, the caller
			// must release the reservation.
			if undo := s.releaseLimits(ctx, r.Op, number); undo != nil {
				return codes.Reserved{}, undo
			}
		}
		if err != nil {
			return codes.Reserved{}, halfDone(err)
		}
	}
	last := part{entry: true, startIn: max(0, time.Until(reserved.Turn.Begin))}
	if last.predecessors, err = s.moveEntry(ctx, r); err != nil {
		return codes.Reserved{}, halfDone(err)
	}
	entry, err := s.reserve(ctx, r, last)
	reserved.Replaced, reserved.Resent, reserved.Again = entry.Replaced, entry.Resent, again
	return reserved, halfDone(err)
}

// halfDone returns the error of a step after the first. What the steps before
// it did must be undone, although this one may not have reached its server.
func halfDone(err error) error {
	if errors.Is(err, codes.ErrNotReached) {
		return fmt.Errorf("%w: %v", codes.ErrUnavailable, err) //nolint:errorlint // it must not be found
	}
	return err
}

// worse returns a refusal, or that of the shared limits if these clear later.
func (s *Store) worse(ctx context.Context, r codes.Reservation, shared []codes.Limit, err error) error {
	var first, second *codes.LimitError
	shared = slices.DeleteFunc(slices.Clone(shared), func(l codes.Limit) bool { return l.Shadow })
	if !errors.As(err, &first) || len(shared) == 0 {
		return err
	}
	_, other := s.reserve(ctx, r, part{limits: shared, dry: true})
	if errors.As(other, &second) && second.RetryAfter > first.RetryAfter {
		return other
	}
	return err
}

// bySlot parts limits into those of the recipient, which share a slot, and
// those of the service, which share another.
func bySlot(limits []codes.Limit) (number, shared []codes.Limit) {
	for _, l := range limits {
		if l.OfNumber() {
			number = append(number, l)
		} else {
			shared = append(shared, l)
		}
	}
	return number, shared
}

// moveEntry takes the entry under the previous secret out of its slot, and
// returns its versions.
func (s *Store) moveEntry(ctx context.Context, r codes.Reservation) (string, error) {
	previous := r.Entry.Name.Previous
	if previous == (codes.Digest{}) {
		return "", nil
	}
	answer, err := s.run(ctx, s.scripts.entryMove, s.keys.entry(nil, previous), r.Op[:])
	return strings.TrimPrefix(answer, "moved "), err
}

// reserve runs the script for a part of a reservation.
func (s *Store) reserve(ctx context.Context, r codes.Reservation, p part) (codes.Reserved, error) {
	keys := make([]string, 0, 6+len(p.limits))
	var head []byte
	rotating := 0
	e := &r.Entry
	if p.entry {
		keys = s.keys.entry(keys, e.Name.Current)
		if e.Name.Previous != (codes.Digest{}) && !s.split.Load() {
			keys, rotating = s.keys.entry(keys, e.Name.Previous), 1
		}
		recipient := base64.RawURLEncoding.EncodeToString(e.Recipient[:])
		head = slices.Concat(e.Code[:], r.Op[:], []byte(recipient), []byte{byte(e.Area)})
	}
	pace := codes.Pace{}
	if p.turn {
		pace = r.Pace
	}
	caller := []byte(nil)
	if pace.Fair {
		name := codes.NameDigest(r.Caller)
		caller = name[:]
	}
	args := append(make([]any, 0, 17+6*len(p.limits)),
		r.Op[:], head, e.Attempts, e.Lifetime.Milliseconds(), e.Notice.Milliseconds(), p.startIn.Milliseconds(), p.predecessors, rotating,
		pace.Rate, paceSpan.Milliseconds(), r.WaitLeft.Milliseconds(), pace.MaxWait.Milliseconds(), caller, pace.Ahead(), resendArg(r), destinationArg(e.Destination), s.enteredArg(p.limits))
	for _, l := range p.limits {
		args = append(args, storage(l), takes(l, p.dry), len(l.Windows))
		for _, w := range l.Windows {
			args = append(args, w.Max, w.Span.Milliseconds())
			if l.Kind.OfUnverified() {
				args = append(args, w.Percent)
			}
		}
		if keys = append(keys, s.keyOf(l)); l.Kind.OfUnverified() {
			keys = append(keys, s.keys.verified(subjectOf(l)))
		}
	}
	if pace.Rate > 0 {
		keys = append(keys, s.keys.turns(), s.keys.callers())
	}
	answer, sent, err := s.timedRun(ctx, s.scripts.reserve, keys, args...)
	if err != nil {
		return codes.Reserved{}, err
	}
	return reservedFrom(answer, p.limits, pace, sent)
}

// reservedFrom reads an answer of the script reserve to a call that was sent at
// the given time.
func reservedFrom(answer string, limits []codes.Limit, pace codes.Pace, sent time.Time) (codes.Reserved, error) {
	word, answer, _ := strings.Cut(answer, " ")
	var first, second, third, limit, window int64
	var resent *codes.Resent
	var shadowed *codes.LimitError
	var err error
	switch word {
	case "reserved":
		if answer, err = numbers(answer, &first, &second, &third, &limit, &window); err == nil && answer != "" {
			resent, err = resentFrom(answer)
		}
		if err == nil && limit >= 0 {
			shadowed, err = limitError(limits, limit, window, 0)
		}
	case "limited":
		if _, err = numbers(answer, &first, &second, &third); err == nil {
			var refused *codes.LimitError
			if refused, err = limitError(limits, first, second, third); err == nil {
				err = refused
			}
		}
	case "busy":
		if _, err = numbers(answer, &first); err == nil {
			return codes.Reserved{}, &codes.UnavailableError{RetryAfter: wholeSeconds(first), Cause: "send rate exceeded"}
		}
	default:
		err = errMalformed
	}
	if err != nil {
		return codes.Reserved{}, err
	}
	return codes.Reserved{
		Turn:     turnIn(time.Duration(first)*time.Millisecond, pace, sent),
		Replaced: time.Duration(second) * time.Millisecond,
		Again:    time.Duration(third) * time.Millisecond,
		Resent:   resent,
		Shadowed: shadowed,
	}, nil
}

// turnIn returns the turn that is so far off by a reply that arrives now. The
// script ran after the call was sent and before its reply arrived, so the turn
// begins at the latest so long from now, and at the earliest so long after sent.
func turnIn(wait time.Duration, pace codes.Pace, sent time.Time) codes.Turn {
	if pace.Rate == 0 {
		return codes.Turn{Begin: time.Now()}
	}
	wait = min(wait, pace.MaxWait)
	return codes.Turn{Begin: time.Now().Add(wait), End: sent.Add(wait + guard)}
}

func isRefusal(err error) bool {
	var limit *codes.LimitError
	var busy *codes.UnavailableError
	return errors.As(err, &limit) || errors.As(err, &busy)
}

// NextTurn takes another turn; see codes.Reservations.
func (s *Store) NextTurn(ctx context.Context, r codes.Reservation) (turn codes.Turn, err error) {
	if r.Pace.Rate == 0 {
		return codes.Turn{Begin: time.Now()}, nil
	}
	defer s.done(ctx, "next_turn", time.Now(), &err)
	reserved, err := s.reserve(ctx, r, part{turn: true})
	if err != nil {
		return codes.Turn{}, fmt.Errorf("redisstore: next turn: %w", err)
	}
	return reserved.Turn, nil
}

// Release undoes a reservation; see codes.Reservations.
func (s *Store) Release(ctx context.Context, r codes.Reservation) (removed bool, err error) {
	defer s.done(ctx, "release", time.Now(), &err)
	number, shared := []codes.Limit(nil), r.Limits
	if s.split.Load() {
		number, shared = bySlot(r.Limits)
		for _, name := range s.slots(r.Entry.Name) {
			if err == nil && !removed {
				r.Entry.Name = name
				removed, err = s.release(ctx, r, true, nil)
			}
		}
		if err == nil {
			err = s.releaseLimits(ctx, r.Op, number)
		}
		if err == nil {
			err = s.releaseLimits(ctx, r.Op, shared)
		}
	} else {
		removed, err = s.release(ctx, r, true, shared)
	}
	if err != nil {
		return removed, fmt.Errorf("redisstore: release: %w", err)
	}
	return removed, nil
}

func (s *Store) releaseLimits(ctx context.Context, op codes.Op, limits []codes.Limit) error {
	_, err := s.release(ctx, codes.Reservation{Op: op}, false, limits)
	return err
}

// release runs the script for the entry and for limits.
func (s *Store) release(ctx context.Context, r codes.Reservation, entry bool, limits []codes.Limit) (removed bool, err error) {
	var keys []string
	call := releaseOp(r.Op)
	args := []any{r.Op[:], 0, call[:]}
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

// releaseOp is the op under which the reply of a release is saved: that of the
// reservation has its own.
func releaseOp(op codes.Op) codes.Op {
	op[0] = ^op[0]
	return op
}

// Refund frees the places of a message that was rejected on its way; see
// codes.Reservations. It takes a place in a log of refunds first, with the windows
// of the first limit.
func (s *Store) Refund(ctx context.Context, op codes.Op, limits []codes.Limit) (err error) {
	defer s.done(ctx, "refund", time.Now(), &err)
	err = s.addToLog(ctx, s.keys.refunds(limits[0].Subject), op, limits[0])
	var limit *codes.LimitError
	if errors.As(err, &limit) {
		return nil
	}
	number, shared := limits, []codes.Limit(nil)
	if s.split.Load() {
		number, shared = bySlot(limits)
	}
	if err == nil {
		err = s.releaseLimits(ctx, op, number)
	}
	if err == nil {
		err = s.releaseLimits(ctx, op, shared)
	}
	if err != nil {
		return fmt.Errorf("redisstore: refund: %w", err)
	}
	return nil
}

// CountFailure counts one failed authentication of a client address, at most
// as many as the window allows, and says so with a *codes.LimitError.
func (s *Store) CountFailure(ctx context.Context, address codes.Digest, w codes.Window) (err error) {
	defer s.done(ctx, "count_failure", time.Now(), &err)
	err = s.addToLog(ctx, s.keys.failures(address), codes.NewOp(), codes.Limit{Windows: []codes.Window{w}})
	var limit *codes.LimitError
	if errors.As(err, &limit) {
		limit.Limit = "failed API keys " + w.Text
	}
	if err != nil {
		return fmt.Errorf("redisstore: count failure: %w", err)
	}
	return nil
}

// addToLog takes a place in a log.
func (s *Store) addToLog(ctx context.Context, log string, op codes.Op, l codes.Limit) error {
	args := []any{op[:], "", 0, 0, 0, 0, "", 0, 0, 0, 0, 0, "", 0, "", "", "", "log", 1, len(l.Windows)}
	for _, w := range l.Windows {
		args = append(args, w.Max, w.Span.Milliseconds())
	}
	answer, sent, err := s.timedRun(ctx, s.scripts.reserve, []string{log}, args...)
	if err == nil {
		_, err = reservedFrom(answer, []codes.Limit{l}, codes.Pace{}, sent)
	}
	return err
}
