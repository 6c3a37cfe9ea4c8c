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
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// observe wraps every request. It records the time of arrival before the body is read,
// and sets the headers of every answer. Once the handler has ended, finish takes over.
func (s *Server) observe(traced bool) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) (err error) {
			r := c.Request()
			c = &observed{Context: c, requestInfo: requestInfo{arrived: time.Now(), dialect: s.dialectOf(r)}}
			if traced && levelOf(c) != slog.LevelDebug { // traces of health checks are noise
				defer s.trace(c)()
			}
			h := c.Response().Header()
			h.Set(echo.HeaderXRequestID, requestID(r.Header))
			h[echo.HeaderCacheControl] = noStore
			if s.State.Draining() {
				h.Set(echo.HeaderConnection, "close")
			}
			defer func() {
				s.finish(c, err, recover())
				err = nil
			}()
			if r.Method == http.MethodOptions && r.URL.Path == "*" {
				// It asks about no route in particular.
				c.SetPath("*")
				h.Set(echo.HeaderAllow, "OPTIONS, DELETE, GET, HEAD, POST")
				return c.NoContent(http.StatusNoContent)
			}
			return next(c)
		}
	}
}

// trace begins the span of a request and returns the function that ends it.
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

// finish answers a request whose handler returned an error or panicked. Then it records
// the request in the log and the metrics.
func (s *Server) finish(c echo.Context, err error, panicked any) {
	if panicked != nil {
		if aborted, ok := panicked.(error); ok && errors.Is(aborted, http.ErrAbortHandler) {
			panic(panicked)
		}
		s.Logger.Error("panic", "request_id", idOf(c), "stack", string(debug.Stack()))
		err = panicError(panicked)
	}
	var failed *failure
	if err != nil {
		failed = asFailure(err)
	}
	if failed != nil && !c.Response().Committed { // else the status has been sent
		if failed.retryAfter > 0 {
			c.Response().Header().Set(echo.HeaderRetryAfter, strconv.FormatInt(failed.retryAfter, 10))
		}
		if err := infoOf(c).dialect.writeError(c, failed); err != nil {
			s.Logger.Debug("answer not written", "request_id", idOf(c), "error", err)
		}
	}
	s.recorder.record(c, failed)
}

// panicError describes a panic by its type: the value may hold a secret, unless it comes
// from the Go runtime.
func panicError(value any) error {
	if err, ok := value.(runtime.Error); ok {
		return fmt.Errorf("panic: %w", err)
	}
	return fmt.Errorf("panic: %T", value)
}

// requestID returns the id that came with the request if it is safe to log, else a new
// one.
func requestID(h http.Header) string {
	const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
	id := h.Get(echo.HeaderXRequestID)
	if id == "" || len(id) > 64 || strings.Trim(id, allowed) != "" {
		return rand.Text()
	}
	return id
}

// idOf returns the request id, which the answer's header has.
func idOf(c echo.Context) string { return c.Response().Header().Get(echo.HeaderXRequestID) }

// routeOf returns the method and the registered path, never the path of the request:
// that may hold personal data.
func routeOf(c echo.Context) string { return methodOf(c.Request().Method) + " " + c.Path() }
