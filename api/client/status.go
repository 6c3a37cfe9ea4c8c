package client

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// State is the state of the message with a code.
type State string

// The states.
const (
	StateCreated   State = "created"   // not known to be accepted; never changes if the service gets no receipts
	StateSent      State = "sent"      // accepted by the carrier
	StateDelivered State = "delivered" // accepted by the recipient's network or phone
	StateFailed    State = "failed"    // rejected on its way: offer a new code, or ask for another number
)

// Failure is who rejected a message. Later versions of the service may add failures.
type Failure string

// The failures.
const (
	PhoneRejected   Failure = "PhoneRejected"   // the phone is off, full, or blocks the sender
	NetworkRejected Failure = "NetworkRejected" // the recipient's network
	NotDelivered    Failure = "NotDelivered"    // not known
)

// Status is the status of a live code and its message.
type Status struct {
	AuthID       string // as in the call
	State        State
	Failure      Failure       // of StateFailed
	Description  string        // of StateFailed, for developers
	ExpiresIn    time.Duration // how long the code is still valid, in whole seconds
	AttemptsLeft int64         // wrong codes still allowed
}

// Status returns the status of the code of authID and its message. It changes nothing and
// is safe to repeat; net/http itself does so when a connection breaks. If there is no live
// code, it returns an [*Error] with the Reason [UnknownAuthID] or [ExpiredAuthCode].
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
