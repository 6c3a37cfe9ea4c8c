package telemetry

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestTraceVariables: the standard variables are read, and mistakes in them are
// reported.
func TestTraceVariables(t *testing.T) {
	const endpoint, forTraces = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	type vars map[string]string
	for _, test := range []struct {
		env  vars
		url  string // empty: no traces
		fail string // what the error names
	}{
		{env: vars{}},
		{env: vars{endpoint: "http://a:1", "OTEL_SDK_DISABLED": "true"}},
		{env: vars{endpoint: "http://a:1", "OTEL_TRACES_EXPORTER": "none"}},
		{env: vars{"OTEL_TRACES_EXPORTER": "otlp"}, url: "http://localhost:4318/v1/traces"},
		{env: vars{endpoint: "http://a:1"}, url: "http://a:1/v1/traces"},
		{env: vars{endpoint: "https://a:1/otlp/"}, url: "https://a:1/otlp/v1/traces"},
		{env: vars{forTraces: "http://a:1/x", endpoint: "http://b:1"}, url: "http://a:1/x"},
		{env: vars{endpoint: "http://a:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, url: "http://a:1/v1/traces"},
		{env: vars{endpoint: "a:1"}, fail: endpoint},
		{env: vars{forTraces: "grpc://a:1"}, fail: forTraces},
		{env: vars{endpoint: "http://a:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, fail: "OTEL_EXPORTER_OTLP_PROTOCOL"},
		{env: vars{endpoint: "http://a:1", "OTEL_TRACES_EXPORTER": "zipkin"}, fail: "OTEL_TRACES_EXPORTER"},
		{env: vars{endpoint: "http://a:1", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "10s"}, fail: "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"},
		{env: vars{endpoint: "http://a:1", "OTEL_EXPORTER_OTLP_HEADERS": "canary"}, fail: "OTEL_EXPORTER_OTLP_HEADERS"},
		{env: vars{endpoint: "http://a:1", "OTEL_EXPORTER_OTLP_CERTIFICATE": "/a"}, fail: "OTEL_EXPORTER_OTLP_CERTIFICATE"},
		{env: vars{endpoint: "http://a:1", "OTEL_RESOURCE_ATTRIBUTES": "canary"}, fail: "OTEL_RESOURCE_ATTRIBUTES"},
	} {
		t.Run(fmt.Sprint(test.env), func(t *testing.T) {
			for name, value := range test.env {
				t.Setenv(name, value)
			}
			traces, err := NewTraces(t.Context(), Build{}, slog.New(slog.DiscardHandler))
			if (err != nil) != (test.fail != "") || err != nil && (!strings.Contains(err.Error(), test.fail) || strings.Contains(err.Error(), "canary")) {
				t.Fatalf("error %v, want one about %q", err, test.fail)
			}
			if (traces != nil) != (test.url != "") {
				t.Fatalf("traces %v, want them to go to %q", traces, test.url)
			}
			if test.url == "" {
				return
			}
			traces.Close()
			if c, err := collectorFrom(func(name string) string { return test.env[name] }); err != nil || c.url != test.url {
				t.Errorf("to %s, %v; want %s", c.url, err, test.url)
			}
		})
	}
	c, err := collectorFrom(func(name string) string {
		return vars{"OTEL_EXPORTER_OTLP_HEADERS": "a=1, authorization=Bearer%20x", "OTEL_EXPORTER_OTLP_TIMEOUT": "250"}[name]
	})
	if err != nil || c.headers.Get("A") != "1" || c.headers.Get("Authorization") != "Bearer x" || c.timeout != 250*time.Millisecond {
		t.Errorf("%+v, %v", c, err)
	}
}
