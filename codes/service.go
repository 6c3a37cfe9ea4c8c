package codes

import (
	"context"
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
	SendTimeout   time.Duration // for one request to the carrier
	TrackReceipts bool          // messages ask for delivery receipts
	SharedIDs     bool          // all callers share one space of auth_ids
	Observer      Observer
}

// Service makes codes, sends them and checks them. Its state is in the store,
// so any number of services over one store act as one. It keeps only the
// cleanup that is pending because the store could not be reached.
type Service struct {
	Options
	policies       map[string]*Policy // by profile
	cleanup        *cleanup
	orphanedClaims *cleanup // claims whose reply was lost; they are harmless once their lease is over
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

// Finish waits until pending cleanup is done. It gives up when ctx ends. Call it
// once, after all requests have been answered.
func (s *Service) Finish(ctx context.Context) error {
	s.orphanedClaims.drop()
	return s.cleanup.finish(ctx)
}

// policy returns the policy of a profile, if the caller may use it.
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

// entryID is the auth_id of a request under each secret. The two differ only if
// the auth_id is derived from a number.
type entryID struct {
	space             Space
	current, previous ID
}

// entryID returns the entry that a request is about: that of id, or, if id is
// empty, that of the number. A number under two secrets is one entry with two
// names: a check compares its code once, and a create or a cancel replaces or
// removes what is stored under either name.
func (s *Service) entryID(space Space, id ID, to Phone) entryID {
	if s.SharedIDs {
		space.Caller = ""
	}
	if id != "" {
		return entryID{space, id, id}
	}
	e := entryID{space: space, current: s.Secret.Verification(space.Service, to)}
	if s.Previous != nil {
		e.previous = s.Previous.Verification(space.Service, to)
	}
	return e
}

// name returns where the store keeps an entry.
func (s *Service) name(e entryID) EntryName {
	n := EntryName{Current: s.Secret.ID(e.space, e.current)}
	if s.Previous != nil {
		n.Previous = s.Previous.ID(e.space, e.previous)
	}
	return n
}

// hashers returns the hashers under which something may be stored, the current
// one first.
func (s *Service) hashers() []*Hasher {
	if s.Previous == nil {
		return []*Hasher{s.Secret}
	}
	return []*Hasher{s.Secret, s.Previous}
}

// Check compares a code. Its errors are ErrUnavailable, after which an attempt
// may have been used but nothing was accepted, and those of a profile and of an
// idempotency key.
//
// It completes even if ctx is cancelled, so that a caller that hangs up does not
// get a free guess.
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

// check compares a code under an op, and under the key of a claim if there is one.
func (s *Service) check(ctx context.Context, r CheckRequest, policy *Policy, op Op, claim Digest) (Checked, error) {
	id := s.entryID(Space{r.Caller, r.Profile, r.Service}, r.ID, r.Recipient)
	unverified := &policy.Limits.Unverified
	c := Check{
		Name:    s.name(id),
		Code:    s.Secret.Code(id.space, id.current, r.Code),
		Op:      op,
		Claim:   claim,
		Guesses: policy.Limits.Guesses,

		CountVerified: unverified.Mode != UnverifiedOff,
		CountExchange: slices.ContainsFunc(unverified.Exchange, func(w Window) bool { return w.Percent > 0 }),
	}
	if r.Recipient != "" {
		c.Recipient = s.Secret.Phone(r.Recipient)
	}
	if s.Previous != nil {
		c.PreviousCode = s.Previous.Code(id.space, id.previous, r.Code)
		if r.Recipient != "" {
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
	if checked.Status == Wrong { // the attempt was used, but not counted for its number
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
	name := s.name(s.entryID(Space{r.Caller, r.Profile, r.Service}, r.ID, r.Recipient))
	ttlLeft, err := s.Store.Cancel(context.WithoutCancel(ctx), Cancel{Name: name, Op: NewOp()})
	if err != nil {
		return fmt.Errorf("codes: cancel: %w", err)
	}
	s.Observer.Cancelled(ttlLeft)
	return nil
}

// Progress is the state of an entry and its message.
type Progress struct {
	Stage        Stage
	Failure      Failure // of StageFailed
	AttemptsLeft int64   // of a live entry: wrong codes that it still compares
	TTLLeft      time.Duration
}

// Status returns the state of the entry of an auth_id and of its message. It
// changes nothing: the next check still reports an expired entry as expired. If
// receipts are not tracked, no entry gets beyond StagePending. Its errors are
// ErrUnavailable and those of a profile.
func (s *Service) Status(ctx context.Context, r StatusRequest) (Progress, error) {
	if _, err := s.policy(r.Caller, r.Profile); err != nil {
		return Progress{}, fmt.Errorf("codes: status: %w", err)
	}
	ctx = context.WithoutCancel(ctx) // calls of the store share round trips
	view, err := s.Store.Peek(ctx, s.name(s.entryID(Space{r.Caller, r.Profile, r.Service}, r.ID, r.Recipient)))
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
