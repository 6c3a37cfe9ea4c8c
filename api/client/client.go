package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// defaultTimeout is a bit over the longest that the service takes with its own
// defaults: 2s for its turn to send, 10s for the carrier, and the store.
const defaultTimeout = 15 * time.Second

// Client calls one service. It is safe for concurrent use.
type Client struct {
	endpoint *url.URL
	http     *http.Client
	timeout  time.Duration
	retries  int
	key      string // of Idempotent, if keyed
	keyed    bool
	// authorize is a function because no way of printing a Client shows what
	// a function holds.
	authorize func(http.Header)
}

// Option changes how a [Client] calls the service.
type Option func(*Client) error

// WithAPIKey sends the key with every call. An empty key sends none, for a
// service that is open.
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

// WithHTTPClient calls through h, for a transport, a proxy or certificates of
// one's own. Redirects are not followed whatever h says, and h is not changed.
func WithHTTPClient(h *http.Client) Option {
	return func(c *Client) error {
		if h == nil {
			return errors.New("HTTP client: must not be nil")
		}
		c.http = h
		return nil
	}
}

// WithTimeout bounds every call, connect to answer and with all its repeats,
// beside its context. The default is 15s; less than the service may take can leave a call without its
// answer though the SMS went out.
func WithTimeout(d time.Duration) Option {
	return func(c *Client) error {
		if d <= 0 {
			return errors.New("timeout: must be more than 0")
		}
		c.timeout = d
		return nil
	}
}

// WithRetries lets a call that brought no answer, or a [ServiceUnavailable], be
// repeated up to n times, 0 to 10; without it nothing is repeated. Each call then
// carries an Idempotency-Key, so that it has one effect however often it is
// made. A repeat waits as long as the service asks it to, else a fraction of a
// second that doubles, and is not begun if the wait would outlast the context or
// [WithTimeout].
func WithRetries(n int) Option {
	return func(c *Client) error {
		if n < 0 || n > maxRetries {
			return fmt.Errorf("retries: must be 0 to %d", maxRetries)
		}
		c.retries = n
		return nil
	}
}

// New returns a client of the service at endpoint, an absolute http or https
// URL such as "http://127.0.0.1:8000", with a path if the service is behind
// one. It calls nothing yet. Its errors do not repeat the endpoint or the key.
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

// Auth is a code on its way to a person.
type Auth struct {
	AuthID       string        // as it was given
	ExpiresIn    time.Duration // how long the code can be used, whole seconds
	AttemptsLeft int64         // wrong codes that are allowed
	ResendAfter  time.Duration // until another message to this number is allowed, whole seconds
}

// CreateAuth has a code made and sent to recipient, a 1 and ten digits. The
// authID, 1 to 120 characters of the application's choice, names it from then
// on; an earlier code under the same authID is void, unless nothing was sent.
// After a [MessageUnconfirmed] or an error that is not an [*Error] the SMS may
// still arrive.
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

// AuthenticateCode checks a code as the person typed it: nil is the right code,
// which is used up by that, and every error is not. A wrong one is an [*Error]
// with the Reason [InvalidAuthCode], which knows the attempts left.
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

// CancelAuth makes the code under authID void. It is no error if there is none.
func (c *Client) CancelAuth(ctx context.Context, authID string, opts ...AuthOption) error {
	target := c.endpoint.JoinPath("/")
	target.RawQuery = queryOf(authID, opts)
	if _, err := c.call(ctx, http.MethodDelete, target, authID, nil); err != nil {
		return fmt.Errorf("client: cancel: %w", err)
	}
	return nil
}
