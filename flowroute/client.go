package flowroute

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

const (
	mediaType      = "application/vnd.api+json"
	defaultTimeout = 10 * time.Second

	// maxIdle is how many connections wait for the next message. Fewer than
	// the sends in flight would close and dial connections all the time.
	maxIdle = 512
	// idleTimeout is short, so that we seldom write into a connection that
	// the other side is about to close: such a message would be unconfirmed.
	idleTimeout = 30 * time.Second

	firstRedial = 50 * time.Millisecond // pause after the first failed dial; each later one is twice as long
	maxRedial   = time.Second
)

// Options say where and as whom to send. They print masked.
type Options struct {
	BaseURL   string        // such as https://api.flowroute.com
	AccessKey string        // user name of the API credentials
	SecretKey string        // their password
	From      codes.Phone   // the sender, a number of the account
	Callback  string        // URL that delivery receipts are asked for at; empty asks for none
	Timeout   time.Duration // one attempt, connect to answer; 0 is 10s
	MaxWait   time.Duration // how long after a 429 or a failed dial another attempt may begin; 0 is no second attempt
	UserAgent string        // such as sms-verification/1.2.3; empty is sms-verification
}

// Format masks the options under every verb: they hold the keys.
func (Options) Format(f fmt.State, _ rune) { codes.Redact(f, "flowroute options") }

// MarshalText masks the options in JSON and in log attributes.
func (Options) MarshalText() ([]byte, error) { return []byte("[flowroute options]"), nil }

// Client sends through Flowroute. It is safe for concurrent use and prints
// masked.
type Client struct {
	url       string
	auth      string // value of the Authorization header
	from      string
	userAgent string
	callback  string // secret: whoever knows it can send receipts
	timeout   time.Duration
	maxWait   time.Duration
	transport *http.Transport
}

var _ codes.Sender = (*Client)(nil)

// New returns a client with connections of its own.
func New(o Options) *Client {
	timeout := o.Timeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	var http1 http.Protocols
	http1.SetHTTP1(true)
	return &Client{
		url:       strings.TrimRight(o.BaseURL, "/") + "/v2.1/messages",
		auth:      "Basic " + base64.StdEncoding.EncodeToString([]byte(o.AccessKey+":"+o.SecretKey)),
		from:      string(o.From),
		callback:  o.Callback,
		userAgent: cmp.Or(o.UserAgent, "sms-verification"),
		timeout:   timeout,
		maxWait:   o.MaxWait,
		transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment,
			// A dial outlives the attempt that began it, for the next one to
			// use, so it needs bounds of its own.
			DialContext:         (&net.Dialer{Timeout: timeout}).DialContext,
			TLSHandshakeTimeout: timeout,
			TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
			// HTTP/2 would replay a message on a stream that the server gave
			// up, and the hooks of attempt know HTTP/1.1 only.
			Protocols:              &http1,
			DisableCompression:     true,
			MaxIdleConns:           maxIdle,
			MaxIdleConnsPerHost:    maxIdle,
			IdleConnTimeout:        idleTimeout,
			MaxResponseHeaderBytes: maxAnswer,
		},
	}
}

// Format masks the client under every verb: it holds the keys.
func (*Client) Format(f fmt.State, _ rune) { codes.Redact(f, "flowroute client") }

// Close closes the connections that are not in use.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Send hands m to Flowroute and returns Flowroute's id of the message. It ends
// within Timeout + MaxWait. Its errors are [codes.ErrRejected] and
// [codes.ErrUnconfirmed], for an answer that could be read as a [*StatusError],
// and [codes.ErrUnavailable], after a 429 as a [*codes.UnavailableError].
func (c *Client) Send(ctx context.Context, m codes.Message) (string, error) {
	start := time.Now()
	id, err := c.send(ctx, m, start)
	if err != nil {
		return "", fmt.Errorf("flowroute: send: %w", err)
	}
	return id, nil
}

func (c *Client) send(ctx context.Context, m codes.Message, start time.Time) (string, error) {
	req, err := c.request(ctx, m)
	if err != nil {
		return "", err
	}
	for redial := firstRedial; ; redial = min(2*redial, maxRedial) {
		id, err := c.attempt(ctx, req)
		var busy *codes.UnavailableError
		var pause, limit time.Duration
		switch {
		case errors.As(err, &busy):
			pause, limit = busy.RetryAfter, c.maxWait
		case errors.Is(err, codes.ErrUnavailable):
			// A dial that took the whole Timeout is not tried again.
			pause, limit = redial, min(c.maxWait, c.timeout)
		default:
			return id, err
		}
		if time.Since(start)+pause >= limit || !sleep(ctx, pause) {
			return "", err
		}
	}
}

// request is what every attempt to send m uses. It never carries an
// Idempotency-Key header: with one, net/http would repeat the POST on a broken
// connection by itself.
func (c *Client) request(ctx context.Context, m codes.Message) (*http.Request, error) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false) // the text goes out as it is
	err := encoder.Encode(struct {
		To   string `json:"to"`
		From string `json:"from"`
		Body string `json:"body"`
		DLR  string `json:"dlr_callback,omitempty"`
	}{string(m.To), c.from, string(m.Text), c.callback})
	if err != nil {
		return nil, fmt.Errorf("%w: cannot encode the message", codes.ErrUnavailable)
	}
	// A bytes.Reader gives the request a GetBody, so that it can be sent again.
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body.Bytes()))
	if err != nil { // err holds the URL, which may hold a password
		return nil, fmt.Errorf("%w: the base URL is not a URL", codes.ErrUnavailable)
	}
	req.Header.Set("Authorization", c.auth)
	req.Header.Set("Content-Type", mediaType)
	req.Header.Set("Accept", mediaType)
	req.Header.Set("User-Agent", c.userAgent)
	return req, nil
}

// attempt sends once. An error is ErrUnavailable if nothing was sent, and an
// *UnavailableError if Flowroute said to come back later.
func (c *Client) attempt(ctx context.Context, template *http.Request) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()

	// Whoever has a connection may have written to it. net/http sends a POST
	// again by itself only if nothing of it was written, and then it begins
	// with GetConn once more: what counts is whether the last GetConn led to a
	// connection. The hooks may run on other goroutines.
	var sent atomic.Bool
	req := template.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { sent.Store(false) },
		GotConn: func(httptrace.GotConnInfo) { sent.Store(true) },
	}))
	body, err := template.GetBody()
	if err != nil {
		return "", fmt.Errorf("%w: cannot encode the message", codes.ErrUnavailable)
	}
	req.Body = body

	// The transport itself, not an http.Client: nothing follows redirects.
	res, err := c.transport.RoundTrip(req) //nolint:bodyclose // answer closes it
	switch {
	case err == nil:
		return answer(res)
	case sent.Load():
		return "", fmt.Errorf("%w: no answer: %s", codes.ErrUnconfirmed, lostCause(err))
	default:
		return "", fmt.Errorf("%w: no connection: %s", codes.ErrUnavailable, dialCause(err))
	}
}

// sleep reports whether the whole pause passed before ctx ended.
func sleep(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
