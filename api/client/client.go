package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// defaultTimeout is a little more than the service takes at most with its own defaults:
// 2s for its turn to send, 10s for the carrier, and the store.
const defaultTimeout = 15 * time.Second

// Client calls one service. It is safe for concurrent use.
type Client struct {
	endpoint *url.URL
	http     *http.Client
	timeout  time.Duration
	retries  int
	key      string // of Idempotent, if keyed
	keyed    bool
	// authorize holds the API key. It is a function so that no way of printing a Client
	// shows the key.
	authorize func(http.Header)
}

// Option changes how a [Client] calls the service.
type Option func(*Client) error

// WithAPIKey sends the key with every call. An empty key sends none, for a service
// without API keys.
func WithAPIKey(key string) Option {
	return func(c *Client) error {
		for i := range len(key) {
			if key[i] <= ' ' || key[i] > '~' {
				return errors.New("API key: must be visible ASCII characters, without blanks or a line break")
			}
		}
		c.authorize = func(h http.Header) {
			if key != "" {
				h.Set("Authorization", "Bearer "+key)
			}
		}
		return nil
	}
}

// WithHTTPClient calls through h, for example with another transport, proxy or
// certificates. The client does not change h, and follows no redirects whatever h says.
func WithHTTPClient(h *http.Client) Option {
	return func(c *Client) error {
		if h == nil {
			return errors.New("HTTP client: must not be nil")
		}
		c.http = h
		return nil
	}
}

// WithTimeout bounds every call, with all its retries; the context may end it earlier. The
// default is 15s. With a shorter timeout a call can fail although the SMS was sent.
func WithTimeout(d time.Duration) Option {
	return func(c *Client) error {
		if d <= 0 {
			return errors.New("timeout: must be more than 0")
		}
		c.timeout = d
		return nil
	}
}

// WithRetries retries a call up to n times, 0 to 10, if it got no answer or a
// [ServiceUnavailable]. Without this option nothing is retried. Each call then carries an
// Idempotency-Key, so that it has one effect however often it is sent. A retry waits as
// long as the service asks, else a fraction of a second that doubles. There is no retry if
// the wait would outlast the context or [WithTimeout].
func WithRetries(n int) Option {
	return func(c *Client) error {
		if n < 0 || n > maxRetries {
			return fmt.Errorf("retries: must be 0 to %d", maxRetries)
		}
		c.retries = n
		return nil
	}
}

// New returns a client of the service at endpoint, an absolute http or https URL such as
// "http://127.0.0.1:8000", with a path if the service is behind one. New does not connect.
// Its errors do not repeat the endpoint or the key.
func New(endpoint string, opts ...Option) (*Client, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, errors.New(`client: endpoint: must be an absolute http or https URL, such as "http://127.0.0.1:8000"`)
	}
	if u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return nil, errors.New("client: endpoint: must have no user, query or fragment")
	}
	c := &Client{endpoint: u, http: &http.Client{}, timeout: defaultTimeout, authorize: func(http.Header) {}}
	for _, opt := range opts {
		if err := opt(c); err != nil {
			return nil, fmt.Errorf("client: %w", err)
		}
	}
	own := *c.http
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.http = &own
	return c, nil
}

// Auth is a code that was sent.
type Auth struct {
	AuthID       string        // as in the call
	ExpiresIn    time.Duration // how long the code is valid, in whole seconds
	AttemptsLeft int64         // wrong codes allowed
	ResendAfter  time.Duration // until another message to this number is allowed, in whole seconds
}

// CreateAuth creates a code and sends it to recipient, 1 and ten digits. The application
// chooses authID, 1 to 120 characters, as the name of the code. The code replaces a live
// code of the same authID, unless nothing was sent. After a [MessageUnconfirmed], or an
// error that is not an [*Error], the SMS may still arrive.
func (c *Client) CreateAuth(ctx context.Context, authID, recipient string, opts ...CreateOption) (*Auth, error) {
	args := arguments{"auth_id": authID, "recipient": recipient}
	for _, opt := range opts {
		opt.ofCreate(args)
	}
	a, err := c.post(ctx, "/", authID, args)
	if err == nil && (a.AuthID != authID || a.AttemptsLeft == nil || *a.AttemptsLeft < 1 || seconds(a.ExpiresIn) == 0) {
		err = a.unexpected(notOurs)
	}
	if err != nil {
		return nil, fmt.Errorf("client: create: %w", err)
	}
	return &Auth{
		AuthID: a.AuthID, ExpiresIn: seconds(a.ExpiresIn), AttemptsLeft: *a.AttemptsLeft, ResendAfter: seconds(a.ResendAfter),
	}, nil
}

// AuthenticateCode checks a code that the person entered. It returns nil only for the
// right code, which is then used up. For a wrong code it returns an [*Error] with the
// Reason [InvalidAuthCode] and the attempts left.
func (c *Client) AuthenticateCode(ctx context.Context, authID, code string, opts ...CheckOption) error {
	args := arguments{"auth_id": authID, "code": code}
	for _, opt := range opts {
		opt.ofCheck(args)
	}
	a, err := c.post(ctx, "/verify", authID, args)
	if err == nil && (!a.Authenticated || a.AuthID != authID) {
		err = a.unexpected(notOurs)
	}
	if err != nil {
		return fmt.Errorf("client: authenticate: %w", err)
	}
	return nil
}

// CancelAuth removes the code of authID. It succeeds if there is none.
func (c *Client) CancelAuth(ctx context.Context, authID string, opts ...AuthOption) error {
	target := c.endpoint.JoinPath("/")
	target.RawQuery = queryOf(authID, opts)
	if _, err := c.call(ctx, http.MethodDelete, target, authID, nil); err != nil {
		return fmt.Errorf("client: cancel: %w", err)
	}
	return nil
}
