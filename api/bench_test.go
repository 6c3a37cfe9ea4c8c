package api

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowroute/sms-verification/codes"
)

// instant is a Service that answers at once, so that the benchmark measures the HTTP layer.
type instant struct {
	fake
	outcome codes.Outcome
}

func (i instant) Check(context.Context, codes.CheckRequest) (codes.Outcome, error) {
	return i.outcome, nil
}

// BenchmarkHandler measures everything between net/http and package codes: the log line,
// metrics, the API key and the limit on requests in flight.
func BenchmarkHandler(b *testing.B) {
	verify := `{"auth_id":"bench-1","code":"4903"}`
	for _, c := range []struct {
		name, path, body string
		outcome          codes.Outcome
		status           int
	}{
		{"create", "/", createBody("bench-1"), codes.Outcome{}, http.StatusOK},
		{"right", "/verify", verify, codes.Outcome{Status: codes.Right}, http.StatusOK},
		{"wrong", "/verify", verify, codes.Outcome{Status: codes.Wrong, AttemptsLeft: 2}, http.StatusBadRequest},
	} {
		b.Run(c.name, func(b *testing.B) {
			handler := New(Options{
				Service:     instant{func(any) error { return nil }, c.outcome},
				State:       &state{ready: true},
				Keys:        []Key{key("bench", "secret")},
				Failures:    &failures{},
				Hasher:      codes.NewHasher([]byte("test")),
				Logger:      slog.New(slog.NewJSONHandler(io.Discard, nil)),
				Registerer:  prometheus.NewRegistry(),
				MaxInFlight: 1000,
			}).Handler()
			body := bytes.NewReader(nil)
			r, err := http.NewRequest(http.MethodPost, c.path, io.NopCloser(body))
			if err != nil {
				b.Fatal(err)
			}
			r.RemoteAddr, r.ContentLength = "127.0.0.1:1234", int64(len(c.body))
			r.Header = http.Header{
				"Content-Type": {"application/json"}, "Authorization": {"Bearer secret"},
			}
			w := &discard{header: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				body.Reset([]byte(c.body))
				handler.ServeHTTP(w, r)
				if w.status != c.status {
					b.Fatalf("status %d", w.status)
				}
			}
		})
	}
}

// discard is a ResponseWriter that allocates nothing.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
