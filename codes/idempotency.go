package codes

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// KeepAnswers is how long the answer to a request with an idempotency key is kept.
const KeepAnswers = 10 * time.Minute

// ErrKeyReused says that an idempotency key was used before with other arguments.
var ErrKeyReused = errors.New("idempotency key reused with other arguments")

// InProgressError says that the request with this idempotency key is still
// running, or was interrupted and may be. Its answer is known after RetryAfter.
type InProgressError struct{ RetryAfter time.Duration }

func (e *InProgressError) Error() string {
	return "request with this idempotency key in progress; retry in " + e.RetryAfter.String()
}

// IdempotencyKey names a request: requests of one caller on one route with the
// same Value are the same request. An empty Value is no key.
type IdempotencyKey struct{ Route, Value string }

// Claim asks to run the request of an idempotency key.
type Claim struct {
	Key       Digest
	Arguments Digest
	Op        Op
	Lease     time.Duration // for which nobody else may run the request; 0 lets anybody
}

// Claims remember requests by their idempotency keys, for any number of
// replicas at once. Their errors are ErrKeyReused, *InProgressError and
// ErrUnavailable.
type Claims interface {
	// Claim returns the answer that was settled, or, if there is none, the op
	// under which to run the request. That is the claim's own op, if it is the
	// first or the lease of the one before it has expired. Without a lease, it is
	// the first claim's op.
	Claim(ctx context.Context, c Claim) (answer string, op Op, err error)

	// Settle keeps the answer for the rest of KeepAnswers. An empty answer drops
	// the claim. It does nothing if the claim is no longer c's. It reports whether
	// it is the first to keep an answer.
	Settle(ctx context.Context, c Claim, answer string) (first bool, err error)
}

// createOnce is create for a request with an idempotency key. If the key was used
// before, it returns the first answer and has no effect. Refusals that had no
// effect are not kept. A request that was interrupted runs again once its deadline
// has passed.
func (s *Service) createOnce(ctx context.Context, c *creation) (created Created, err error) {
	client := s.Secret.Client(c.Caller, c.Client).String() // a digest, since a client may hold a zero byte
	claim := s.claim(c.Caller, c.Key, string(c.Recipient), c.Profile, c.Service, string(c.Locale), client, string(c.ID))
	deadline, _ := ctx.Deadline()
	claim.Lease = time.Until(deadline)
	settle := func(ctx context.Context, answer string) error {
		_, err := s.Store.Settle(ctx, claim, answer)
		return err
	}
	answer, _, err := s.Store.Claim(ctx, claim)
	if errors.Is(err, ErrUnavailable) {
		// The claim may exist all the same. It would block a retry of the request.
		s.orphanedClaims.add(func(ctx context.Context) error { return settle(ctx, "") })
	}
	if err != nil {
		return Created{}, err
	}
	if answer != "" {
		created, err = createdFrom(answer)
		created.Repeated = true
		return created, err
	}
	answer = failed // stays if create panics
	// The caller gets the answer even if it cannot be settled. Until it is, or until
	// the lease expires, the key is in progress.
	defer func() {
		if settle(context.WithoutCancel(ctx), answer) != nil {
			s.cleanup.add(func(ctx context.Context) error { return settle(ctx, answer) })
		}
	}()
	created, err = s.create(ctx, c)
	answer = answerOf(created, err)
	return created, err
}

// checkOnce is check for a request with an idempotency key. If the key was used
// before, it returns the first answer and has no effect.
func (s *Service) checkOnce(ctx context.Context, r CheckRequest, policy *Policy) (Outcome, error) {
	// A check needs no lease, since it takes effect once per op.
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
	// A settled answer keeps a wrong code from being counted again after its limit
	// has forgotten the op. If it cannot be settled, nothing else is lost.
	claim.Op = op
	// Of requests that run at the same time, only the first to settle is reported.
	first, err := s.Store.Settle(ctx, claim, fmt.Sprintf("checked %d %d", checked.Status, checked.AttemptsLeft))
	if first || err != nil {
		s.Observer.Checked(CheckEvent{Caller: r.Caller, Profile: r.Profile, Checked: checked})
	}
	return checked.Outcome, nil
}

// claim returns the claim of a request with these arguments. Only the last one may
// hold a zero byte.
func (s *Service) claim(caller string, k IdempotencyKey, arguments ...string) Claim {
	return Claim{
		Key:       s.Secret.digest('k', caller, k.Route, k.Value),
		Arguments: s.Secret.digest('r', arguments...),
		Op:        NewOp(),
	}
}

// failed is the answer of a create that ended in an unforeseen way: its message may
// have gone out.
const failed = "failed"

// answerOf encodes the result of a create. It returns an empty answer for refusals,
// which are not kept.
func answerOf(c Created, err error) string {
	_, limited := errors.AsType[*LimitError](err)
	switch {
	case err == nil:
		return fmt.Sprintf("created %d %d %d", c.Lifetime/time.Second, c.Attempts, c.ResendAfter/time.Second)
	case errors.Is(err, ErrRejected):
		return "rejected"
	case errors.Is(err, ErrUnconfirmed):
		return "unconfirmed"
	case limited, errors.Is(err, ErrUnavailable), errors.Is(err, ErrSenderRefused), errors.Is(err, ErrRecipientNotAllowed):
		return ""
	}
	return failed
}

// createdFrom decodes an answer of answerOf.
func createdFrom(answer string) (c Created, err error) {
	switch answer {
	case "rejected":
		return c, ErrRejected
	case "unconfirmed":
		return c, ErrUnconfirmed
	case failed:
		return c, errors.New("the first request with this idempotency key failed")
	}
	if _, err = fmt.Sscanf(answer, "created %d %d %d", &c.Lifetime, &c.Attempts, &c.ResendAfter); err != nil {
		return Created{}, fmt.Errorf("invalid settled answer: %w", err)
	}
	c.Lifetime *= time.Second
	c.ResendAfter *= time.Second
	return c, nil
}

// outcomeFrom decodes an answer of checkOnce.
func outcomeFrom(answer string) (o Outcome, err error) {
	if _, err = fmt.Sscanf(answer, "checked %d %d", &o.Status, &o.AttemptsLeft); err != nil {
		return Outcome{}, fmt.Errorf("codes: check: invalid settled answer: %w", err)
	}
	return o, nil
}
