package client

import (
	"errors"
	"fmt"
	"time"
)

// Reason is why a call failed. Later versions of the service may add reasons: treat one
// that is not listed here as a failure.
type Reason string

// The reasons, and what an application should do about each.
const (
	// InvalidAuthCode: the code is wrong. Let the person try again while AttemptsLeft
	// is above 0. At 0 the code is void: offer a new one.
	InvalidAuthCode Reason = "InvalidAuthCode"

	// ExpiredAuthCode: the code has expired. Offer a new one. Only the first check after
	// the expiry gets this reason, later ones get UnknownAuthID.
	ExpiredAuthCode Reason = "ExpiredAuthCode"

	// UnknownAuthID: the auth_id has no live code: none was created, it was used,
	// canceled or tried too often, or its expiry was reported before. Offer a new one.
	UnknownAuthID Reason = "UnknownAuthId"

	// InvalidAPIUsage: an argument breaks a rule; Message names both. No attempt was
	// used up. If it is the recipient or the code, ask the person to correct it. Any
	// other argument is a mistake of the application.
	InvalidAPIUsage Reason = "InvalidAPIUsage"

	// Unauthorized: the API key is missing or wrong. Correct the configuration.
	Unauthorized Reason = "Unauthorized"

	// RecipientNotAllowed: the service does not send to this number. Ask the person for
	// another one.
	RecipientNotAllowed Reason = "RecipientNotAllowed"

	// ProfileNotAllowed: the API key may not use the profile of [WithProfile].
	// Nothing was sent or checked. Use another key, or ask the service's operator to add
	// this key's name to the callers of the profile.
	ProfileNotAllowed Reason = "ProfileNotAllowed"

	// NotFound: the route does not exist. Correct the endpoint.
	NotFound Reason = "NotFound"

	// MethodNotAllowed: the route does not have this method. Correct the endpoint.
	MethodNotAllowed Reason = "MethodNotAllowed"

	// IdempotencyConflict: the key of [Client.Idempotent] was used with other arguments
	// (Status 422): use a new key for a new call. Or that call is still running (409):
	// retry after RetryAfter.
	IdempotencyConflict Reason = "IdempotencyConflict"

	// RateLimited: the limit in Limit was reached. Nothing was sent. Tell the person to
	// try again after RetryAfter, and do not retry earlier.
	RateLimited Reason = "RateLimited"

	// MessageRejected: the carrier refused the message to this number. Nothing was sent,
	// and a live code is unchanged. Ask the person for another number.
	MessageRejected Reason = "MessageRejected"

	// MessageUnconfirmed: it is unknown whether the carrier accepted the message. The
	// code is valid. Let the person enter it, and offer a new one if it does not arrive,
	// but do not request one without being asked.
	MessageUnconfirmed Reason = "MessageUnconfirmed"

	// SenderRefused: the carrier refused the service's account or sender. Nothing was
	// sent, and a live code is unchanged. The number is not at fault: the service's
	// operator must correct its settings.
	SenderRefused Reason = "SenderRefused"

	// InternalError: the service failed. Report its RequestID to its operator.
	InternalError Reason = "InternalError"

	// ServiceUnavailable: the service is overloaded, or cannot reach Redis or the
	// carrier. Nothing was sent. Retry after RetryAfter. A check may have counted.
	ServiceUnavailable Reason = "ServiceUnavailable"
)

// ReasonOf returns the Reason of the [*Error] in err, or "" if err is nil or holds none.
func ReasonOf(err error) Reason {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

// Error is an answer that says that a call failed.
type Error struct {
	Status       int           // HTTP status; 0 if the client itself refused the call
	Message      string        // for developers; as received, so not part of Error's text
	Reason       Reason        // "" if something else than the service answered, such as a proxy
	AttemptsLeft int64         // wrong codes still allowed; -1 if not known
	Limit        string        // the limit that was reached, such as "SEND_LIMITS 5/10m"
	RetryAfter   time.Duration // how long to wait before a retry; 0 if not known
	RequestID    string        // identifies the call in the service's log
}

// Error describes e in the client's own words. It repeats nothing of the answer, so it is
// safe to log.
func (e *Error) Error() string {
	text := texts[e.Reason]
	switch {
	case e.Reason == "":
		text = fmt.Sprintf("%s (status %d)", e.Message, e.Status)
	case text == "":
		text = fmt.Sprintf("refused for an unknown reason (status %d)", e.Status)
	case e.Reason == InvalidAuthCode && e.AttemptsLeft == 1:
		text += ", 1 attempt left"
	case e.Reason == InvalidAuthCode && e.AttemptsLeft >= 0:
		text += fmt.Sprintf(", %d attempts left", e.AttemptsLeft)
	}
	if e.RetryAfter > 0 {
		text += ", try again in " + e.RetryAfter.String()
	}
	return text
}

// texts are the client's own words for the reasons.
var texts = map[Reason]string{
	InvalidAuthCode:     "wrong code",
	ExpiredAuthCode:     "expired code",
	UnknownAuthID:       "unknown auth_id",
	InvalidAPIUsage:     "invalid arguments, the error's Message names the rule",
	Unauthorized:        "no or wrong API key",
	RecipientNotAllowed: "recipient not allowed",
	ProfileNotAllowed:   "profile not allowed for this API key",
	NotFound:            "no such route, check the endpoint",
	MethodNotAllowed:    "method not allowed, check the endpoint",
	IdempotencyConflict: "idempotency key in use by another call",
	RateLimited:         "limit reached",
	MessageRejected:     "message rejected by the carrier",
	MessageUnconfirmed:  "message unconfirmed, it may arrive",
	SenderRefused:       "the carrier refuses the service's account or sender",
	InternalError:       "internal error of the service",
	ServiceUnavailable:  "service unavailable",
}
