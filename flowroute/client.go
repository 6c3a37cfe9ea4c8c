package flowroute

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

const (
	mediaType      = "application/vnd.api+json"
	defaultTimeout = 10 * time.Second

	// maxIdle is how many idle connections are kept. With fewer than the
	// sends in flight, connections would be closed and dialled all the time.
	maxIdle = 512
	// idleTimeout is short, so that a message is seldom written to a
	// connection that Flowroute is closing: it would be unconfirmed.
	idleTimeout = 30 * time.Second
)

// Options configure a Client. They print masked, because they hold the keys.
type Options struct {
	BaseURL   string        // such as https://api.flowroute.com
	AccessKey string        // user name of the API credentials
	SecretKey string        // their password
	From      codes.Phone   // sender of messages that name none, a number of the account
	Callback  string        // URL for delivery receipts; empty: none are requested
	Timeout   time.Duration // of one attempt, from dialling to the answer; 0 is 10s
	UserAgent string        // such as sms-verification/1.2.3; empty is sms-verification
}

// Format masks the options under every verb.
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
	callback  string // secret: anyone who knows it can forge receipts
	timeout   time.Duration
	transport *http.Transport
}

var _ codes.Sender = (*Client)(nil)

// New returns a client with its own connections.
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
		transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment,
			// A dial outlives the attempt that began it, so that the next one
			// can use the connection. So it needs a timeout of its own.
			DialContext:         gated((&net.Dialer{Timeout: timeout}).DialContext),
			TLSHandshakeTimeout: timeout,
			TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
			// HTTP/2 would replay a message on a stream that the server reset,
			// and a gate needs a connection for each message.
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

// Send makes one attempt to send m and returns Flowroute's id of the message;
// see [codes.Sender] for its errors. It ends with ctx, and within Timeout. A whole
// answer without an id, other than 429, is a [*StatusError].
func (c *Client) Send(ctx context.Context, m codes.Message) (id string, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("flowroute: send: %w", err)
		}
	}()
	attempt, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	attempt, stop := context.WithCancelCause(attempt)
	defer stop(nil)

	deadline, _ := ctx.Deadline()
	g := &gate{attempt: attempt, stop: stop, deadlines: [2]time.Time{m.NotAfter, deadline}}
	if g.tooLate() {
		return "", codes.ErrTooLate
	}
	if !m.NotAfter.IsZero() {
		defer time.AfterFunc(time.Until(m.NotAfter), g.expire).Stop()
	}

	req, err := c.request(httptrace.WithClientTrace(attempt, g.trace()), m)
	if err != nil {
		return "", err
	}
	// The transport itself, not an http.Client: nothing follows redirects.
	res, err := c.transport.RoundTrip(req) //nolint:bodyclose // answer closes it
	if err != nil {
		return "", g.failure(err)
	}
	return answer(res)
}

// request encodes m. It never carries an Idempotency-Key header: with one,
// net/http would repeat the POST on a broken connection by itself.
func (c *Client) request(ctx context.Context, m codes.Message) (*http.Request, error) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false) // the text is sent unchanged
	err := encoder.Encode(struct {
		To   string `json:"to"`
		From string `json:"from"`
		Body string `json:"body"`
		DLR  string `json:"dlr_callback,omitempty"`
	}{string(m.To), cmp.Or(string(m.From), c.from), string(m.Text), c.callback})
	if err != nil {
		return nil, fmt.Errorf("%w: cannot encode the message", codes.ErrUnavailable)
	}
	// For a bytes.Buffer net/http sets GetBody, so that it can use another
	// connection if an idle one turns out to be closed.
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, &body)
	if err != nil { // err repeats the URL, which may hold a password
		return nil, fmt.Errorf("%w: the base URL is not a URL", codes.ErrUnavailable)
	}
	req.Header.Set("Authorization", c.auth)
	req.Header.Set("Content-Type", mediaType)
	req.Header.Set("Accept", mediaType)
	req.Header.Set("User-Agent", c.userAgent)
	return req, nil
}
