package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// State is how far a message has come, as far as the carrier has told.
type State string

// The states of a message. A later version of the service may have more.
const (
	Created   State = "created"   // made; whether the carrier took it is not known
	Sent      State = "sent"      // the carrier took it
	Delivered State = "delivered" // the network or the phone took it; a phone that is off looks like this too
	Failed    State = "failed"    // it was rejected on its way: offer the person a new code, or to correct the number
)

// Status is how a live code and its message stand.
type Status struct {
	AuthID       string        // as it was given
	State        State         // never more than [Created] if the service asks for no delivery receipts
	Failure      string        // why it is [Failed]: PhoneRejected, NetworkRejected, NotDelivered, or another
	Description  string        // of the failure, for developers
	AttemptsLeft int64         // wrong codes that are still allowed
	ExpiresIn    time.Duration // how long the code can still be used, whole seconds
}

// Status looks at the code under authID. It changes and spends nothing. Where
// there is no live code it returns an [*Error] with [UnknownAuthID] or
// [ExpiredAuthCode].
func (c *Client) Status(ctx context.Context, authID string) (*Status, error) {
	target := c.endpoint.JoinPath("/status")
	target.RawQuery = url.Values{"auth_id": {authID}}.Encode()
	a, err := c.call(ctx, http.MethodGet, target, authID, nil)
	if err == nil && (a.AuthID != authID || a.State == "" || a.AttemptsLeft == nil || seconds(a.ExpiresIn) == 0) {
		err = a.unexpected(notOurs)
	}
	if err != nil {
		return nil, fmt.Errorf("client: status: %w", err)
	}
	return &Status{
		AuthID: a.AuthID, State: a.State, Failure: string(a.Reason), Description: a.Description,
		AttemptsLeft: *a.AttemptsLeft, ExpiresIn: seconds(a.ExpiresIn),
	}, nil
}
