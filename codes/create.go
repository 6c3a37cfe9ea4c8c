package codes

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Bounds of sending again within a request's MaxWait.
const (
	firstRedial = 50 * time.Millisecond // pause after the first failed dial; each later one is twice as long
	maxRedial   = time.Second
	maxMissed   = 5 // turns that a message may miss
)

// releaseTimeout bounds the release of a reservation while the caller waits.
const releaseTimeout = 300 * time.Millisecond

// Create makes a code, stores it in place of an earlier one and sends it. Its
// errors are those of the package. After all but ErrUnconfirmed nothing was
// sent, and the entry that was there before is live again.
//
// A create that has begun is finished even if ctx is cancelled, so that a
// caller who hangs up leaves no half-made entry. It ends at its deadline, which
// counts from r.Arrived: from then on nothing is stored and nothing is sent.
func (s *Service) Create(ctx context.Context, r CreateRequest) (Created, error) {
	if r.Arrived.IsZero() {
		r.Arrived = time.Now()
	}
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), r.Arrived.Add(s.longestCreate()))
	defer cancel()
	policy, err := s.policy(r.Caller, r.Profile)
	if err != nil {
		return Created{Recipient: s.Secret.Phone(r.Recipient)}, fmt.Errorf("codes: create: %w", err)
	}
	if r.Key.Value != "" {
		return s.createOnce(ctx, r, policy)
	}
	return s.create(ctx, r, policy)
}

// creation is a create under way.
type creation struct {
	CreateRequest
	policy      *Policy
	code        Code
	isTest      bool          // its recipient has a fixed code and gets no message
	lifetime    time.Duration // that the code has when its turn comes
	attempts    int64
	reservation Reservation
	event       CreateEvent
	again       time.Time // when the limits of the recipient have room for another message
}

func (s *Service) create(ctx context.Context, r CreateRequest, policy *Policy) (Created, error) {
	created := Created{Recipient: s.Secret.Phone(r.Recipient)}
	c, err := s.begin(r, policy, created.Recipient)
	if err != nil {
		return created, err
	}
	err = s.perform(ctx, c)
	s.Observer.Created(c.event)
	if err != nil {
		return created, fmt.Errorf("codes: create: %w", err)
	}
	created.Lifetime, created.Attempts = (c.lifetime + time.Second - 1).Truncate(time.Second), c.attempts
	created.ResendAfter = max(0, time.Until(c.again)+time.Second-1).Truncate(time.Second)
	return created, nil
}

// begin makes the code of a create and all that it will reserve.
func (s *Service) begin(r CreateRequest, policy *Policy, recipient Digest) (*creation, error) {
	c := &creation{CreateRequest: r, policy: policy}
	at, op, digits := s.place(s.space(r.Caller, r.Profile, r.Service), r.ID, r.Recipient), NewOp(), 0
	c.code, c.isTest = s.Numbers.testCode(r.Recipient)
	if !c.isTest {
		if !s.Numbers.Allowed.Allow(r.Recipient) {
			return nil, fmt.Errorf("codes: create: %w", ErrRecipientNotAllowed)
		}
		digits = policy.CodeLength
		c.code = s.Secret.NewCode(at.space, at.current, op, digits)
	}
	c.lifetime, c.attempts = policy.Lifetime, policy.Attempts
	c.reservation = Reservation{
		Op: op,
		Entry: Entry{
			Name:      s.name(at),
			Code:      s.Secret.Code(at.space, at.current, c.code),
			Digits:    digits,
			Recipient: recipient,
			Area:      r.Recipient.Area(),
			Attempts:  policy.Attempts,
			Lifetime:  policy.Lifetime,
			Notice:    policy.Notice,
		},
		Caller:   r.Caller,
		SameCode: policy.SameCode,
	}
	if !c.isTest && policy.Limits.Unverified.Mode != UnverifiedOff {
		c.reservation.Entry.Destination = s.Secret.Destination(r.Recipient)
	}
	c.reservation.Limits = c.limits(recipient, s.Secret)
	if policy.SameCode && s.Previous != nil {
		c.reservation.PreviousRecipient = s.Previous.Phone(r.Recipient)
	}
	if !c.isTest {
		c.reservation.Pace, c.reservation.WaitLeft = policy.Limits.Pace, c.waitLeft()
	}
	c.event = CreateEvent{
		Caller: r.Caller, Profile: r.Profile, Area: c.reservation.Entry.Area, Arrived: r.Arrived, Lifetime: policy.Lifetime,
	}
	return c, nil
}

// limits returns those that apply. A limit on all messages does not concern a
// test recipient, who gets none.
func (c *creation) limits(recipient Digest, secret *Hasher) []Limit {
	all := make([]Limit, 0, 9)
	add := func(kind LimitKind, subject Digest, windows []Window) {
		if len(windows) > 0 {
			all = append(all, Limit{Kind: kind, Subject: subject, Windows: windows})
		}
	}
	l := &c.policy.Limits
	add(SendLimit, recipient, l.Sends)
	add(GuessLimit, recipient, l.Guesses)
	if !c.isTest {
		all = append(all, l.Unverified.Limits(c.reservation.Entry.Destination)...)
		add(TotalLimit, Digest{}, l.Total)
		add(CallerLimit, NameDigest(c.Caller), l.ofCaller(c.Caller))
		add(ProfileLimit, NameDigest(c.Profile), l.Profile)
		if c.Client != "" && len(l.Clients) > 0 {
			add(ClientLimit, secret.Client(c.Caller, c.Client), l.Clients)
		}
	}
	return all
}

