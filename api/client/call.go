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

// maxAnswer is far more than the service ever answers, in bytes.
const maxAnswer = 64 << 10

// notOurs is the Message of an answer that the service does not give.
const notOurs = "the answer is not the JSON of this service; is the endpoint right, or did a proxy answer?"

var errBroken = errors.New("the connection broke during the answer, or the answer is not HTTP")

// answer is what the service says. Its members that the client does not know
// are ignored.
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

// call makes a request, and repeats it as [WithRetries] allows. The answer it
// returns without an error is a 200 and JSON; whether it says what it should is
// for the caller to see.
func (c *Client) call(ctx context.Context, method string, target *url.URL, authID string, body []byte) (*answer, error) {
	if !utf8.ValidString(authID) {
		// JSON would turn the invalid bytes of different ids into the same character.
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

// once makes one request.
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

// withoutSecrets returns a transport error without the URL, which may hold an
// auth_id, and without what the other side sent, which may be what it was sent:
// net/http quotes a malformed answer.
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
		return nil, a.unexpected("the answer is longer than any of this service; is the endpoint right?")
	case a.status >= 300 && a.status < 400:
		return nil, a.unexpected("the answer is a redirect, which is not followed; is the endpoint right?")
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

// unexpected is the error of an answer that has no reason.
func (a *answer) unexpected(message string) *Error {
	return &Error{Status: a.status, Message: message, AttemptsLeft: -1, RetryAfter: a.retryAfter, RequestID: a.requestID}
}

// seconds returns n seconds, or 0 if they are no time to wait or too many for
// a Duration.
func seconds(n int64) time.Duration {
	if n < 0 || n > math.MaxInt64/int64(time.Second) {
		return 0
	}
	return time.Duration(n) * time.Second
}

// isRequestID keeps out of the caller's logs what no request id of the service is.
func isRequestID(s string) bool {
	const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
	return len(s) <= 64 && strings.Trim(s, allowed) == ""
}
