package codes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Options are what a [Service] needs. All but Profiles, Previous, Observer,
// TrackReceipts and SharedIDs are required.
type Options struct {
	Policy        Policy   // of requests without a profile
	Profiles      []Policy // with the same Limits.Pace
	Numbers       Numbers
	Secret        *Hasher
	Previous      *Hasher // of the secret that is being replaced; entries made under it are still accepted
	Store         Store
	Sender        Sender
	SendTimeout   time.Duration // that a request leaves for the carrier's answer
	TrackReceipts bool          // messages ask for delivery receipts
	SharedIDs     bool          // all callers have one space of auth_ids
	Observer      Observer
}

// Service makes codes, sends them and checks them. Its state is in the store,
// so any number of services over one store act as one. It keeps only the
// cleanup that is pending because the store could not be reached.
type Service struct {
	Options
	policies       map[string]*Policy // by profile
	cleanup        *cleanup
	orphanedClaims *cleanup // claims whose reply was lost: harmless once their lease is over
}

// NewService returns a Service.
func NewService(o Options) *Service {
	if o.Observer == nil {
		o.Observer = noObserver{}
	}
	s := &Service{Options: o, policies: map[string]*Policy{"": &o.Policy}, cleanup: newCleanup(maxCleanup, cleanupFor)}
	for i := range o.Profiles {
		s.policies[o.Profiles[i].Profile] = &o.Profiles[i]
	}
	s.orphanedClaims = newCleanup(maxOrphanedClaims, s.longestCreate())
	return s
}

// longestCreate is how long a create may take.
func (s *Service) longestCreate() time.Duration { return s.Policy.Limits.Pace.MaxWait + s.SendTimeout }

// Finish waits until pending cleanup is done. It gives up when ctx ends. It is
// called once, when all requests have been answered.
func (s *Service) Finish(ctx context.Context) error {
	s.orphanedClaims.drop()
	return s.cleanup.finish(ctx)
}

// policy returns what applies to a caller's requests with a profile.
func (s *Service) policy(caller, profile string) (*Policy, error) {
	p, found := s.policies[profile]
	if !found {
		return nil, &ArgumentError{"profile", "a profile of this service"}
	}
	if p.Callers != nil && !slices.Contains(p.Callers, caller) {
		return nil, ErrProfileNotAllowed
	}
	return p, nil
}

// space returns the space of the auth_ids of a caller's requests.
func (s *Service) space(caller, profile, service string) Space {
	if s.SharedIDs {
		caller = ""
	}
	return Space{Caller: caller, Profile: profile, Service: service}
}

// place is where the entry of a request is: its space, and its auth_id under each
// secret. An auth_id that is derived from a number is another one under each.
type place struct {
	space             Space
	current, previous ID
}

// place returns where the entry of an auth_id is, or, if that is empty, of a
// number. A request with a number has one place with two names, not two places: it
// compares a code once, and it replaces or removes what stands under either name.
func (s *Service) place(space Space, id ID, to Phone) place {
	if id != "" {
		return place{space, id, id}
	}
	p := place{space: space, current: s.Secret.Verification(space.Service, to)}
	if s.Previous != nil {
		p.previous = s.Previous.Verification(space.Service, to)
	}
	return p
}

// name returns what the store calls the entry of a place.
func (s *Service) name(p place) EntryName {
	n := EntryName{Current: s.Secret.ID(p.space, p.current)}
	if s.Previous != nil {
		n.Previous = s.Previous.ID(p.space, p.previous)
	}
	return n
}

// hashers are those under which something may be stored, the current first.
func (s *Service) hashers() []*Hasher {
	if s.Previous == nil {
		return []*Hasher{s.Secret}
	}
	return []*Hasher{s.Secret, s.Previous}
}

// Check compares a code. Its errors are ErrUnavailable, after which the attempt
// may have been spent but nothing was accepted, and those of a profile and of an
// idempotency key.
//
// A check that has begun is finished even if ctx is cancelled: a caller that
// hangs up does not get a free guess.
func (s *Service) Check(ctx context.Context, r CheckRequest) (Outcome, error) {
	ctx = context.WithoutCancel(ctx)
	policy, err := s.policy(r.Caller, r.Profile)
	if err != nil {
		return Outcome{}, fmt.Errorf("codes: check: %w", err)
	}
	if r.Key.Value != "" {
		return s.checkOnce(ctx, r, policy)
	}
	checked, err := s.check(ctx, r, policy, NewOp(), Digest{})
	if err != nil {
		return Outcome{}, err
	}
	s.Observer.Checked(CheckEvent{Caller: r.Caller, Profile: r.Profile, Checked: checked})
	return checked.Outcome, nil
}

