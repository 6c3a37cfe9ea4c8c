// Package api is the service over HTTP: routes, strict decoding, and one
// table from reason to status.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowroute/sms-verification/codes"
)

// Service does the work. *codes.Once is one. What ends in Once is for requests
// with an idempotency key.
type Service interface {
	Create(ctx context.Context, id codes.ID, to codes.Phone) (codes.Created, error)
	Verify(ctx context.Context, id codes.ID, code codes.Code) (codes.Outcome, error)
	CreateOnce(ctx context.Context, k codes.Key, id codes.ID, to codes.Phone) (codes.Created, error)
	VerifyOnce(ctx context.Context, k codes.Key, id codes.ID, code codes.Code) (codes.Outcome, error)
	Cancel(ctx context.Context, id codes.ID) (rest time.Duration, err error)
}

// State tells how far the process is in its life.
type State interface {
	Ready() bool    // it has reached its store once, and is not about to end
	Draining() bool // it is about to end: connections should not be kept
}

// Options are what a [Server] needs; all but Keys, Webhook and
// TrustedProxies are required.
type Options struct {
	Service        Service
	Tracker        Tracker
	Webhook        Webhook
	State          State
	Keys           []Key
	Failures       Failures
	Hasher         *codes.Hasher
	TrustedProxies []netip.Prefix
	Logger         *slog.Logger
	Registerer     prometheus.Registerer
	Lifetime       time.Duration // of the entries that Service makes
	MaxInFlight    int           // creates, and checks, that run at a time; 0 is no limit
	// Trace begins the span of a request, under the context it returns, and
	// tells the id of its trace; end is called with the answer. Nil traces nothing.
	Trace   func(r *http.Request, route string) (ctx context.Context, id string, end func(status int, reason, caller string))
	LogRate int // lines of ordinary requests that are logged in a second; 0 is no limit
}

// Server answers requests.
type Server struct {
	Options
	funnel    *funnel
	recorder  *recorder
	news      receiptMetrics
	checks    *gate // around looks too
	receiving *gate
}

// New returns a Server, and registers its metrics.
func New(o Options) *Server {
	checks := newGate("check", o.MaxInFlight, o.Registerer)
	o.Service = gated{
		Service: o.Service,
		creates: newGate("create", o.MaxInFlight, o.Registerer),
		checks:  checks,
	}
	callers := callersOf(o.Keys)
	return &Server{
		Options:   o,
		funnel:    newFunnel(callers, o.Lifetime, o.Registerer),
		recorder:  newRecorder(o),
		news:      newReceiptMetrics(callers, o.Registerer),
		checks:    checks,
		receiving: newGate("receipt", maxReceipts, o.Registerer),
	}
}

// callersOf are the names that requests are counted under.
func callersOf(keys []Key) []string {
	if len(keys) == 0 {
		return []string{""}
	}
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.Name
	}
	return names
}

// Handler returns the public API.
func (s *Server) Handler() http.Handler {
	e := s.echo(s.Trace != nil)
	e.POST("/", s.authenticate(s.create))
	e.GET("/", s.authenticate(s.verifyQuery))
	e.DELETE("/", s.authenticate(s.cancel))
	e.POST("/verify", s.authenticate(s.verifyBody))
	e.GET("/status", s.authenticate(s.status))
	e.POST("/webhooks/flowroute/:token", s.receive)
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		e.Add(method, "/openapi.yaml", s.describe)
	}
	s.health(e)
	return e
}

// Admin returns what only the operator may see: health, and the handlers in
// extra by their paths.
func (s *Server) Admin(extra map[string]http.Handler) http.Handler {
	e := s.echo(false)
	for path, h := range extra {
		e.Any(path, echo.WrapHandler(h))
	}
	s.health(e)
	return e
}

func (s *Server) echo(traced bool) *echo.Echo {
	e := echo.New()
	e.HTTPErrorHandler = func(error, echo.Context) {} // observe has answered every error
	e.Use(s.observe(traced))
	return e
}

// wholeServer answers OPTIONS *, which asks about no route in particular.
func wholeServer(c echo.Context) error {
	c.SetPath("*")
	c.Response().Header().Set(echo.HeaderAllow, "OPTIONS, DELETE, GET, HEAD, POST")
	return c.NoContent(http.StatusNoContent)
}

type healthBody struct {
	Status string `json:"status"`
}

func (s *Server) health(e *echo.Echo) {
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		e.Add(method, "/healthz", func(c echo.Context) error {
			return reply(c, http.StatusOK, healthBody{"ok"})
		})
		e.Add(method, "/readyz", func(c echo.Context) error {
			if !s.State.Ready() {
				f := fail(ServiceUnavailable, "Not ready: no contact with Redis yet, or shutting down")
				f.body.RetryAfter = 1
				return f
			}
			return reply(c, http.StatusOK, healthBody{"ready"})
		})
	}
}
