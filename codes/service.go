package codes

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// undoTimeout bounds what is left to do in the store after a send or a put
// has failed: the caller waits for it.
const undoTimeout = 300 * time.Millisecond

// Bounds of what is left to be undone when the store is back, and of the time
// for which it is tried.
const (
	maxUndos = 1000
	undoFor  = 10 * time.Minute
)

// Rules are what the operator chose.
type Rules struct {
	CodeLength int           // digits, 1 to MaxCodeLength
	Expiration time.Duration // lifetime of an entry, whole seconds
	Notice     time.Duration // how long an expired id is told from an unknown one
	Attempts   int64         // wrong codes allowed per entry
	Message    Template
	OrgName    string
	Recipients Recipients

	TestRecipients TestRecipients // allowed whatever Recipients says
	TestsUntil     time.Time      // when they become numbers like any other; zero is never
}

// Service makes codes, sends them and checks them. It keeps no state of its
// own but what is left to be undone in the store when that cannot be reached:
// any number of services over one store and limiter act as one.
type Service struct {
	rules    Rules
	hasher   *Hasher
	previous *Hasher // of the secret that is being replaced, or nil
	store    Store
	limiter  Limiter
	sender   Sender
	receipts Receipts // nil: none are kept
	left     *leftovers
}

// NewService returns a Service. Entries that were made under previous, which
// may be nil, are still accepted.
func NewService(r Rules, secret, previous *Hasher, store Store, limiter Limiter, sender Sender) *Service {
	return &Service{rules: r, hasher: secret, previous: previous, store: store, limiter: limiter, sender: sender, left: newLeftovers(maxUndos, undoFor)}
}

// Finish waits until what requests had to leave undone in the store, as it
// could not be reached, is done after all. It gives up when ctx ends. It is
// called once, when all requests have been answered.
func (s *Service) Finish(ctx context.Context) error { return s.left.finish(ctx) }

// Created tells what was made, and what became of the entries. Beside an error
// only the latter, the recipient and Repeated mean something.
type Created struct {
	Expiration time.Duration
	Attempts   int64
	MessageID  string // the carrier's, for its delivery receipts; empty for a test recipient

	Recipient Digest
	Area      Area
	Segments  int           // that the message has
	Stored    bool          // the entry was stored, and not withdrawn afterwards
	Replaced  time.Duration // life that the entry before it had left; 0 if none was live
	Withdrawn bool          // the entry was stored and then removed, as the message was not sent
	Repeated  bool          // this is the answer of an earlier request
	News      News          // of receipts that were faster than the carrier's answer
	NoteErr   error         // why receipts of the message will not find it; the SMS went out all the same
}

// Create makes a code for id, stores it in place of an earlier one and sends
// it to the recipient. Its errors are ErrRecipientNotAllowed, *LimitError,
// ErrUnavailable, ErrRejected and ErrUnconfirmed. After all but the last
// nothing was sent and no new entry stays.
//
// Once begun, a create is finished even if ctx is cancelled: a caller that
// hangs up neither leaves a half-made entry nor gets a place in a limit back.
func (s *Service) Create(ctx context.Context, id ID, to Phone) (Created, error) {
	return s.create(context.WithoutCancel(ctx), id, to)
}

func (s *Service) create(ctx context.Context, id ID, to Phone) (Created, error) {
	created := Created{Recipient: s.hasher.Phone(to), Area: to.Area()}
	code, isTest := s.rules.testCode(to)
	if !isTest {
		if !s.rules.Recipients.Allow(to) {
			return created, ErrRecipientNotAllowed
		}
		code = NewCode(s.rules.CodeLength)
	}
	entry := Entry{
		ID:         s.hasher.ID(id),
		Code:       s.hasher.Code(id, code),
		Recipient:  created.Recipient,
		Area:       created.Area,
		Attempts:   s.rules.Attempts,
		Expiration: s.rules.Expiration,
		Notice:     s.rules.Notice,
		Op:         NewOp(),
	}
	place := Place{Recipient: entry.Recipient, Op: entry.Op, Unsent: isTest}
	wait, err := s.limiter.Take(ctx, place)
	if err != nil {
		return created, fmt.Errorf("codes: create: %w", err)
	}
	time.Sleep(wait) // at most Limits.MaxWait

	if created.Replaced, err = s.put(ctx, id, entry); err != nil {
		return created, fmt.Errorf("codes: create: %w", s.undo(ctx, entry, place, &created, err))
	}
	created.Stored = true
	if !isTest {
		m := Message{To: to, Text: s.rules.Message.Render(code, s.rules.OrgName, s.rules.Expiration)}
		if err := s.send(ctx, m, entry, place, &created); err != nil {
			return created, fmt.Errorf("codes: create: %w", err)
		}
	}
	created.Expiration, created.Attempts = entry.Expiration, entry.Attempts
	return created, nil
}

