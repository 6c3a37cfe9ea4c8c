package codes

import (
	"errors"
	"fmt"
	"time"
)

// What can stop an operation. Everything else that an operation has to say is
// an [Outcome].
var (
	// ErrUnavailable: the store, the limiter or the sender could not do its
	// part now. Nothing was sent. Try again later.
	ErrUnavailable = errors.New("unavailable")

	// ErrNotReached is an ErrUnavailable of the store: it was certainly not
	// reached, so nothing was done.
	ErrNotReached = fmt.Errorf("%w: not reached", ErrUnavailable)

	// ErrRejected: the carrier refused this message to this number for good.
	// Nothing was sent.
	ErrRejected = errors.New("message rejected")

	// ErrSenderRefused: the carrier refused the account, the sender or the
	// address of its API. Nothing was sent, and nothing will be until the
	// operator mends the settings.
	ErrSenderRefused = errors.New("sender refused")

	// ErrTooLate is an ErrUnavailable: the time to send passed before any byte
	// of the message had left.
	ErrTooLate = fmt.Errorf("%w: too late to send", ErrUnavailable)

	// ErrUnconfirmed: it is unknown whether the carrier's API took the message.
	// The SMS may arrive, so the entry stays and the message is not sent again.
	ErrUnconfirmed = errors.New("message unconfirmed")

	// ErrProfileNotAllowed: this caller may not use the profile.
	ErrProfileNotAllowed = errors.New("profile not allowed")

	// ErrRecipientNotAllowed: the rules for recipients exclude this number.
	ErrRecipientNotAllowed = errors.New("recipient not allowed")
)

// ArgumentError says which argument of a request breaks which rule. It never
// repeats the argument's value.
type ArgumentError struct {
	Argument string // as the API names it: auth_id, recipient, code
	Rule     string // what it must be
}

func (e *ArgumentError) Error() string { return fmt.Sprintf("%s must be %s", e.Argument, e.Rule) }

// LimitError says that a limit is reached. The request took no place in any limit.
type LimitError struct {
	Kind       LimitKind
	Limit      string        // the setting and its window, such as "SEND_LIMITS 5/10m"
	RetryAfter time.Duration // whole seconds: right after them this limit lets the request pass, a second earlier it does not
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("limit %s reached, clear in %s", e.Limit, e.RetryAfter)
}

// UnavailableError is an [ErrUnavailable] that knows when to try again.
type UnavailableError struct {
	RetryAfter time.Duration
	Cause      string
}

func (e *UnavailableError) Error() string { return e.Cause + ", clear in " + e.RetryAfter.String() }

// Is makes errors.Is(err, ErrUnavailable) true.
func (e *UnavailableError) Is(target error) bool { return target == ErrUnavailable }