// check compares a code under an op, and under a claim if there is one.
func (s *Service) check(ctx context.Context, r CheckRequest, policy *Policy, op Op, claim Digest) (Checked, error) {
	at := s.place(s.space(r.Caller, r.Profile, r.Service), r.ID, r.Recipient)
	c := Check{
		Name:    s.name(at),
		Code:    s.Secret.Code(at.space, at.current, r.Code),
		Op:      op,
		Claim:   claim,
		Guesses: policy.Limits.Guesses,

		CountVerified: policy.Limits.Unverified.Mode != UnverifiedOff,
		CountExchange: slices.ContainsFunc(policy.Limits.Unverified.Exchange, func(w Window) bool { return w.Percent > 0 }),
	}
	if s.Previous != nil {
		c.PreviousCode = s.Previous.Code(at.space, at.previous, r.Code)
	}
	if r.Recipient != "" {
		c.Recipient = s.Secret.Phone(r.Recipient)
		if s.Previous != nil {
			c.PreviousRecipient = s.Previous.Phone(r.Recipient)
		}
	}
	checked, err := s.Store.Check(ctx, c)
	if v := checked.Uncounted; v != nil {
		s.cleanup.add(func(ctx context.Context) error { return s.Store.CountVerified(ctx, *v) })
	}
	if err == nil {
		return checked, nil
	}
	if checked.Status == Wrong { // spent, but not counted for its number
		s.cleanup.add(func(ctx context.Context) error { return s.Store.CountGuess(ctx, checked.Recipient, op, c.Guesses) })
	}
	return Checked{}, fmt.Errorf("codes: check: %w", err)
}

// Cancel drops the entry of an auth_id, if there is one. Its errors are
// ErrUnavailable and those of a profile.
func (s *Service) Cancel(ctx context.Context, r CancelRequest) error {
	if _, err := s.policy(r.Caller, r.Profile); err != nil {
		return fmt.Errorf("codes: cancel: %w", err)
	}
	name := s.name(s.place(s.space(r.Caller, r.Profile, r.Service), r.ID, r.Recipient))
	ttlLeft, err := s.Store.Cancel(context.WithoutCancel(ctx), Cancel{Name: name, Op: NewOp()})
	if err != nil {
		return fmt.Errorf("codes: cancel: %w", err)
	}
	s.Observer.Cancelled(ttlLeft)
	return nil
}

// Progress says how an entry and its message stand.
type Progress struct {
	Stage        Stage
	Failure      Failure // of StageFailed
	AttemptsLeft int64   // of a live entry: wrong codes that it still compares
	TTLLeft      time.Duration
}

// Status returns how the entry of an auth_id and its message stand. It changes
// and spends nothing: the next check still reports an expired entry as expired.
// Where receipts are not tracked, no entry gets beyond StagePending. Its errors
// are ErrUnavailable and those of a profile.
func (s *Service) Status(ctx context.Context, r StatusRequest) (Progress, error) {
	if _, err := s.policy(r.Caller, r.Profile); err != nil {
		return Progress{}, fmt.Errorf("codes: status: %w", err)
	}
	ctx = context.WithoutCancel(ctx) // calls of the store share round trips
	view, err := s.Store.Peek(ctx, s.name(s.place(s.space(r.Caller, r.Profile, r.Service), r.ID, r.Recipient)))
	if err != nil {
		return Progress{}, fmt.Errorf("codes: status: %w", err)
	}
	p := Progress{Stage: view.Stage, AttemptsLeft: view.AttemptsLeft, TTLLeft: view.TTLLeft}
	if p.Stage != StageSent || !s.TrackReceipts {
		return p, nil
	}
	if p.Stage, p.Failure, err = s.Store.Delivery(ctx, view.Message); err != nil {
		return Progress{}, fmt.Errorf("codes: status: %w", err)
	}
	return p, nil
}

// cleanupError is a failure whose cleanup failed too so far. Only the cause
// counts for the answer.
type cleanupError struct{ cause, cleanup error }

func (e *cleanupError) Error() string {
	return e.cause.Error() + "; cleanup pending: " + e.cleanup.Error()
}
func (e *cleanupError) Unwrap() error { return e.cause }

// isRefusal reports whether err says that the store did nothing.
func isRefusal(err error) bool {
	var limit *LimitError
	var busy *UnavailableError
	return errors.As(err, &limit) || errors.As(err, &busy) || errors.Is(err, ErrNotReached)
}
