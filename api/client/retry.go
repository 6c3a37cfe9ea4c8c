package client

import (
	"context"
	"crypto/rand"
	"errors"
	mathrand "math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// maxRetries bounds [WithRetries]: a service that did not answer eleven times
// has an outage that a person must be told of.
const maxRetries = 10

// The first pause before a repeat where the service asks for none, and the longest.
const (
	firstPause = 100 * time.Millisecond
	maxPause   = 2 * time.Second
)

// Idempotent returns a client whose calls carry key, 1 to 255 visible ASCII
// characters, such as the id of a job: for ten minutes the same call with the
// same key has one effect and one answer, from whichever process it comes. The
// same key with other arguments is an [IdempotencyConflict]; CreateAuth and
// AuthenticateCode may share one. The other calls need none.
func (c *Client) Idempotent(key string) *Client {
	own := *c
	own.key, own.keyed = key, true
	return &own
}

// keyOf returns the Idempotency-Key of a call; "" is none.
func (c *Client) keyOf(method string) (string, error) {
	switch {
	case method != http.MethodPost: // is idempotent by itself
		return "", nil
	case !c.keyed && c.retries > 0:
		return rand.Text(), nil
	case !c.keyed:
		return "", nil
	case c.key == "" || len(c.key) > 255 || strings.IndexFunc(c.key, func(r rune) bool { return r <= ' ' || r > '~' }) >= 0:
		return "", refuse("the idempotency key must be 1 to 255 visible ASCII characters")
	}
	return c.key, nil
}

// refuse is the error of a call that the client itself does not make.
func refuse(message string) *Error {
	return &Error{Reason: InvalidAPIUsage, Message: message, AttemptsLeft: -1}
}

// pause tells whether a call that failed may be repeated, and after how long.
func pause(err error, repeats int) (wait time.Duration, may bool) {
	own := min(firstPause<<repeats, maxPause)
	var e *Error
	switch {
	case !errors.As(err, &e): // no answer; if the context ended, waitFor knows
		wait = own
	case e.Reason == ServiceUnavailable && e.RetryAfter > 0, e.Status == http.StatusConflict && e.RetryAfter > 0:
		wait = e.RetryAfter
	case e.Reason == "" && (e.Status == http.StatusBadGateway || e.Status == http.StatusServiceUnavailable || e.Status == http.StatusGatewayTimeout):
		wait = max(own, e.RetryAfter) // a proxy's: the answer is lost, or there was none
	default:
		return 0, false
	}
	return wait + mathrand.N(wait/4+1), true // not all clients at once
}

// waitFor waits, unless the context would end before.
func waitFor(ctx context.Context, wait time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < wait {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
