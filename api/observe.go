package api

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
)

// note is what is learned about a request on its way, for its log line.
type note struct{ caller string }

const noteKey = "note"

func noteOf(c echo.Context) *note {
	n, ok := c.Get(noteKey).(*note)
	if !ok {
		n = &note{}
		c.Set(noteKey, n)
	}
	return n
}

// observe gives every request its id and headers, answers every error and
// panic as JSON, and writes one line and one measurement for it. It never
// sees what is in the request.
func (s *Server) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		begun := time.Now()
		h := c.Response().Header()
		h.Set(echo.HeaderXRequestID, requestID(c.Request().Header))
		h.Set(echo.HeaderCacheControl, "no-store")
		if s.State.Draining() {
			h.Set(echo.HeaderConnection, "close")
		}
		failed := s.answer(c, next)
		s.record(c, failed, time.Since(begun))
		return nil
	}
}

// record writes a request's line and measurement.
func (s *Server) record(c echo.Context, failed *failure, took time.Duration) {
	route, status, caller, reason := routeOf(c), c.Response().Status, noteOf(c).caller, ""
	attrs := make([]slog.Attr, 0, 8)
	attrs = append(attrs,
		slog.String("route", route),
		slog.Int("status", status),
		slog.Float64("took_ms", float64(took.Microseconds())/1000),
		slog.String("request_id", idOf(c)))
	if caller != "" {
		attrs = append(attrs, slog.String("caller", caller))
	}
	if failed != nil {
		reason = string(failed.body.Reason)
		attrs = append(attrs, slog.String("reason", reason))
		if failed.body.Limit != "" {
			attrs = append(attrs, slog.String("limit", failed.body.Limit))
		}
		if failed.cause != nil && status >= http.StatusInternalServerError {
			attrs = append(attrs, slog.String("error", failed.cause.Error()))
		}
	}
	s.Logger.LogAttrs(c.Request().Context(), levelOf(c), "request", attrs...)
	s.requests.WithLabelValues(route, strconv.Itoa(status), reason, caller).Inc()
	s.durations.WithLabelValues(route).Observe(took.Seconds())
}

// answer runs the handler and answers what it returns or panics with.
func (s *Server) answer(c echo.Context, next echo.HandlerFunc) (failed *failure) {
	defer func() {
		value := recover()
		if value == nil {
			return
		}
		if err, ok := value.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(value)
		}
		failed = &failure{body: errorBody{Reason: InternalError, Message: "Internal error"}, cause: panicError(value)}
		s.Logger.Error("panic", "request_id", idOf(c), "stack", string(debug.Stack()))
		s.send(c, failed)
	}()
	err := next(c)
	if err == nil {
		return nil
	}
	failed = asFailure(err)
	s.send(c, failed)
	return failed
}

func (s *Server) send(c echo.Context, f *failure) {
	if c.Response().Committed {
		return // the status is on its way; there is nothing left to say
	}
	if err := f.write(c); err != nil {
		s.Logger.Debug("answer not written", "request_id", idOf(c), "error", err)
	}
}

// panicError describes a panic without its value, which may hold a secret,
// unless the Go runtime wrote it.
func panicError(value any) error {
	if err, ok := value.(runtime.Error); ok {
		return fmt.Errorf("panic: %w", err)
	}
	return fmt.Errorf("panic: %T", value)
}

// requestID keeps an id that came with the request, if it is fit to be logged.
func requestID(h http.Header) string {
	id := h.Get(echo.HeaderXRequestID)
	if len(id) < 1 || len(id) > 64 {
		return rand.Text()
	}
	for _, c := range []byte(id) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return rand.Text()
		}
	}
	return id
}

// idOf is the id that the answer has.
func idOf(c echo.Context) string { return c.Response().Header().Get(echo.HeaderXRequestID) }

// routeOf is the request's route as it was registered, never its path: that
// may hold anything, and there are too many of them for a metric.
func routeOf(c echo.Context) string {
	if c.Response().Status == http.StatusNotFound {
		return "unknown"
	}
	method := c.Request().Method
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete, http.MethodOptions:
	default:
		method = "other"
	}
	return method + " " + c.Path()
}

func levelOf(c echo.Context) slog.Level {
	switch {
	case c.Response().Status >= http.StatusInternalServerError:
		return slog.LevelWarn
	case c.Path() == "/webhooks/flowroute/:token" && c.Response().Status == http.StatusOK:
		return slog.LevelDebug // two for every message; the metrics have them
	case c.Path() == "/healthz" || c.Path() == "/readyz" || c.Path() == "/metrics":
		return slog.LevelDebug
	}
	return slog.LevelInfo
}
