// Package api serves the service over HTTP: routes, strict decoding, and one table from
// reason to status. Each shape of the API is a dialect; see native.go and twilio.go.
package api

import (
	"context"
	_ "embed"
	"log/slog"
	"net/http"
	"net/netip"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowroute/sms-verification/codes"
)

//go:embed openapi.yaml
var openAPI []byte

//go:embed twilio-openapi.yaml
var twilioOpenAPI []byte

// Service does the work. *codes.Service is one.
type Service interface {
	Create(ctx context.Context, r codes.CreateRequest) (codes.Created, error)
	Check(ctx context.Context, r codes.CheckRequest) (codes.Outcome, error)
	Cancel(ctx context.Context, r codes.CancelRequest) error
	Status(ctx context.Context, r codes.StatusRequest) (codes.Progress, error)
	Receive(ctx context.Context, r codes.Receipt) (codes.ReceiptResult, error)
}

// State is the state of the process.
type State interface {
	Ready() bool    // it has reached its store once, and is not shutting down
	Draining() bool // it is shutting down: connections should not be kept
}

// Options are what a [Server] needs; all but Keys, Profiles, Webhook,
// TrustedProxies, Trace and TwilioServices are required.
type Options struct {
	Service        Service
	Webhook        Webhook
	State          State
	Keys           []Key
	Profiles       []string // names of the profiles that Service has; the log may show them
	Failures       Failures
	Hasher         *codes.Hasher
	TrustedProxies []netip.Prefix
	Logger         *slog.Logger
	Registerer     prometheus.Registerer
	MaxInFlight    int // creates, and likewise checks, that run at a time; at least 1
	// Trace begins the span of a request. It returns the context of the span, the id of
	// its trace, and the function that ends it with the answer. Nil traces nothing.
	Trace   func(r *http.Request, route string) (ctx context.Context, id string, end func(status int, reason, caller string))
	LogRate int // log lines a second of each kind of request that sent nothing; 0 is no limit

	// TwilioServices maps SIDs of Twilio Verify services, in lower case but for "VA", to
	// profiles. Any other SID selects no profile. Nil serves no Twilio routes.
	TwilioServices map[string]string
}

// Server serves the API.
type Server struct {
	Options
	recorder  *recorder
	receipts  *prometheus.CounterVec
	creates   *gate
	checks    *gate // and cancels and statuses
	receiving *gate
	wrongKeys *gate
	lockedOut *lockouts
}

// New returns a Server, and registers its metrics.
func New(o Options) *Server {
	return &Server{
		Options:  o,
		recorder: newRecorder(o),
		receipts: counterVec(o.Registerer, "smsv_receipts_total",
			"Delivery receipts, by what they say and what became of them.", "status", "result"),
		creates:   newGate("create", o.MaxInFlight, o.Registerer),
		checks:    newGate("check", o.MaxInFlight, o.Registerer),
		receiving: newGate("receipt", maxReceipts, o.Registerer),
		wrongKeys: newGate("key", maxWrongKeys, o.Registerer),
		lockedOut: &lockouts{max: maxLockouts, known: map[codes.Digest]lockout{}},
	}
}

// Handler returns the public API.
func (s *Server) Handler() http.Handler {
	e := s.echo(s.Trace != nil)
	n := native{}
	e.POST("/", handle(s, n.readCreate, s.create, n.writeCreated))
	e.GET("/", handle(s, n.readCheckQuery, s.check, n.writeChecked))
	e.POST("/verify", handle(s, n.readCheckBody, s.check, n.writeChecked))
	e.DELETE("/", handle(s, n.readID, s.cancel, n.writeCancelled))
	e.GET("/status", handle(s, n.readID, s.status, n.writeStatus))
	e.POST("/webhooks/flowroute/:token", s.receive)
	describe(e, "/openapi.yaml", openAPI)
	s.health(e)
	if s.TwilioServices != nil {
		t := twilio{services: s.TwilioServices, hasher: s.Hasher}
		service := e.Group(twilioPath + "Services/:service")
		service.POST("/Verifications", handle(s, t.readCreate, s.create, t.writeCreated))
		service.POST("/VerificationCheck", handle(s, t.readCheck, s.check, t.writeChecked))
		service.GET("/Verifications/:sid", handle(s, t.readID, s.status, t.writeLive("pending")))
		service.POST("/Verifications/:sid", handle(s, t.readCancel, s.cancelLive, t.writeLive("canceled")))
		describe(e, twilioPath+"openapi.yaml", twilioOpenAPI)
	}
	return e
}

// describe adds the routes that serve a description of the API.
func describe(e *echo.Echo, path string, text []byte) {
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		e.Add(method, path, func(c echo.Context) error {
			return c.Blob(http.StatusOK, "application/yaml", text)
		})
	}
}

// Admin returns what only the operator may see: health, and the handlers in extra by
// path.
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
				f.retryAfter = 1
				return f
			}
			return reply(c, http.StatusOK, healthBody{"ready"})
		})
	}
}
