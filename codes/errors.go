package codes

import (
	"errors"
	"fmt"
	"time"
)

// The errors that a caller can match. Every other answer of an operation is a
// value, such as an [Outcome].
var (
	// ErrUnavailable: the store or the carrier is unavailable, or has no
	// capacity. Nothing was sent. Retry later.
	ErrUnavailable = errors.New("unavailable")

	// ErrNotReached is an ErrUnavailable of the store: it was certainly not
	// reached, so nothing was done.
	ErrNotReached = fmt.Errorf("%w: not reached", ErrUnavailable)

	// ErrRejected: the carrier rejected this message to this number for good.
	// Nothing was sent.
	ErrRejected = errors.New("message rejected")

	// ErrSenderRefused: the carrier refused the account, the sender or the
	// address of its API. Nothing was sent, and nothing will be until the
	// operator corrects the settings.
	ErrSenderRefused = errors.New("sender refused")

	// ErrTooLate is an ErrUnavailable: the time to send passed before any byte
	// of the message had left.
	ErrTooLate = fmt.Errorf("%w: too late to send", ErrUnavailable)

	// ErrUnconfirmed: it is unknown whether the carrier accepted the message. The
	// SMS may arrive, so the entry stays and the message is not sent again.
	ErrUnconfirmed = errors.New("message unconfirmed")

	// ErrProfileNotAllowed: this caller may not use the profile.
	ErrProfileNotAllowed = errors.New("profile not allowed")

	// ErrRecipientNotAllowed: the rules for recipients exclude this number.
	ErrRecipientNotAllowed = errors.New("recipient not allowed")
)

// ArgumentError names an argument of a request and the rule that it breaks. It
// never repeats the argument's value.
type ArgumentError struct {
	Argument string // as the API names it: auth_id, recipient, code
	Rule     string // what it must be
}

func (e *ArgumentError) Error() string { return fmt.Sprintf("%s must be %s", e.Argument, e.Rule) }

// LimitError says that a limit is reached. The request counts under no limit.
type LimitError struct {
	Kind       LimitKind
	Limit      string        // the setting and its window, such as "SEND_LIMITS 5/10m"
	RetryAfter time.Duration // the fewest whole seconds after which this limit lets the request pass
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("limit %s reached; retry in %s", e.Limit, e.RetryAfter)
}

// UnavailableError is an [ErrUnavailable] that knows when to retry.
type UnavailableError struct {
	RetryAfter time.Duration
	Cause      string
}

func (e *UnavailableError) Error() string { return e.Cause + "; retry in " + e.RetryAfter.String() }

// Is makes errors.Is(err, ErrUnavailable) true.
func (e *UnavailableError) Is(target error) bool { return target == ErrUnavailable }

// IsRefusal reports whether a limit or the send rate refused a request.
func IsRefusal(err error) bool {
	_, limited := errors.AsType[*LimitError](err)
	_, busy := errors.AsType[*UnavailableError](err)
	return limited || busy
}
