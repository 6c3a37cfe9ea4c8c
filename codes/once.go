package codes

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
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
	return "request with this idempotency key in progress, over in " + e.RetryAfter.String()
}

// Key is an idempotency key: a request of the same caller on the same route
// with the same key is the same request.
type Key struct{ Caller, Route, Value string }

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
	// the claim. It does nothing if the claim is not c's any more. It tells
	// whether it is the first to keep an answer.
	Settle(ctx context.Context, c Claim, answer string) (first bool, err error)
}

// Once is a Service that also runs requests at most once per idempotency key.
type Once struct {
	*Service
	claims Claims
	lease  time.Duration
	doubts *leftovers // claims whose reply was lost: in nobody's way once their lease is over
}

// maxDoubts bounds the claims that are dropped when the store is back.
const maxDoubts = 250

// NewOnce returns a Once; lease bounds the time that a create takes.
func NewOnce(s *Service, c Claims, lease time.Duration) *Once {
	return &Once{s, c, lease, newLeftovers(maxDoubts, lease)}
}

// Finish is that of the Service. Claims of requests that were refused are left
// to their leases.
func (o *Once) Finish(ctx context.Context) error {
	o.doubts.drop()
	return o.Service.Finish(ctx)
}

// CreateOnce is Create, but for a key that came before: then it gives the
// first answer, without the carrier's id, and has no effect. Refusals that had
// none are forgotten. A request that was cut off is run afresh when its time
// is over.
func (o *Once) CreateOnce(ctx context.Context, k Key, id ID, to Phone) (Created, error) {
	ctx = context.WithoutCancel(ctx)
	claim := o.claim(k, string(id)+"\x00"+string(to))
	claim.Lease = o.lease
	// What is not done when the lease is over must not be done any more:
	// somebody else may be doing it. The lease begins when the claim is made,
	// so its time is taken before that.
	bounded, cancel := context.WithTimeout(ctx, o.lease)
	defer cancel()
	answer, _, err := o.claims.Claim(bounded, claim)
	if errors.Is(err, ErrUnavailable) {
		// It may have been made all the same, and would be in the way of the
		// request when that is repeated.
		o.doubts.add(func(ctx context.Context) error { _, err := o.claims.Settle(ctx, claim, ""); return err })
	}
	if err != nil {
		return Created{}, fmt.Errorf("codes: create once: %w", err)
	}
	if answer != "" {
		created, err := createdFrom(answer)
		created.Recipient, created.Area, created.Repeated = o.hasher.Phone(to), to.Area(), true
		return created, err
	}
	answer = failed // what a panic came to
	// If it cannot be settled the answer is true all the same. The same key is
	// in progress until it can, or as after a crash until the lease is over.
	defer func() {
		settle := func(ctx context.Context) error { _, err := o.claims.Settle(ctx, claim, answer); return err }
		if settle(ctx) != nil {
			o.left.add(settle)
		}
	}()
	created, err := o.create(bounded, id, to)
	answer = answerOf(created, err)
	return created, err
}

// VerifyOnce is Verify, but for a key that came before: then it gives the
// first answer and has no effect.
func (o *Once) VerifyOnce(ctx context.Context, k Key, id ID, code Code) (Outcome, error) {
	ctx = context.WithoutCancel(ctx)
	// A check needs no lease: it is one script, which knows its op again.
	claim := o.claim(k, string(id)+"\x00"+canonical(code))
	answer, op, err := o.claims.Claim(ctx, claim)
	if err != nil {
		return Outcome{}, fmt.Errorf("codes: verify once: %w", err)
	}
	if answer != "" {
		return outcomeFrom(answer)
	}
	outcome, err := o.verify(ctx, id, code, op, KeepAnswers)
	if err == nil {
		// From now on a wrong code is not even counted again, which the op
		// prevents only for as long as the limit remembers it. If it cannot be
		// settled, that much is left.
		claim.Op = op
		// Of requests that run at the same time the first to settle counts.
		first, err := o.claims.Settle(ctx, claim, fmt.Sprintf("checked %d %d", outcome.Status, outcome.Left))
		outcome.Repeated = err == nil && !first
	}
	return outcome, err
}

func (o *Once) claim(k Key, arguments string) Claim {
	name := k.Caller + "\x00" + k.Route + "\x00" + k.Value
	return Claim{Key: o.hasher.digest('k', name, ""), Arguments: o.hasher.digest('r', arguments, ""), Op: NewOp()}
}

// failed is the answer of a create that ended in a way that nobody foresaw:
// its message may have gone out.
const failed = "failed"

// answerOf writes down what a create came to; empty is nothing that counts.
func answerOf(c Created, err error) string {
	var limit *LimitError
	switch {
	case err == nil:
		return fmt.Sprintf("created %d %d", int64(c.Expiration/time.Second), c.Attempts)
	case errors.Is(err, ErrRejected):
		return "rejected"
	case errors.Is(err, ErrUnconfirmed):
		return "unconfirmed"
	case errors.Is(err, ErrUnavailable), errors.Is(err, ErrRecipientNotAllowed), errors.As(err, &limit):
		return ""
	}
	return failed
}

func createdFrom(answer string) (Created, error) {
	words := strings.Fields(answer)
	switch {
	case len(words) == 3 && words[0] == "created":
		expiration, errE := strconv.ParseInt(words[1], 10, 64)
		attempts, errA := strconv.ParseInt(words[2], 10, 64)
		if errE == nil && errA == nil {
			return Created{Expiration: time.Duration(expiration) * time.Second, Attempts: attempts}, nil
		}
	case answer == "rejected":
		return Created{}, fmt.Errorf("codes: create once: %w", ErrRejected)
	case answer == "unconfirmed":
		return Created{}, fmt.Errorf("codes: create once: %w", ErrUnconfirmed)
	}
	return Created{}, errors.New("codes: create once: the first failed")
}

// outcomeFrom reads what VerifyOnce wrote down. Whom a wrong code counts for
// is not in it: it has been counted.
func outcomeFrom(answer string) (o Outcome, err error) {
	if _, err = fmt.Sscanf(answer, "checked %d %d", &o.Status, &o.Left); err != nil {
		return Outcome{}, fmt.Errorf("codes: verify once: answer not understood: %w", err)
	}
	o.Repeated = true
	return o, nil
}
