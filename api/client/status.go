package client

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// State is how far the message with a code has got.
type State string

// The states.
const (
	StateCreated   State = "created"   // it is not known whether the carrier took it; the service may not ask for receipts
	StateSent      State = "sent"      // the carrier took it
	StateDelivered State = "delivered" // the recipient's network or phone took it
	StateFailed    State = "failed"    // it was rejected on its way: offer a new code, or another number
)

// Failure says who rejected a message. A later version of the service may
// have more of them.
type Failure string

// The failures.
const (
	PhoneRejected   Failure = "PhoneRejected"   // the phone is off, full, or blocks the sender
	NetworkRejected Failure = "NetworkRejected" // the recipient's network
	NotDelivered    Failure = "NotDelivered"    // it is not known
)

// Status is how a live code and its message stand.
type Status struct {
	AuthID       string // as it was given
	State        State
	Failure      Failure       // of StateFailed
	Description  string        // of StateFailed, for developers
	ExpiresIn    time.Duration // how long the code can still be used, whole seconds
	AttemptsLeft int64         // wrong codes that are still allowed
}

// Status tells how the code under authID and its message stand. It spends
// nothing and may be repeated, which net/http does by itself on a connection
// that breaks. Where there is no live code the error is an
// [*Error] with the Reason [UnknownAuthID] or [ExpiredAuthCode].
func (c *Client) Status(ctx context.Context, authID string, opts ...AuthOption) (*Status, error) {
	target := c.endpoint.JoinPath("/status")
	target.RawQuery = queryOf(authID, opts)
	a, err := c.call(ctx, http.MethodGet, target, authID, nil)
	if err == nil && (a.AuthID != authID || a.State == "" || a.AttemptsLeft == nil || *a.AttemptsLeft < 1 || seconds(a.ExpiresIn) == 0) {
		err = a.unexpected(notOurs)
	}
	if err != nil {
		return nil, fmt.Errorf("client: status: %w", err)
	}
	return &Status{
		AuthID: a.AuthID, State: a.State, Failure: Failure(a.Reason), Description: a.Description,
		ExpiresIn: seconds(a.ExpiresIn), AttemptsLeft: *a.AttemptsLeft,
	}, nil
}
