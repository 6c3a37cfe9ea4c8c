package api

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowroute/sms-verification/codes"
)

// requestInfo is what the handlers of a request find out for its log line.
type requestInfo struct {
	arrived   time.Time
	dialect   dialect
	caller    string       // name of its API key
	profile   string       // empty if the request names none, or an unknown one
	recipient codes.Digest // zero if not known
	client    codes.Digest // zero if the request names none
	lastTwo   string       // last two digits of the number; creates only
	reason    Reason       // errors only
	sent      bool         // a message was sent, or may have been
	traceID   string
}

// observed is the context of a request, with its info.
type observed struct {
	echo.Context
	requestInfo
}

// infoOf returns the info that observe added to the context.
func infoOf(c echo.Context) *requestInfo { return &c.(*observed).requestInfo }

// recorder logs and measures each request.
type recorder struct {
	logger    *slog.Logger
	hasher    *codes.Hasher
	rate      int64 // of each sampler
	omitted   prometheus.Counter
	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
	limits    *prometheus.CounterVec

	mu       sync.RWMutex
	known    map[kind]measures
	samplers map[kind]*sampler // the caller of each kind is empty: all callers share one
}

// kind is what distinguishes requests in metrics and sampling. The number of kinds is
// bounded, whatever callers send.
type kind struct {
	method, path string // as registered
	status       int
	reason       Reason
	caller       string
}

// measures are the metrics and the sampler of a kind, kept because a lookup by labels is
// slow.
type measures struct {
	sampler  *sampler
	route    string
	count    prometheus.Counter
	duration prometheus.Observer
}

func newRecorder(o Options) *recorder {
	r := &recorder{
		logger: o.Logger, hasher: o.Hasher, rate: int64(o.LogRate),
		known: map[kind]measures{}, samplers: map[kind]*sampler{},
		omitted: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "smsv_log_lines_sampled_total", Help: "Lines of requests left out because LOG_RATE of their kind were written in that second.",
		}),
		requests: counterVec(o.Registerer, "smsv_http_requests_total",
			"Requests answered, by route, status, reason of the error and name of the API key.", "route", "status", "reason", "caller"),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "smsv_http_request_duration_seconds",
			Help:    "Time from a request to its answer, by route.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route"}),
		limits: counterVec(o.Registerer, "smsv_limits_hit_total", "Requests refused with 429, by the limit that was reached.", "limit"),
	}
	o.Registerer.MustRegister(r.durations, r.omitted)
	return r
}

// record measures a request, and logs it unless LOG_RATE is exceeded.
func (r *recorder) record(c echo.Context, failed *failure) {
	info := infoOf(c)
	took := time.Since(info.arrived)
	if failed != nil {
		info.reason = failed.reason
		if failed.limit != "" {
			r.limits.WithLabelValues(failed.limit).Inc()
		}
	}
	k := kindOf(c, info)
	m := r.measures(k)
	m.count.Inc()
	m.duration.Observe(took.Seconds())

	ctx, level := c.Request().Context(), levelOf(c)
	if !r.logger.Enabled(ctx, level) {
		return
	}
	line := RoutineLine
	if info.sent {
		line = SentLine
	} else if !r.logger.Enabled(ctx, slog.LevelDebug) && !r.pass(ctx, k, m) {
		return
	}
	attrs := make([]slog.Attr, 0, 13)
	attrs = append(attrs,
		slog.String("route", m.route),
		slog.Int("status", k.status),
		slog.Float64("took_ms", float64(took.Microseconds())/1000),
		slog.String("request_id", idOf(c)))
	add := func(name, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(name, value))
		}
	}
	add("trace_id", info.traceID)
	add("caller", k.caller)
	add("profile", info.profile)
	if info.recipient != (codes.Digest{}) {
		add("recipient", r.hasher.Pseudonym(info.recipient))
	}
	add("recipient_ends", info.lastTwo)
	if info.client != (codes.Digest{}) {
		add("client", r.hasher.Pseudonym(info.client))
	}
	add("reason", string(k.reason))
	if failed != nil {
		add("limit", failed.limit)
		if failed.cause != nil && level >= slog.LevelWarn {
			add("error", failed.cause.Error())
		}
	}
	r.logger.LogAttrs(withLine(ctx, line), level, "request", attrs...)
}

// pass reports whether a request may be logged. Before the first line after a gap it
// logs how many were left out.
func (r *recorder) pass(ctx context.Context, k kind, m measures) bool {
	pass, omitted := m.sampler.next(time.Now())
	if omitted > 0 {
		attrs := []slog.Attr{slog.String("route", m.route), slog.Int("status", k.status), slog.Int64("lines", omitted)}
		if k.reason != "" {
			attrs = append(attrs, slog.String("reason", string(k.reason)))
		}
		r.logger.LogAttrs(withLine(ctx, RoutineLine), slog.LevelInfo, "requests left out of the log", attrs...)
	}
	return pass
}

// measures returns the measures of a kind.
func (r *recorder) measures(k kind) measures {
	r.mu.RLock()
	m, ok := r.known[k]
	r.mu.RUnlock()
	if ok {
		return m
	}
	m.route = k.method + " " + k.path
	if k.path == "" {
		m.route = "unknown"
	}
	m.count = r.requests.WithLabelValues(m.route, strconv.Itoa(k.status), string(k.reason), k.caller)
	m.duration = r.durations.WithLabelValues(m.route)
	r.mu.Lock()
	defer r.mu.Unlock()
	shared := k
	shared.caller = ""
	if r.samplers[shared] == nil {
		r.samplers[shared] = &sampler{rate: r.rate, omitted: r.omitted}
	}
	m.sampler = r.samplers[shared]
	r.known[k] = m
	return m
}

// kindOf uses the registered path, never the requested one, which may hold anything.
func kindOf(c echo.Context, info *requestInfo) kind {
	k := kind{status: c.Response().Status, reason: info.reason, caller: info.caller}
	if info.reason != NotFound {
		k.method, k.path = methodOf(c.Request().Method), c.Path()
	}
	return k
}

func methodOf(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}

// levelOf considers the reason as well as the status: the Twilio dialect answers some
// failures of the service with a status below 500.
func levelOf(c echo.Context) slog.Level {
	switch {
	case max(c.Response().Status, statuses[infoOf(c).reason]) >= http.StatusInternalServerError:
		return slog.LevelWarn
	case c.Path() == "/webhooks/flowroute/:token" && c.Response().Status == http.StatusOK:
		return slog.LevelDebug // two for every message; the metrics have them
	case c.Path() == "/healthz" || c.Path() == "/readyz" || c.Path() == "/metrics":
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

func counterVec(r prometheus.Registerer, name, help string, labels ...string) *prometheus.CounterVec {
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	r.MustRegister(vec)
	return vec
}
