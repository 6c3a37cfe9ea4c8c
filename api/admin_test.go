package api

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowroute/sms-verification/codes/codestest"
)

func TestAdmin(t *testing.T) {
	var log codestest.Output
	s := New(Options{
		State:      &state{ready: true},
		Logger:     slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Registerer: prometheus.NewRegistry(),
	})
	admin := s.Admin(map[string]http.Handler{
		"/metrics":        http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "measured") }),
		"/debug/things/*": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) }),
	})
	for target, want := range map[string]struct {
		status int
		body   string
	}{
		"/metrics":          {200, "measured"},
		"/debug/things/":    {200, "/debug/things/"},
		"/debug/things/any": {200, "/debug/things/any"},
		"/healthz":          {200, `{"status":"ok"}` + "\n"},
		"/readyz":           {200, `{"status":"ready"}` + "\n"},
		"/":                 {404, noRoute + "\n"},
		"/verify":           {404, noRoute + "\n"},
		"/openapi.yaml":     {404, noRoute + "\n"},
	} {
		w := httptest.NewRecorder()
		admin.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
		if w.Code != want.status || w.Body.String() != want.body || w.Header().Get("X-Request-Id") == "" {
			t.Errorf("%s: %d %q", target, w.Code, w.Body)
		}
	}
	// Regular scrapes are not logged at level info.
	if got := log.String(); strings.Contains(got, `"level":"INFO","msg":"request","route":"GET /metrics"`) || strings.Contains(got, "things/any") {
		t.Errorf("logged %s", got)
	}
}
