package app

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowroute/sms-verification/config"
)

// levelHandler returns the handler of /loglevel, and the log whose level it changes.
func levelHandler(t *testing.T) (http.Handler, *Logs) {
	logs := NewLogs(io.Discard, slog.LevelInfo, false)
	t.Cleanup(logs.Close)
	a := &App{cfg: &config.Config{AdminAddr: "admin.internal:9464"}, log: logs}
	return a.adminHandlers(prometheus.NewRegistry())["/loglevel"], logs
}

// TestLogLevel: the level is shown and set while the service runs.
func TestLogLevel(t *testing.T) {
	handler, logs := levelHandler(t)
	for _, step := range []struct {
		method, query string
		status        int
		answer        string
		level         slog.Level
	}{
		{"GET", "", 200, "info\n", slog.LevelInfo},
		{"PUT", "?level=debug", 200, "debug\n", slog.LevelDebug},
		{"PUT", "?level=loud", 400, "debug, info, warn or error", slog.LevelDebug},
		{"PUT", "", 400, "debug, info, warn or error", slog.LevelDebug},
		{"POST", "?level=error", 405, "PUT", slog.LevelDebug},
		{"PUT", "?level=ERROR", 200, "error\n", slog.LevelError},
	} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(step.method, "http://localhost/loglevel"+step.query, nil))
		if w.Code != step.status || !strings.Contains(w.Body.String(), step.answer) {
			t.Errorf("%s %s: %d %q, want %d %q", step.method, step.query, w.Code, w.Body, step.status, step.answer)
		}
		if log := logs.Handler(); !log.Enabled(context.Background(), step.level) || log.Enabled(context.Background(), step.level-1) {
			t.Errorf("%s %s: the level is not %v", step.method, step.query, step.level)
		}
	}
}

// TestLogLevelHosts: a foreign name that resolves to ADMIN_ADDR cannot change the
// level, so no page in an operator's browser can.
func TestLogLevelHosts(t *testing.T) {
	handler, _ := levelHandler(t)
	own, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]int{
		"127.0.0.1": 200, "10.0.0.7:9464": 200, "[::1]:9464": 200, "[::1]": 200, "LOCALHOST:1": 200, own + ":9464": 200, "admin.internal": 200,
		"evil.example": 403, "evil.example:9464": 403, "127.0.0.1.evil.example": 403, "localhost.evil.example": 403, "evil": 403,
	} {
		for method, want := range map[string]int{http.MethodPut: want, http.MethodGet: 200} {
			r := httptest.NewRequest(method, "/loglevel?level=info", nil)
			r.Host = host
			w := httptest.NewRecorder()
			if handler.ServeHTTP(w, r); w.Code != want {
				t.Errorf("%s with Host %q: %d, want %d", method, host, w.Code, want)
			}
		}
	}
}
