package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// tracesWanted reports whether the standard OpenTelemetry variables enable traces.
func tracesWanted(getenv func(string) string) (bool, error) {
	exporter := getenv("OTEL_TRACES_EXPORTER")
	asked := getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") + getenv("OTEL_EXPORTER_OTLP_ENDPOINT")
	switch {
	case strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true"), exporter == "none", exporter == "" && asked == "":
		return false, nil
	case exporter != "" && exporter != "otlp":
		return false, errors.New("OTEL_TRACES_EXPORTER must be otlp or none")
	}
	return true, nil
}

// Traces sends the spans of requests to an OpenTelemetry collector. A nil *Traces
// does nothing. A span has no content of a request.
type Traces struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
}

// warnEvery is the shortest time between two warnings about the collector.
const warnEvery = time.Minute

// NewTraces returns traces as the standard OpenTelemetry variables describe them, or
// nil if they enable none. Its errors are mistakes in the variables. Spans wait for
// the collector in a queue; those that do not fit are dropped.
func NewTraces(ctx context.Context, b Build, logger *slog.Logger) (*Traces, error) {
	if wanted, err := tracesWanted(os.Getenv); !wanted {
		return nil, err
	}
	client, err := collectorFrom(os.Getenv)
	if err != nil {
		return nil, err
	}
	var warned atomic.Int64
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { // the library has one handler per process
		last, now := warned.Load(), time.Now().Unix()
		if now-last >= int64(warnEvery/time.Second) && warned.CompareAndSwap(last, now) {
			logger.Warn("traces not sent", "error", err.Error())
		}
	}))
	// OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES come last, so they win.
	service, err := resource.New(ctx, resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", "sms-verification"), attribute.String("service.version", b.Version)),
		resource.WithFromEnv())
	if err != nil {
		return nil, errors.New("OTEL_RESOURCE_ATTRIBUTES must be a list such as name=value,other=value")
	}
	exporter, err := otlptrace.New(ctx, client)
	if err != nil {
		return nil, fmt.Errorf("telemetry: traces: %w", err)
	}
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(service))
	return &Traces{provider: provider, tracer: provider.Tracer("github.com/flowroute/sms-verification")}, nil
}

// flushTimeout is how long Close waits for the collector.
const flushTimeout = 2 * time.Second

// Close sends the queued spans, for at most flushTimeout.
func (t *Traces) Close() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		otel.Handle(err)
	}
}

// Request starts the span of a request, within the caller's trace if the request has
// a traceparent; see api.Options.
func (t *Traces) Request(r *http.Request, route string) (ctx context.Context, id string, end func(status int, reason, caller string)) {
	ctx = propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	ctx, span := t.tracer.Start(ctx, route, trace.WithSpanKind(trace.SpanKindServer))
	return ctx, span.SpanContext().TraceID().String(), func(status int, reason, caller string) {
		span.SetAttributes(attribute.String("http.route", route), attribute.Int("http.response.status_code", status))
		if reason != "" {
			span.SetAttributes(attribute.String("smsv.reason", reason))
		}
		if caller != "" {
			span.SetAttributes(attribute.String("smsv.caller", caller))
		}
		if status >= http.StatusInternalServerError {
			span.SetStatus(otelcodes.Error, "")
		}
		span.End()
	}
}

// call starts the span of a call to another system. The span is nil if t is nil.
func (t *Traces) call(ctx context.Context, system, name string) (context.Context, trace.Span) {
	if t == nil {
		return ctx, nil
	}
	return t.tracer.Start(ctx, system+" "+name, trace.WithSpanKind(trace.SpanKindClient))
}

// callSince records the span of a call that began at the given time and ends now. It
// does nothing if t is nil or there is no span of a request.
func (t *Traces) callSince(ctx context.Context, system, name string, begun time.Time, result string) {
	if t == nil || !trace.SpanContextFromContext(ctx).IsValid() {
		return
	}
	_, span := t.tracer.Start(ctx, system+" "+name, trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(begun))
	finish(span, result, result == "failed")
}

// finish ends the span of a call; a nil span is ignored.
func finish(span trace.Span, result string, failed bool) {
	if span == nil {
		return
	}
	span.SetAttributes(attribute.String("smsv.result", result))
	if failed {
		span.SetStatus(otelcodes.Error, "")
	}
	span.End()
}
