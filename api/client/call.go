package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// maxAnswer bounds an answer, in bytes: far more than the service ever sends.
const maxAnswer = 64 << 10

// notOurs is the Message for an answer that the service never gives.
const notOurs = "the answer is not from this service; check the endpoint and any proxy in between"

var errBroken = errors.New("the connection broke during the answer, or the answer is not HTTP")

// answer is an answer of the service. Unknown members are ignored.
type answer struct {
	status     int
	requestID  string
	retryAfter time.Duration

	Message       string `json:"message"`
	Reason        Reason `json:"reason"`
	AuthID        string `json:"auth_id"`
	Authenticated bool   `json:"authenticated"`
	ExpiresIn     int64  `json:"expires_in"`
	ResendAfter   int64  `json:"resend_after"`
	AttemptsLeft  *int64 `json:"attempts_left"`
	Limit         string `json:"limit"`
	State         State  `json:"state"`
	Description   string `json:"description"`
}

func (c *Client) post(ctx context.Context, path, authID string, members arguments) (*answer, error) {
	body, err := json.Marshal(members)
	if err != nil {
		return nil, err
	}
	return c.call(ctx, http.MethodPost, c.endpoint.JoinPath(path), authID, body)
}

// call sends a request, and retries it as [WithRetries] allows. An answer without an error
// is JSON with status 200; the caller checks its members.
func (c *Client) call(ctx context.Context, method string, target *url.URL, authID string, body []byte) (*answer, error) {
	if !utf8.ValidString(authID) {
		// JSON would replace invalid bytes, so that two ids became one.
		return nil, refuse("auth_id must be valid UTF-8")
	}
	key, err := c.keyOf(method)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	for repeats := 0; ; repeats++ {
		a, err := c.once(ctx, method, target, key, body)
		if err == nil || repeats >= c.retries {
			return a, err
		}
		wait, may := pause(err, repeats)
		if !may || !waitFor(ctx, wait) {
			return nil, err
		}
	}
}

// once sends one request.
func (c *Client) once(ctx context.Context, method string, target *url.URL, key string, body []byte) (*answer, error) {
	var answered atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotFirstResponseByte: func() { answered.Store(true) }})
	req, err := http.NewRequestWithContext(traced, method, target.String(), bytes.NewReader(body))
	if err != nil {
		return nil, withoutSecrets(ctx, err, false)
	}
	c.authorize(req.Header)
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, withoutSecrets(ctx, err, answered.Load())
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return nil, withoutSecrets(ctx, err, true)
	}
	return read(res, text)
}

// withoutSecrets removes from a transport error the URL, which may hold an auth_id, and
// the answer: net/http quotes a malformed one, which may repeat the request.
func withoutSecrets(ctx context.Context, err error, answered bool) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var withURL *url.Error
	for errors.As(err, &withURL) {
		err = withURL.Err
	}
	var netErr net.Error
	if !answered || errors.As(err, &netErr) && netErr.Timeout() {
		return err
	}
	return errBroken
}

func read(res *http.Response, text []byte) (*answer, error) {
	a := &answer{status: res.StatusCode, requestID: res.Header.Get("X-Request-Id")}
	if !isRequestID(a.requestID) {
		a.requestID = ""
	}
	if n, err := strconv.ParseInt(res.Header.Get("Retry-After"), 10, 64); err == nil {
		a.retryAfter = seconds(n)
	}
	ok := a.status == http.StatusOK
	switch {
	case len(text) > maxAnswer:
		return nil, a.unexpected("the answer is longer than any of this service; check the endpoint")
	case a.status >= 300 && a.status < 400:
		return nil, a.unexpected("the answer is a redirect, which is not followed; check the endpoint")
	case json.Unmarshal(text, a) != nil, !ok && a.Reason == "":
		return nil, a.unexpected(notOurs)
	case ok:
		return a, nil
	}
	e := a.unexpected(a.Message)
	e.Reason, e.Limit = a.Reason, a.Limit
	if a.AttemptsLeft != nil && *a.AttemptsLeft >= 0 {
		e.AttemptsLeft = *a.AttemptsLeft
	}
	return nil, e
}

// unexpected returns the error of an answer without a reason.
func (a *answer) unexpected(message string) *Error {
	return &Error{Status: a.status, Message: message, AttemptsLeft: -1, RetryAfter: a.retryAfter, RequestID: a.requestID}
}

// seconds returns n seconds, or 0 if n is negative or too large for a Duration.
func seconds(n int64) time.Duration {
	if n < 0 || n > math.MaxInt64/int64(time.Second) {
		return 0
	}
	return time.Duration(n) * time.Second
}

// isRequestID reports whether s is a request id of the service and safe to log.
func isRequestID(s string) bool {
	const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
	return len(s) <= 64 && strings.Trim(s, allowed) == ""
}
