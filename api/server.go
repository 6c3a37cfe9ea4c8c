// Package api is the service over HTTP: routes, strict decoding, and one
// table from reason to status.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"

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
	Cancel(ctx context.Context, id codes.ID) error
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
	MaxInFlight    int // creates, and checks, that run at a time; 0 is no limit
}

// Server answers requests.
type Server struct {
	Options
	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
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
	s := &Server{
		Options:   o,
		news:      newReceiptMetrics(o.Registerer),
		checks:    checks,
		receiving: newGate("receipt", maxReceipts, o.Registerer),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "smsv_http_requests_total",
			Help: "Requests answered, by route, status, reason of the error and name of the API key.",
		}, []string{"route", "status", "reason", "caller"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "smsv_http_request_duration_seconds",
			Help:    "Time from a request to its answer, by route.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route"}),
	}
	o.Registerer.MustRegister(s.requests, s.durations)
	return s
}

// Handler returns the public API.
func (s *Server) Handler() http.Handler {
	e := s.echo()
	e.POST("/", s.create, s.authenticate)
	e.GET("/", s.verifyQuery, s.authenticate)
	e.DELETE("/", s.cancel, s.authenticate)
	e.POST("/verify", s.verifyBody, s.authenticate)
	e.GET("/status", s.status, s.authenticate)
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
	e := s.echo()
	for path, h := range extra {
		e.Any(path, echo.WrapHandler(h))
	}
	s.health(e)
	return e
}

func (s *Server) echo() *echo.Echo {
	e := echo.New()
	e.HTTPErrorHandler = func(error, echo.Context) {} // observe has answered every error
	e.Use(s.observe, wholeServer)
	return e
}

// wholeServer answers OPTIONS *, which asks about no route in particular.
func wholeServer(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if r := c.Request(); r.Method != http.MethodOptions || r.URL.Path != "*" {
			return next(c)
		}
		c.SetPath("*")
		c.Response().Header().Set(echo.HeaderAllow, "OPTIONS, DELETE, GET, HEAD, POST")
		return c.NoContent(http.StatusNoContent)
	}
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
