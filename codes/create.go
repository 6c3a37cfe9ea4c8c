package codes

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Bounds of retries within a request's MaxWait.
const (
	firstRedial = 50 * time.Millisecond // pause after the first failed dial; each later one is twice as long
	maxRedial   = time.Second
	maxMissed   = 5 // turns that a message may miss
)

// releaseTimeout bounds the release of a reservation while the caller waits.
const releaseTimeout = 300 * time.Millisecond

// Create makes a code, stores it in place of an earlier one and sends it. Its
// errors are those of the package. After each of them but ErrUnconfirmed nothing was
// sent, and the previous entry is restored.
//
// It completes even if ctx is cancelled, so that a caller that hangs up leaves no
// half-made entry. It ends at its deadline, which counts from r.Arrived: from then
// on nothing is stored and nothing is sent.
func (s *Service) Create(ctx context.Context, r CreateRequest) (Created, error) {
	if r.Arrived.IsZero() {
		r.Arrived = time.Now()
	}
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), r.Arrived.Add(s.longestCreate()))
	defer cancel()
	c := &creation{CreateRequest: r, recipient: s.Secret.Phone(r.Recipient)}
	var created Created
	var err error
	if c.policy, err = s.policy(r.Caller, r.Profile); err == nil {
		if r.Key.Value != "" {
			created, err = s.createOnce(ctx, c)
		} else {
			created, err = s.create(ctx, c)
		}
	}
	created.Recipient = c.recipient
	if err != nil {
		return created, fmt.Errorf("codes: create: %w", err)
	}
	return created, nil
}

// creation is a create in progress.
type creation struct {
	CreateRequest
	policy      *Policy
	recipient   Digest
	entryID     entryID
	code        Code
	isTest      bool          // its recipient has a fixed code and gets no message
	lifetime    time.Duration // that the code has at its turn
	attempts    int64
	reservation Reservation
	event       CreateEvent
	resendAt    time.Time // when the limits of the recipient allow another message
}

func (s *Service) create(ctx context.Context, c *creation) (Created, error) {
	if err := s.prepare(c); err != nil {
		return Created{}, err
	}
	turn, err := s.reserve(ctx, c)
	if err == nil && !c.isTest {
		err = s.send(ctx, c, turn)
	}
	s.Observer.Created(c.event)
	if err != nil {
		return Created{}, err
	}
	return Created{
		Lifetime:    (c.lifetime + time.Second - 1).Truncate(time.Second),
		Attempts:    c.attempts,
		ResendAfter: max(0, time.Until(c.resendAt)+time.Second-1).Truncate(time.Second),
	}, nil
}

// prepare makes the code of a create and the reservation for it.
func (s *Service) prepare(c *creation) error {
	op, digits := NewOp(), 0
	c.entryID = s.entryID(Space{c.Caller, c.Profile, c.Service}, c.ID, c.Recipient)
	c.code, c.isTest = s.Numbers.testCode(c.Recipient)
	if !c.isTest {
		if !s.Numbers.Allowed.Allow(c.Recipient) {
			return ErrRecipientNotAllowed
		}
		digits = c.policy.CodeLength
		c.code = s.Secret.NewCode(c.entryID.space, c.entryID.current, op, digits)
	}
	c.lifetime, c.attempts = c.policy.Lifetime, c.policy.Attempts
	c.reservation = Reservation{
		Op: op,
		Entry: Entry{
			Name:      s.name(c.entryID),
			Code:      s.Secret.Code(c.entryID.space, c.entryID.current, c.code),
			Digits:    digits,
			Recipient: c.recipient,
			Area:      c.Recipient.Area(),
			Attempts:  c.attempts,
			Lifetime:  c.lifetime,
			Notice:    c.policy.Notice,
		},
		Caller:   c.Caller,
		SameCode: c.policy.SameCode,
	}
	if !c.isTest {
		c.reservation.Pace, c.reservation.WaitLeft = c.policy.Limits.Pace, c.waitLeft()
		if c.policy.Limits.Unverified.Mode != UnverifiedOff {
			c.reservation.Entry.Destination = s.Secret.Destination(c.Recipient)
		}
	}
	c.reservation.Limits = c.limits(s.Secret)
	if c.policy.SameCode && s.Previous != nil {
		c.reservation.PreviousRecipient = s.Previous.Phone(c.Recipient)
	}
	c.event = CreateEvent{
		Caller: c.Caller, Profile: c.Profile, Area: c.reservation.Entry.Area, Arrived: c.Arrived, Lifetime: c.lifetime,
	}
	return nil
}

