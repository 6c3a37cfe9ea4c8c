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

// The carrier counts the messages of every second. guard is how much later than its
// turn a message may leave without making the next second exceed the rate.
const (
	guard    = 200 * time.Millisecond
	paceSpan = time.Second + guard
)

// Reserve reserves what a create needs; see codes.Reservations. It makes one round
// trip, or on a cluster one for each slot: the limits of the number, all other
// limits with the turn, the entry.
func (s *Store) Reserve(ctx context.Context, r codes.Reservation) (reserved codes.Reserved, err error) {
	defer s.end(ctx, "reserve", time.Now(), &err)
	bounded := within(ctx, opTimeout) // for all steps together
	if s.split.Load() {
		return s.reserveSteps(bounded, r)
	}
	return s.reserve(bounded, r, part{limits: r.Limits, turn: true, entry: true})
}

// part is the part of a reservation that one script makes.
type part struct {
	limits       []codes.Limit
	log          string // in which the only limit counts, instead of its own
	dryRun       bool   // only check that the limits have room
	turn         bool
	entry        bool
	startIn      time.Duration // until the turn that another part has reserved
	predecessors string        // versions of the entry under the previous secret
}

// reserveSteps reserves slot by slot.
func (s *Store) reserveSteps(ctx context.Context, r codes.Reservation) (codes.Reserved, error) {
	number, shared := bySlot(r.Limits)
	reserved := codes.Reserved{Turn: codes.Turn{Begin: time.Now()}}
	var resendAfter time.Duration
	var err error
	if len(number) > 0 {
		first, err := s.reserve(ctx, r, part{limits: number})
		if err != nil {
			return codes.Reserved{}, s.laterRefusal(ctx, r, shared, err)
		}
		resendAfter = first.ResendAfter
	}
	if len(shared) > 0 || r.Pace.Rate > 0 {
		reserved, err = s.reserve(ctx, r, part{limits: shared, turn: true})
		if codes.IsRefusal(err) {
			// A refusal must leave nothing reserved. If the undo fails, its error
			// makes the caller release the reservation.
			if undo := s.releaseLimits(ctx, r.Op, number); undo != nil {
				return codes.Reserved{}, undo
			}
		}
		if err != nil {
			return codes.Reserved{}, afterFirstStep(err)
		}
	}
	last := part{entry: true, startIn: max(0, time.Until(reserved.Turn.Begin))}
	if last.predecessors, err = s.moveEntry(ctx, r); err != nil {
		return codes.Reserved{}, afterFirstStep(err)
	}
	entry, err := s.reserve(ctx, r, last)
	if err != nil {
		return codes.Reserved{}, afterFirstStep(err)
	}
	reserved.Replaced, reserved.Resent, reserved.ResendAfter = entry.Replaced, entry.Resent, resendAfter
	return reserved, nil
}

// afterFirstStep hides ErrNotReached in the error of a later step: the earlier steps
// have taken effect and must be undone.
func afterFirstStep(err error) error {
	if errors.Is(err, codes.ErrNotReached) {
		return fmt.Errorf("%w: %v", codes.ErrUnavailable, err) //nolint:errorlint // errors.Is must not find it
	}
	return err
}

// laterRefusal returns err, or the refusal of the shared limits if they clear later.
func (s *Store) laterRefusal(ctx context.Context, r codes.Reservation, shared []codes.Limit, err error) error {
	var first, second *codes.LimitError
	shared = slices.DeleteFunc(slices.Clone(shared), func(l codes.Limit) bool { return l.Shadow })
	if !errors.As(err, &first) || len(shared) == 0 {
		return err
	}
	_, other := s.reserve(ctx, r, part{limits: shared, dryRun: true})
	if errors.As(other, &second) && second.RetryAfter > first.RetryAfter {
		return other
	}
	return err
}

// bySlot separates the limits of the recipient, which share a slot, from all
// others, which share another.
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

// moveEntry removes the entry under the previous secret from its slot and returns
// its versions.
func (s *Store) moveEntry(ctx context.Context, r codes.Reservation) (string, error) {
	previous := r.Entry.Name.Previous
	if previous == (codes.Digest{}) {
		return "", nil
	}
	answer, err := s.run(ctx, s.scripts.entryMove, s.keys.entry(nil, previous), r.Op[:])
	return strings.TrimPrefix(answer, "moved "), err
}

