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

// observe fixes when a request arrived, before its body is read. It gives every
// request its id and headers, answers every error and panic through the
// request's face, and writes one line, one measurement and, if it is traced, one
// span for it. It never sees what is in the request.
func (s *Server) observe(traced bool) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			c = &observed{Context: c, requestInfo: requestInfo{arrived: time.Now(), face: s.faceOf(c.Request())}}
			if traced && levelOf(c) != slog.LevelDebug { // nobody asks what became of a request for health
				defer s.trace(c)()
			}
			h := c.Response().Header()
			h.Set(echo.HeaderXRequestID, requestID(c.Request().Header))
			h[echo.HeaderCacheControl] = noStore
			if s.State.Draining() {
				h.Set(echo.HeaderConnection, "close")
			}
			s.recorder.record(c, s.answer(c, next))
			return nil
		}
	}
}

// trace begins the span of a request, and returns what ends it.
func (s *Server) trace(c echo.Context) (end func()) {
	route := routeOf(c)
	if c.Path() == "" {
		route = "unknown"
	}
	ctx, id, ended := s.Trace(c.Request(), route)
	c.SetRequest(c.Request().WithContext(ctx))
	info := infoOf(c)
	info.traceID = id
	return func() { ended(c.Response().Status, string(info.reason), info.caller) }
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
		failed = asFailure(panicError(value))
		s.Logger.Error("panic", "request_id", idOf(c), "stack", string(debug.Stack()))
		s.send(c, failed)
	}()
	if r := c.Request(); r.Method == http.MethodOptions && r.URL.Path == "*" {
		next = wholeServer
	}
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
	if f.retryAfter > 0 {
		c.Response().Header().Set(echo.HeaderRetryAfter, strconv.FormatInt(f.retryAfter, 10))
	}
	if err := infoOf(c).face.writeError(c, f); err != nil {
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

// routeOf is the request's route as it was registered.
func routeOf(c echo.Context) string { return methodOf(c.Request().Method) + " " + c.Path() }
