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

// Rules are what the operator chose.
type Rules struct {
	CodeLength int           // digits, 1 to MaxCodeLength
	Expiration time.Duration // lifetime of an entry, whole seconds
	Notice     time.Duration // how long an expired id is told from an unknown one
	Attempts   int64         // wrong codes allowed per entry
	Message    Template
	OrgName    string
	Recipients Recipients
}

// Service makes codes, sends them and checks them. It keeps no state of its
// own: any number of services over one store and limiter act as one.
type Service struct {
	rules    Rules
	hasher   *Hasher
	previous *Hasher // of the secret that is being replaced, or nil
	store    Store
	limiter  Limiter
	sender   Sender
	receipts Receipts // nil: none are kept
}

// NewService returns a Service. Entries that were made under previous, which
// may be nil, are still accepted.
func NewService(r Rules, secret, previous *Hasher, store Store, limiter Limiter, sender Sender) *Service {
	return &Service{rules: r, hasher: secret, previous: previous, store: store, limiter: limiter, sender: sender}
}

// Created tells what was made.
type Created struct {
	Expiration time.Duration
	Attempts   int64
	MessageID  string // the carrier's, for its delivery receipts
	News       News   // of receipts that were faster than the carrier's answer
	NoteErr    error  // why receipts of the message will not find it; the SMS went out all the same
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
	if !s.rules.Recipients.Allow(to) {
		return Created{}, ErrRecipientNotAllowed
	}
	code := NewCode(s.rules.CodeLength)
	entry := Entry{
		ID:         s.hasher.ID(id),
		Code:       s.hasher.Code(id, code),
		Recipient:  s.hasher.Phone(to),
		Attempts:   s.rules.Attempts,
		Expiration: s.rules.Expiration,
		Notice:     s.rules.Notice,
		Op:         NewOp(),
	}
	place := Place{Recipient: entry.Recipient, Op: entry.Op}
	wait, err := s.limiter.Take(ctx, place)
	if err != nil {
		return Created{}, fmt.Errorf("codes: create: %w", err)
	}
	time.Sleep(wait) // at most Limits.MaxWait

	if err := s.put(ctx, id, entry); err != nil {
		return Created{}, fmt.Errorf("codes: create: %w", s.undo(ctx, entry, place, err))
	}
	messageID, err := s.sender.Send(ctx, Message{
		To:   to,
		Text: s.rules.Message.Render(code, s.rules.OrgName, s.rules.Expiration),
	})
	if errors.Is(err, ErrRejected) || errors.Is(err, ErrUnavailable) {
		err = s.undo(ctx, entry, place, err)
	}
	if err != nil {
		return Created{}, fmt.Errorf("codes: create: %w", err)
	}
	created := Created{Expiration: entry.Expiration, Attempts: entry.Attempts, MessageID: messageID}
	created.News, created.NoteErr = s.noteSent(ctx, entry, to, messageID)
	return created, nil
}

// put stores the entry. An entry that the same id has under the previous
// secret goes first, so that never two are live.
func (s *Service) put(ctx context.Context, id ID, e Entry) error {
	if s.previous != nil {
		if err := s.store.Delete(ctx, Deletion{ID: s.previous.ID(id), Op: NewOp()}); err != nil {
			return err
		}
	}
	return s.store.Put(ctx, e)
}

// undo takes back what a create did before it failed with cause, as far as
// the store can be reached, and returns cause with what it could not undo.
func (s *Service) undo(ctx context.Context, e Entry, p Place, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	if err := s.store.Delete(ctx, Deletion{ID: e.ID, Made: e.Op, Op: NewOp()}); err != nil {
		cause = &undoError{cause, err}
	}
	if err := s.limiter.Return(ctx, p); err != nil {
		cause = &undoError{cause, err}
	}
	return cause
}

// undoError is a failure whose undoing failed too. Only the cause counts for
// the answer.
type undoError struct{ cause, undo error }

func (e *undoError) Error() string { return e.cause.Error() + "; not undone: " + e.undo.Error() }
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

// Cancel drops the entry of id, if there is one. Its only error is ErrUnavailable.
func (s *Service) Cancel(ctx context.Context, id ID) error {
	ctx = context.WithoutCancel(ctx)
	for _, h := range s.hashers() {
		if err := s.store.Delete(ctx, Deletion{ID: h.ID(id), Op: NewOp()}); err != nil {
			return fmt.Errorf("codes: cancel: %w", err)
		}
	}
	return nil
}
