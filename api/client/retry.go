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

// maxRetries bounds [WithRetries]: if eleven requests fail, the outage should surface.
const maxRetries = 10

// The first and the longest pause before a retry, where the service does not ask for one.
const (
	firstPause = 100 * time.Millisecond
	maxPause   = 2 * time.Second
)

// Idempotent returns a client whose calls carry key, 1 to 255 visible ASCII characters,
// such as the id of a job. For ten minutes the same call with the same key has one effect
// and one answer, whichever process sends it. The same key with other arguments is an
// [IdempotencyConflict]. CreateAuth and AuthenticateCode may share a key; the other calls
// need none.
func (c *Client) Idempotent(key string) *Client {
	own := *c
	own.key, own.keyed = key, true
	return &own
}

// keyOf returns the Idempotency-Key of a call; "" is none.
func (c *Client) keyOf(method string) (string, error) {
	switch {
	case method != http.MethodPost: // idempotent without a key
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

// refuse is the error of a call that the client does not send.
func refuse(message string) *Error {
	return &Error{Reason: InvalidAPIUsage, Message: message, AttemptsLeft: -1}
}

// pause reports whether a failed call may be retried, and how long to wait first.
func pause(err error, repeats int) (wait time.Duration, may bool) {
	own := min(firstPause<<repeats, maxPause)
	var e *Error
	switch {
	case !errors.As(err, &e): // no answer; waitFor notices an ended context
		wait = own
	case e.Reason == ServiceUnavailable && e.RetryAfter > 0, e.Status == http.StatusConflict && e.RetryAfter > 0:
		wait = e.RetryAfter
	case e.Reason == "" && (e.Status == http.StatusBadGateway || e.Status == http.StatusServiceUnavailable || e.Status == http.StatusGatewayTimeout):
		wait = max(own, e.RetryAfter) // from a proxy: the service's answer was lost, or there was none
	default:
		return 0, false
	}
	return wait + mathrand.N(wait/4+1), true // spread the clients
}

// waitFor waits, and reports false if the context ends, or would end, earlier.
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
