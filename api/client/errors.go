package client

import (
	"errors"
	"fmt"
	"time"
)

// Reason says why a call did not do what was asked. A later version of the
// service may have more of them: treat one that is not below as a failure.
type Reason string

// The reasons, with what an application does about them.
const (
	// InvalidAuthCode: the code is wrong. Let the person try again while
	// AttemptsLeft is more than 0; at 0 the code is void: offer a new one.
	InvalidAuthCode Reason = "InvalidAuthCode"

	// ExpiredAuthCode: the code's time ran out. Offer a new one. It is said
	// once; asked again it is UnknownAuthID.
	ExpiredAuthCode Reason = "ExpiredAuthCode"

	// UnknownAuthID: no code waits under the auth_id: none was made, or it was
	// used, canceled, tried too often, or its end was told already. Offer a new one.
	UnknownAuthID Reason = "UnknownAuthId"

	// InvalidAPIUsage: an argument breaks a rule; Message names both. No
	// attempt was spent. If it is the recipient or the code, ask the person to
	// correct it; anything else is to be corrected in the application.
	InvalidAPIUsage Reason = "InvalidAPIUsage"

	// Unauthorized: the service wants an API key and got none or a wrong one.
	// Correct the configuration.
	Unauthorized Reason = "Unauthorized"

	// RecipientNotAllowed: the service does not send to such numbers. Ask the
	// person for another number.
	RecipientNotAllowed Reason = "RecipientNotAllowed"

	// ProfileNotAllowed: the API key may not use the profile of [WithProfile].
	// Nothing was sent or spent. Use a key that may, or have the service's
	// operator add this key's name to the callers of the profile.
	ProfileNotAllowed Reason = "ProfileNotAllowed"

	// NotFound: there is no such route. Correct the endpoint.
	NotFound Reason = "NotFound"

	// MethodNotAllowed: the route does not do that. Correct the endpoint.
	MethodNotAllowed Reason = "MethodNotAllowed"

	// IdempotencyConflict: the key of [Client.Idempotent] was used with other
	// arguments before (Status 422): use a new one for a new call. Or that call is
	// still in progress (409): try again after RetryAfter.
	IdempotencyConflict Reason = "IdempotencyConflict"

	// RateLimited: a limit is reached, and Limit names it. Nothing was sent.
	// Tell the person to try again after RetryAfter, and do not try before.
	RateLimited Reason = "RateLimited"

	// MessageRejected: the carrier refuses messages to this number. Nothing was
	// sent; an earlier code is as it was. Ask the person for another number.
	MessageRejected Reason = "MessageRejected"

	// MessageUnconfirmed: it is unknown whether the carrier took the message,
	// and the code can be used. Let the person enter it, and offer a new one if
	// none arrives; do not ask for it unprompted.
	MessageUnconfirmed Reason = "MessageUnconfirmed"

	// SenderRefused: the carrier refuses the service's account or sender.
	// Nothing was sent; an earlier code is as it was. The number is not at fault:
	// the service's operator must correct its settings.
	SenderRefused Reason = "SenderRefused"

	// InternalError: the service failed. Report its RequestID to its operator.
	InternalError Reason = "InternalError"

	// ServiceUnavailable: the service cannot do it now, and nothing was sent.
	// Try again after RetryAfter. A check of a code may have counted.
	ServiceUnavailable Reason = "ServiceUnavailable"
)

// ReasonOf returns the Reason of the [*Error] in err, and "" if there is none:
// for nil too, so look at nil first.
func ReasonOf(err error) Reason {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

// Error is an answer that is not the one asked for.
type Error struct {
	Status       int           // HTTP status; 0 if the client itself refused to send the call
	Message      string        // for developers, in the words of whoever answered; Error leaves them out
	Reason       Reason        // "" if it was not the service that answered, such as a proxy in between
	AttemptsLeft int64         // wrong codes still allowed; -1 if the answer does not say
	Limit        string        // the limit that is reached, such as "SEND_LIMITS 5/10m"
	RetryAfter   time.Duration // when to try again; 0 if the answer does not say
	RequestID    string        // names the call in the service's log
}

// Error describes e in the client's own words. It repeats nothing that the
// other side said, so that it is fit for any log.
func (e *Error) Error() string {
	text := e.Reason.text()
	switch {
	case e.Reason == "":
		text = fmt.Sprintf("%s (status %d)", e.Message, e.Status)
	case text == "":
		text = fmt.Sprintf("refused for a reason that this client does not know (status %d)", e.Status)
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

func (r Reason) text() string {
	switch r {
	case InvalidAuthCode:
		return "wrong code"
	case ExpiredAuthCode:
		return "expired code"
	case UnknownAuthID:
		return "unknown auth_id"
	case InvalidAPIUsage:
		return "invalid arguments, the error's Message names the rule"
	case Unauthorized:
		return "no or wrong API key"
	case RecipientNotAllowed:
		return "recipient not allowed"
	case ProfileNotAllowed:
		return "profile not allowed for this API key"
	case NotFound:
		return "no such route, is the endpoint right?"
	case MethodNotAllowed:
		return "method not allowed, is the endpoint right?"
	case IdempotencyConflict:
		return "idempotency key in use by another call"
	case RateLimited:
		return "limit reached"
	case MessageRejected:
		return "message rejected by the carrier"
	case MessageUnconfirmed:
		return "message unconfirmed, it may arrive"
	case SenderRefused:
		return "the carrier refuses the service's account or sender"
	case InternalError:
		return "internal error of the service"
	case ServiceUnavailable:
		return "service unavailable"
	default:
		return ""
	}
}