// send sends the message of an entry, and withdraws the entry if it cannot
// have gone out.
func (s *Service) send(ctx context.Context, m Message, e Entry, p Place, c *Created) (err error) {
	c.MessageID, err = s.sender.Send(ctx, m)
	if errors.Is(err, ErrRejected) || errors.Is(err, ErrUnavailable) {
		return s.undo(ctx, e, p, c, err)
	}
	if err != nil {
		return err
	}
	c.Segments, _ = Segments(m.Text)
	c.News, c.NoteErr = s.noteSent(ctx, e, c.MessageID)
	return nil
}

// put stores the entry. An entry that the same id has under the previous
// secret goes first, so that never two are live.
func (s *Service) put(ctx context.Context, id ID, e Entry) (rest time.Duration, err error) {
	if s.previous != nil {
		if rest, err = s.store.Delete(ctx, Deletion{ID: s.previous.ID(id), Op: NewOp()}); err != nil {
			return rest, err
		}
	}
	replaced, err := s.store.Put(ctx, e)
	return max(rest, replaced), err
}

// undo takes back what a create did before it failed with cause, and returns
// cause with what it could not undo yet, since the store cannot be reached.
func (s *Service) undo(ctx context.Context, e Entry, p Place, c *Created, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	remove := func(ctx context.Context) (rest time.Duration, err error) {
		return s.store.Delete(ctx, Deletion{ID: e.ID, Made: e.Op, Op: NewOp()})
	}
	rest, err := remove(ctx)
	if err != nil {
		cause = &undoError{cause, err}
		s.left.add(func(ctx context.Context) error { _, err := remove(ctx); return err })
	}
	if c.Withdrawn = rest > 0; c.Withdrawn || err != nil {
		c.Stored = false
	}
	if err := s.limiter.Return(ctx, p); err != nil {
		cause = &undoError{cause, err}
		s.left.add(func(ctx context.Context) error { return s.limiter.Return(ctx, p) })
	}
	return cause
}

// undoError is a failure whose undoing failed too so far. Only the cause
// counts for the answer.
type undoError struct{ cause, undo error }

func (e *undoError) Error() string { return e.cause.Error() + "; not undone yet: " + e.undo.Error() }
func (e *undoError) Unwrap() error { return e.cause }

// Verify checks a code. Its only error is ErrUnavailable: then the attempt
// may have been spent, but nothing was accepted.
//
// Once begun, a check is finished even if ctx is cancelled: a caller that
// hangs up does not get a free guess.
func (s *Service) Verify(ctx context.Context, id ID, code Code) (Outcome, error) {
	return s.verify(context.WithoutCancel(ctx), id, code, NewOp(), 0)
}

func (s *Service) verify(ctx context.Context, id ID, code Code, op Op, keep time.Duration) (Outcome, error) {
	outcome, err := s.store.Try(ctx, Try{ID: s.hasher.ID(id), Code: s.hasher.Code(id, code), Op: op, Keep: keep})
	if err == nil && outcome.Status == Unknown && s.previous != nil {
		outcome, err = s.store.Try(ctx, Try{ID: s.previous.ID(id), Code: s.previous.Code(id, code), Op: op.second(), Keep: keep})
	}
	if err != nil {
		return Outcome{}, fmt.Errorf("codes: verify: %w", err)
	}
	if outcome.Status == Wrong {
		// Not answered before it is counted: a guess that nobody counted
		// must not help anybody.
		if err := s.limiter.CountWrong(ctx, Place{Recipient: outcome.Recipient, Op: op}); err != nil {
			return Outcome{}, fmt.Errorf("codes: verify: %w", err)
		}
	}
	return outcome, nil
}

// Cancel drops the entry of id, if there is one, and returns the life that it
// had left, or 0. Its only error is ErrUnavailable.
func (s *Service) Cancel(ctx context.Context, id ID) (rest time.Duration, err error) {
	ctx = context.WithoutCancel(ctx)
	for _, h := range s.hashers() {
		removed, err := s.store.Delete(ctx, Deletion{ID: h.ID(id), Op: NewOp()})
		rest = max(rest, removed)
		if err != nil {
			return rest, fmt.Errorf("codes: cancel: %w", err)
		}
	}
	return rest, nil
}
