package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/flowroute/sms-verification/codes"
)

// Reason is the machine-readable cause of an error answer.
type Reason string

// The reasons.
const (
	InvalidAuthCode     Reason = "InvalidAuthCode"
	ExpiredAuthCode     Reason = "ExpiredAuthCode"
	UnknownAuthID       Reason = "UnknownAuthId"
	InvalidAPIUsage     Reason = "InvalidAPIUsage"
	Unauthorized        Reason = "Unauthorized"
	RecipientNotAllowed Reason = "RecipientNotAllowed"
	ProfileNotAllowed   Reason = "ProfileNotAllowed"
	NotFound            Reason = "NotFound"
	MethodNotAllowed    Reason = "MethodNotAllowed"
	IdempotencyConflict Reason = "IdempotencyConflict"
	RateLimited         Reason = "RateLimited"
	MessageRejected     Reason = "MessageRejected"
	MessageUnconfirmed  Reason = "MessageUnconfirmed"
	SenderRefused       Reason = "SenderRefused"
	InternalError       Reason = "InternalError"
	ServiceUnavailable  Reason = "ServiceUnavailable"
)

// statuses is the one table from reason to status. Two reasons have further statuses:
// InvalidAPIUsage for a body that is too large or of the wrong type, IdempotencyConflict
// while the first request is still running.
var statuses = map[Reason]int{
	InvalidAuthCode:     http.StatusBadRequest,
	ExpiredAuthCode:     http.StatusBadRequest,
	UnknownAuthID:       http.StatusBadRequest,
	InvalidAPIUsage:     http.StatusBadRequest,
	Unauthorized:        http.StatusUnauthorized,
	RecipientNotAllowed: http.StatusForbidden,
	ProfileNotAllowed:   http.StatusForbidden,
	NotFound:            http.StatusNotFound,
	MethodNotAllowed:    http.StatusMethodNotAllowed,
	IdempotencyConflict: http.StatusUnprocessableEntity,
	RateLimited:         http.StatusTooManyRequests,
	MessageRejected:     http.StatusInternalServerError,
	MessageUnconfirmed:  http.StatusInternalServerError,
	SenderRefused:       http.StatusInternalServerError,
	InternalError:       http.StatusInternalServerError,
	ServiceUnavailable:  http.StatusServiceUnavailable,
}

// failure is the error of a handler, which the dialect writes as an answer.
type failure struct {
	reason       Reason
	status       int // 0 is the reason's own
	message      string
	argument     string // at fault, of InvalidAPIUsage; may be empty
	attemptsLeft *int64 // of a check; else nil
	limit        string // of RateLimited
	retryAfter   int64  // seconds; 0 is not known
	cause        error  // for the log
}

func (f *failure) Error() string { return string(f.reason) }
func (f *failure) Unwrap() error { return f.cause }

func fail(r Reason, message string) *failure {
	return &failure{reason: r, message: message}
}

func invalid(status int, message string) *failure {
	return &failure{reason: InvalidAPIUsage, status: status, message: message}
}

// notVerified is the answer to a check that found no code or a wrong one.
func notVerified(r Reason, message string, left int64) *failure {
	return &failure{reason: r, message: message, attemptsLeft: &left}
}

// asFailure maps any error to its answer.
func asFailure(err error) *failure {
	var (
		known    *failure
		argument *codes.ArgumentError
		limit    *codes.LimitError
		busy     *codes.UnavailableError
		running  *codes.InProgressError
		routing  *echo.HTTPError
	)
	f := fail(InternalError, "Internal error")
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &argument):
		f = invalid(0, argument.Error())
		f.argument = argument.Argument
	case errors.As(err, &limit):
		f = fail(RateLimited, "Limit reached: "+limit.Limit)
		f.limit = limit.Limit
		f.retryAfter = seconds(limit.RetryAfter)
	case errors.Is(err, codes.ErrRecipientNotAllowed):
		f = fail(RecipientNotAllowed, "Messages to this number are not allowed")
	case errors.Is(err, codes.ErrProfileNotAllowed):
		f = fail(ProfileNotAllowed, "This API key may not use the profile; its operator can add the key's name to the profile's callers")
	case errors.Is(err, codes.ErrRejected):
		f = fail(MessageRejected, "The message was refused by the carrier; check the number, or ask its owner whether the phone accepts SMS")
	case errors.Is(err, codes.ErrSenderRefused):
		f = fail(SenderRefused, "The carrier refuses this service's account or sender; its operator must correct the settings. Nothing was sent")
	case errors.Is(err, codes.ErrUnconfirmed):
		f = fail(MessageUnconfirmed, "The message may or may not have been sent; the code is valid if it arrives")
	case errors.Is(err, codes.ErrKeyReused):
		f = fail(IdempotencyConflict, "This Idempotency-Key came with other arguments; use a new one for a new request")
	case errors.As(err, &running):
		f = fail(IdempotencyConflict, "The request with this Idempotency-Key is still running; ask again later")
		f.status = http.StatusConflict
		f.retryAfter = seconds(running.RetryAfter)
	case errors.As(err, &busy):
		f = fail(ServiceUnavailable, "Too busy; try again later")
		f.retryAfter = seconds(busy.RetryAfter)
	case errors.Is(err, codes.ErrUnavailable):
		f = fail(ServiceUnavailable, "Not available; try again later")
		f.retryAfter = 1
	case errors.As(err, &routing) && routing.Code == http.StatusNotFound:
		f = fail(NotFound, "No such route")
	case errors.As(err, &routing) && routing.Code == http.StatusMethodNotAllowed:
		f = fail(MethodNotAllowed, "Method not allowed here; see the Allow header")
	}
	f.cause = err
	return f
}

// seconds rounds up: a caller that comes back early would be refused again.
func seconds(d time.Duration) int64 {
	return int64((max(d, time.Second) + time.Second - 1) / time.Second)
}

// Header values that answers share. Nothing changes header values in place.
var (
	typeJSON = []string{echo.MIMEApplicationJSON}
	noStore  = []string{"no-store"}
)

// reply sends a JSON body with its length.
func reply(c echo.Context, status int, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	c.Response().Header()[echo.HeaderContentType] = typeJSON
	return c.JSONBlob(status, append(text, '\n'))
}