// waitLeft returns how long the request may still wait.
func (c *creation) waitLeft() time.Duration {
	return max(0, time.Until(c.Arrived.Add(c.policy.Limits.Pace.MaxWait)))
}

// perform reserves what the create needs and sends its message.
func (s *Service) perform(ctx context.Context, c *creation) error {
	reserved, err := s.Store.Reserve(ctx, c.reservation)
	c.overAllowance(reserved.Shadowed, err)
	if err != nil {
		if isRefusal(err) {
			return err
		}
		return s.release(ctx, c, err)
	}
	c.again = time.Now().Add(reserved.Again)
	c.event.Reserved, c.event.Stored, c.event.Replaced = true, true, reserved.Replaced
	if reserved.Resent != nil {
		if err := s.sendAgain(c, *reserved.Resent); err != nil {
			return s.release(ctx, c, err)
		}
	}
	if c.isTest {
		return nil
	}
	c.event.Wait = max(0, time.Until(reserved.Turn.Begin))
	m := Message{
		From: c.policy.From, To: c.Recipient,
		Text: c.policy.message(c.Locale).Render(c.code, c.policy.OrgName, c.lifetime),
	}
	messageID, err := s.deliver(ctx, c, m, reserved.Turn)
	switch {
	case err == nil:
		c.event.Sent = true
		c.event.Segments, _ = Segments(m.Text)
		c.event.TrackingErr = s.recordSent(ctx, c, messageID)
		return nil
	case errors.Is(err, ErrRejected), errors.Is(err, ErrSenderRefused), errors.Is(err, ErrUnavailable):
		return s.release(ctx, c, err)
	}
	c.event.Uncertain = true
	return err
}

// overAllowance reports the limit on unverified messages that refused c, or would
// have.
func (c *creation) overAllowance(shadowed *LimitError, err error) {
	c.event.OverAllowance = shadowed
	var refused *LimitError
	if errors.As(err, &refused) && refused.Kind.OfUnverified() {
		c.event.OverAllowance, c.event.Refused = refused, true
	}
	if c.event.OverAllowance != nil {
		c.event.Exchange = c.Recipient.Exchange()
	}
}

// sendAgain makes c send the code of a live entry, whichever secret it was made
// under.
func (s *Service) sendAgain(c *creation, live Resent) error {
	c.lifetime, c.attempts = live.TTLLeft, live.AttemptsLeft
	c.event.Stored, c.event.Resent = false, true
	at := s.place(s.space(c.Caller, c.Profile, c.Service), c.ID, c.Recipient)
	ids := []ID{at.current, at.previous}
	for i, h := range s.hashers() {
		code := c.code
		if !c.isTest {
			code = h.NewCode(at.space, ids[i], live.Op, c.reservation.Entry.Digits)
		}
		if h.Code(at.space, ids[i], code) == live.Code {
			c.code = code
			return nil
		}
	}
	return errors.New("the live code follows from neither secret")
}

// deliver sends m in its turn. It sends again only what the carrier certainly
// did not take, each time in a turn of its own, and as long as the request may
// wait.
func (s *Service) deliver(ctx context.Context, c *creation, m Message, turn Turn) (string, error) {
	lastTry := time.Now().Add(c.waitLeft())
	missed := 0
	for redial := firstRedial; ; redial = min(2*redial, maxRedial) {
		if !sleepUntil(ctx, turn.Begin) {
			return "", ErrTooLate
		}
		m.NotAfter = turn.End
		id, err := s.Sender.Send(ctx, m)
		var busy *UnavailableError
		again, usedTurn := time.Now().Add(redial), true
		switch {
		case !errors.Is(err, ErrUnavailable):
			return id, err
		case errors.Is(err, ErrTooLate):
			if missed++; missed > maxMissed {
				return "", err
			}
		case errors.As(err, &busy):
			again = time.Now().Add(busy.RetryAfter)
		default: // the carrier saw nothing: the turn is still good, or Send says that it is not
			usedTurn = false
		}
		if again.After(lastTry) || !sleepUntil(ctx, again) {
			return "", err
		}
		if usedTurn {
			next := Reservation{Op: NewOp(), Caller: c.Caller, Pace: c.policy.Limits.Pace, WaitLeft: c.waitLeft()}
			if turn, err = s.Store.NextTurn(ctx, next); err != nil {
				return "", err
			}
		}
	}
}

// sleepUntil reports whether the time came before ctx ended.
func sleepUntil(ctx context.Context, at time.Time) bool {
	deadline, limited := ctx.Deadline()
	if wait := time.Until(at); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return false
		}
	}
	return ctx.Err() == nil && (!limited || !late(deadline, time.Now()))
}

// release undoes the reservation of a create that failed with cause. It
// returns cause, with the cleanup that is pending if the store cannot be reached.
func (s *Service) release(ctx context.Context, c *creation, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	removed, err := s.Store.Release(ctx, c.reservation)
	if err != nil {
		cause = &cleanupError{cause, err}
		s.cleanup.add(func(ctx context.Context) error {
			_, err := s.Store.Release(ctx, c.reservation)
			return err
		})
	}
	c.event.Withdrawn = removed
	if removed || err != nil {
		c.event.Stored = false
	}
	return cause
}