// reserve makes a part of a reservation.
func (s *Store) reserve(ctx context.Context, r codes.Reservation, p part) (codes.Reserved, error) {
	keys := make([]string, 0, 8+len(p.limits))
	e := &r.Entry
	var head []byte
	source := ""
	if p.entry {
		keys = s.keys.entry(keys, e.Name.Current)
		head = append(append(make([]byte, 0, 48), e.Code[:]...), r.Op[:]...)
		head = append(base64.RawURLEncoding.AppendEncode(head, e.Recipient[:]), byte(e.Area))
		switch {
		case s.split.Load():
			source = fmt.Sprintf("start %d %s", p.startIn.Milliseconds(), p.predecessors)
		case e.Name.Previous != (codes.Digest{}):
			keys, source = s.keys.entry(keys, e.Name.Previous), "previous"
		}
	}
	args := append(make([]any, 0, 16),
		r.Op[:], head, fmt.Sprintf("%d %d", e.Attempts, int64(e.Lifetime.Seconds())), e.Lifetime.Milliseconds(), e.Notice.Milliseconds(),
		resendArg(r), destinationArg(e.Destination), s.prefix, source)
	keys, packed, packedUnverified := s.limitArgs(keys, p)
	args = append(args, packed, packedUnverified)
	if p.log != "" {
		keys[0] = p.log
	}
	pace := codes.Pace{}
	if p.turn {
		pace = r.Pace
	}
	if pace.Rate > 0 {
		caller := []byte(nil)
		if pace.Fair {
			name := codes.NameDigest(r.Caller)
			caller = name[:]
		}
		keys = append(keys, s.keys.turns(), s.keys.callers())
		args = append(args, pace.Rate, paceSpan.Milliseconds(), r.WaitLeft.Milliseconds(), pace.MaxWait.Milliseconds(), caller, pace.Ahead())
	}
	if !p.entry { // on a cluster, which must know every key that a script uses
		for _, l := range p.limits {
			if l.Kind.OfUnverified() {
				keys = s.appendKeys(keys, l)
			}
		}
	}
	answer, sent, err := s.retry(ctx, s.batcher.Do, s.scripts.reserve, keys, args)
	if err != nil {
		return codes.Reserved{}, err
	}
	return reservedFrom(answer, p.limits, pace, sent)
}

// reservedFrom parses an answer of the script reserve to a call that was sent at
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
		Turn:        turnIn(time.Duration(first)*time.Millisecond, pace, sent),
		Replaced:    time.Duration(second) * time.Millisecond,
		ResendAfter: time.Duration(third) * time.Millisecond,
		Resent:      resent,
		Shadowed:    shadowed,
	}, nil
}

// resendArg returns the number of digits of the code and the recipient under the
// previous secret if the code of a live entry may be sent again; else nothing.
func resendArg(r codes.Reservation) string {
	if !r.SameCode {
		return ""
	}
	return fmt.Sprintf("%04d", r.Entry.Digits) + recipientArg(r.PreviousRecipient)
}

// resentFrom parses the end of an answer of the script reserve: the live entry whose
// code is sent again.
func resentFrom(answer string) (*codes.Resent, error) {
	live := &codes.Resent{}
	var millis int64
	answer, err := numbers(answer, &live.AttemptsLeft, &millis)
	if err != nil || len(answer) != len(live.Code)+len(live.Op) {
		return nil, errMalformed
	}
	live.TTLLeft = time.Duration(millis) * time.Millisecond
	live.Code, live.Op = codes.Digest([]byte(answer[:len(live.Code)])), codes.Op([]byte(answer[len(live.Code):]))
	return live, nil
}

// turnIn returns a turn that is wait away according to a reply that arrives now.
// The script ran between sent and now, so the turn begins at the earliest wait
// after sent, and at the latest wait from now.
func turnIn(wait time.Duration, pace codes.Pace, sent time.Time) codes.Turn {
	if pace.Rate == 0 {
		return codes.Turn{Begin: time.Now()}
	}
	wait = min(wait, pace.MaxWait)
	return codes.Turn{Begin: time.Now().Add(wait), End: sent.Add(wait + guard)}
}

// NextTurn reserves another turn; see codes.Reservations.
func (s *Store) NextTurn(ctx context.Context, r codes.Reservation) (turn codes.Turn, err error) {
	if r.Pace.Rate == 0 {
		return codes.Turn{Begin: time.Now()}, nil
	}
	defer s.end(ctx, "next_turn", time.Now(), &err)
	reserved, err := s.reserve(ctx, r, part{turn: true})
	return reserved.Turn, err
}
