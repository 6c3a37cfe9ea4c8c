package codes

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// KeepAnswers is how long an idempotency key stands for its request.
const KeepAnswers = 10 * time.Minute

// ErrKeyReused says that an idempotency key came with other arguments before.
var ErrKeyReused = errors.New("idempotency key reused with other arguments")

// InProgressError says that the request with this idempotency key is still
// running, or was cut off and may be: it is known after RetryAfter.
type InProgressError struct{ RetryAfter time.Duration }

func (e *InProgressError) Error() string {
	return "request with this idempotency key in progress; retry in " + e.RetryAfter.String()
}

// IdempotencyKey names a request: a request of the same caller on the same
// route with the same Value is the same request. It is none if Value is empty.
type IdempotencyKey struct{ Route, Value string }

// Claim asks to run the request of an idempotency key.
type Claim struct {
	Key       Digest
	Arguments Digest
	Op        Op
	Lease     time.Duration // how long the request may take: until then nobody else runs it; 0 lets anybody
}

// Claims remember requests by their idempotency keys, for any number of
// replicas at once. Their errors are ErrKeyReused, *InProgressError and
// ErrUnavailable.
type Claims interface {
	// Claim returns the answer that was settled, or, if there is none, the op
	// under which to run the request: the claim's own if it is the first or the
	// lease of the one before it is over, else, without a lease, the first's.
	Claim(ctx context.Context, c Claim) (answer string, op Op, err error)

	// Settle keeps the answer for the rest of KeepAnswers. An empty one drops
	// the claim. It does nothing if the claim is not c's any more. It reports
	// whether it is the first to keep an answer.
	Settle(ctx context.Context, c Claim, answer string) (first bool, err error)
}

// createOnce is create for a request with an idempotency key: for a key that
// came before it returns the first answer and has no effect. Refusals that had
// no effect are not kept. A request that was cut off runs again once its
// deadline has passed.
func (s *Service) createOnce(ctx context.Context, r CreateRequest, policy *Policy) (created Created, err error) {
	client := s.Secret.Client(r.Caller, r.Client).String() // may hold anything, as the id may
	claim := s.claim(r.Caller, r.Key, string(r.Recipient), r.Profile, r.Service, string(r.Locale), client, string(r.ID))
	deadline, _ := ctx.Deadline()
	claim.Lease = time.Until(deadline)
	answer, _, err := s.Store.Claim(ctx, claim)
	if errors.Is(err, ErrUnavailable) {
		// The claim may have been made all the same. It would block the same
		// request when that is repeated.
		s.orphanedClaims.add(func(ctx context.Context) error { _, err := s.Store.Settle(ctx, claim, ""); return err })
	}
	recipient := s.Secret.Phone(r.Recipient)
	if err != nil {
		return Created{Recipient: recipient}, fmt.Errorf("codes: create: %w", err)
	}
	if answer != "" {
		created, err := createdFrom(answer)
		created.Recipient, created.Repeated = recipient, true
		return created, err
	}
	answer = failed // stays if create panics
	// The answer is given even if it cannot be settled. The same key is in
	// progress until it is, or until the lease is over.
	defer func() {
		settle := func(ctx context.Context) error { _, err := s.Store.Settle(ctx, claim, answer); return err }
		if settle(context.WithoutCancel(ctx)) != nil {
			s.cleanup.add(settle)
		}
	}()
	created, err = s.create(ctx, r, policy)
	answer = answerOf(created, err)
	return created, err
}

// checkOnce is check for a request with an idempotency key: for a key that came
// before it returns the first answer and has no effect.
func (s *Service) checkOnce(ctx context.Context, r CheckRequest, policy *Policy) (Outcome, error) {
	// A check needs no lease: it is one script, which recognises its op.
	claim := s.claim(r.Caller, r.Key, canonical(r.Code), string(r.Recipient), r.Profile, r.Service, string(r.ID))
	answer, op, err := s.Store.Claim(ctx, claim)
	if err != nil {
		return Outcome{}, fmt.Errorf("codes: check: %w", err)
	}
	if answer != "" {
		return outcomeFrom(answer)
	}
	checked, err := s.check(ctx, r, policy, op, claim.Key)
	if err != nil {
		return Outcome{}, err
	}
	// A settled answer keeps a wrong code from being counted again after its
	// limit has forgotten the op. Nothing more is lost if it cannot be settled.
	claim.Op = op
	// Of requests that run at the same time the first to settle is the one that
	// happened.
	first, err := s.Store.Settle(ctx, claim, fmt.Sprintf("checked %d %d", checked.Status, checked.AttemptsLeft))
	if first || err != nil {
		s.Observer.Checked(CheckEvent{Caller: r.Caller, Profile: r.Profile, Checked: checked})
	}
	return checked.Outcome, nil
}

// claim returns the claim of a request with these arguments, of which the last
// one may hold anything.
func (s *Service) claim(caller string, k IdempotencyKey, arguments ...string) Claim {
	return Claim{
		Key:       s.Secret.digest('k', caller, k.Route, k.Value),
		Arguments: s.Secret.digest('r', arguments...),
		Op:        NewOp(),
	}
}

// failed is the answer of a create that ended in a way that nobody foresaw:
// its message may have gone out.
const failed = "failed"

// answerOf writes down what a create came to. It returns an empty answer for
// refusals, which are not kept.
func answerOf(c Created, err error) string {
	var limit *LimitError
	switch {
	case err == nil:
		return fmt.Sprintf("created %d %d %d", c.Lifetime/time.Second, c.Attempts, c.ResendAfter/time.Second)
	case errors.Is(err, ErrRejected):
		return "rejected"
	case errors.Is(err, ErrUnconfirmed):
		return "unconfirmed"
	case errors.Is(err, ErrUnavailable), errors.Is(err, ErrSenderRefused),
		errors.Is(err, ErrRecipientNotAllowed), errors.As(err, &limit):
		return ""
	}
	return failed
}

func createdFrom(answer string) (c Created, err error) {
	var lifetime, resendAfter time.Duration // seconds
	switch answer {
	case "rejected":
		return c, fmt.Errorf("codes: create: %w", ErrRejected)
	case "unconfirmed":
		return c, fmt.Errorf("codes: create: %w", ErrUnconfirmed)
	case failed:
		return c, errors.New("codes: create: the first request with this idempotency key failed")
	}
	if _, err = fmt.Sscanf(answer, "created %d %d %d", &lifetime, &c.Attempts, &resendAfter); err != nil {
		return c, fmt.Errorf("codes: create: settled answer not understood: %w", err)
	}
	c.Lifetime, c.ResendAfter = lifetime*time.Second, resendAfter*time.Second
	return c, nil
}

// outcomeFrom reads what checkOnce wrote down.
func outcomeFrom(answer string) (o Outcome, err error) {
	if _, err = fmt.Sscanf(answer, "checked %d %d", &o.Status, &o.AttemptsLeft); err != nil {
		return Outcome{}, fmt.Errorf("codes: check: settled answer not understood: %w", err)
	}
	return o, nil
}