// limits returns the limits that apply. Those on messages do not apply to a test
// recipient, who gets none.
func (c *creation) limits(secret *Hasher) []Limit {
	all := make([]Limit, 0, 9)
	add := func(kind LimitKind, subject Digest, windows []Window) {
		if len(windows) > 0 {
			all = append(all, Limit{Kind: kind, Subject: subject, Windows: windows})
		}
	}
	l := &c.policy.Limits
	add(SendLimit, c.recipient, l.Sends)
	add(GuessLimit, c.recipient, l.Guesses)
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

// reserve stores the code, counts the message under the limits and reserves its turn.
func (s *Service) reserve(ctx context.Context, c *creation) (Turn, error) {
	reserved, err := s.Store.Reserve(ctx, c.reservation)
	limit, limited := errors.AsType[*LimitError](err)
	c.event.OverAllowance = reserved.Shadowed
	if limited && limit.Kind.OfUnverified() {
		c.event.OverAllowance, c.event.Refused = limit, true
	}
	if c.event.OverAllowance != nil {
		c.event.Exchange = c.Recipient.Exchange()
	}
	if err != nil {
		if IsRefusal(err) || errors.Is(err, ErrNotReached) { // nothing was reserved
			return Turn{}, err
		}
		return Turn{}, s.release(ctx, c, err)
	}
	c.resendAt = time.Now().Add(reserved.ResendAfter)
	c.event.Reserved, c.event.Stored, c.event.Replaced = true, true, reserved.Replaced
	if reserved.Resent != nil {
		if err := s.resend(c, *reserved.Resent); err != nil {
			return Turn{}, s.release(ctx, c, err)
		}
	}
	return reserved.Turn, nil
}

// resend makes c send the code of a live entry, whichever secret it was made
// under.
func (s *Service) resend(c *creation, live Resent) error {
	c.lifetime, c.attempts = live.TTLLeft, live.AttemptsLeft
	c.event.Stored, c.event.Resent = false, true
	ids := []ID{c.entryID.current, c.entryID.previous}
	for i, h := range s.hashers() {
		code := c.code
		if !c.isTest {
			code = h.NewCode(c.entryID.space, ids[i], live.Op, c.reservation.Entry.Digits)
		}
		if h.Code(c.entryID.space, ids[i], code) == live.Code {
			c.code = code
			return nil
		}
	}
	return errors.New("the live code was made under neither secret")
}

// send sends the message at its turn and records it. If the message was certainly not
// sent, send releases the reservation.
func (s *Service) send(ctx context.Context, c *creation, turn Turn) error {
	c.event.Wait = max(0, time.Until(turn.Begin))
	m := Message{
		From: c.policy.From, To: c.Recipient,
		Text: c.policy.message(c.Locale).Render(c.code, c.policy.OrgName, c.lifetime),
	}
	messageID, err := s.deliver(ctx, c, m, turn)
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

// deliver sends m at its turn. It retries, each time at a new turn and for as long
// as the request may wait, only if the carrier certainly did not accept m.
func (s *Service) deliver(ctx context.Context, c *creation, m Message, turn Turn) (string, error) {
	lastTry := time.Now().Add(c.waitLeft())
	missed := 0
	for redial := firstRedial; ; redial = min(2*redial, maxRedial) {
		if !sleepUntil(ctx, turn.Begin) {
			return "", ErrTooLate
		}
		m.NotAfter = turn.End
		id, err := s.Sender.Send(ctx, m)
		busy, isBusy := errors.AsType[*UnavailableError](err)
		retryAt, needsTurn := time.Now().Add(redial), true
		switch {
		case !errors.Is(err, ErrUnavailable):
			return id, err
		case errors.Is(err, ErrTooLate):
			if missed++; missed > maxMissed {
				return "", err
			}
		case isBusy:
			retryAt = time.Now().Add(busy.RetryAfter)
		default: // nothing reached the carrier: the turn can still be used, unless Send then returns ErrTooLate
			needsTurn = false
		}
		if retryAt.After(lastTry) || !sleepUntil(ctx, retryAt) {
			return "", err
		}
		if needsTurn {
			next := Reservation{Op: NewOp(), Caller: c.Caller, Pace: c.policy.Limits.Pace, WaitLeft: c.waitLeft()}
			if turn, err = s.Store.NextTurn(ctx, next); err != nil {
				return "", err
			}
		}
	}
}

// sleepUntil waits for a time. It reports whether that came before ctx ended.
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
	return ctx.Err() == nil && (!limited || !passed(deadline, time.Now()))
}

// release undoes the reservation of a create that failed with cause. It returns
// cause, and adds the error of the release if that is pending.
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

// cleanupError is a failure whose cleanup is pending. Only the cause decides the
// answer.
type cleanupError struct{ cause, cleanup error }

func (e *cleanupError) Error() string {
	return e.cause.Error() + "; cleanup pending: " + e.cleanup.Error()
}
func (e *cleanupError) Unwrap() error { return e.cause }
