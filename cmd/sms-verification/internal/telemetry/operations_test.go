package telemetry

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	otelcodes "go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/flowroute/sms-verification/codes"
)

// traced returns traces that are kept in memory.
func traced(t *testing.T) (*Traces, *tracetest.InMemoryExporter) {
	exporter := tracetest.NewInMemoryExporter()
	provider := sdk.NewTracerProvider(sdk.WithSyncer(exporter))
	t.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
	return &Traces{provider: provider, tracer: provider.Tracer("")}, exporter
}

// TestOperations: in the metrics and in the traces a refusal is an answer, and any
// other error is a failure.
func TestOperations(t *testing.T) {
	for _, test := range []struct {
		err    error
		result string
	}{
		{nil, "done"},
		{&codes.LimitError{Limit: "5/10m"}, "refused"},
		{&codes.UnavailableError{Cause: "x"}, "refused"},
		{&codes.InProgressError{RetryAfter: 1}, "refused"},
		{codes.ErrKeyReused, "refused"},
		{codes.ErrUnavailable, "failed"},
		{errors.New("malformed answer"), "failed"},
	} {
		traces, exporter := traced(t)
		o := NewOperations(prometheus.NewRegistry(), traces)
		ctx, request := traces.call(t.Context(), "test", "request")
		begun := time.Now().Add(-time.Second)
		o.Done(ctx, "check", begun, test.err)
		o.Done(context.Background(), "used", begun, test.err) // no request, no span
		failures, failed := testutil.ToFloat64(o.failures.WithLabelValues("check")), test.result == "failed"
		if (failures == 1) != failed || failures > 1 {
			t.Errorf("%v: %v failures", test.err, failures)
		}
		spans := exporter.GetSpans()
		if len(spans) != 1 {
			t.Fatalf("%v: %d spans", test.err, len(spans))
		}
		s := spans[0]
		if s.Name != "redis check" || !s.StartTime.Equal(begun) || s.EndTime.Sub(begun) < time.Second ||
			s.Parent.SpanID() != request.SpanContext().SpanID() || (s.Status.Code == otelcodes.Error) != failed ||
			len(s.Attributes) != 1 || s.Attributes[0].Value.AsString() != test.result {
			t.Errorf("%v: %+v", test.err, s)
		}
	}
}

// TestOperationNames: the operations are those that the store reports.
func TestOperationNames(t *testing.T) {
	files, err := filepath.Glob("../../../../redisstore/*.go")
	if err != nil {
		t.Fatal(err)
	}
	reported := map[string]bool{}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, call := range regexp.MustCompile(`defer s\.end\(ctx, "(\w+)"`).FindAllSubmatch(source, -1) {
			reported[string(call[1])] = true
		}
	}
	if want, got := slices.Sorted(maps.Keys(reported)), slices.Sorted(slices.Values(operationNames)); !slices.Equal(got, want) || len(want) == 0 {
		t.Errorf("operations %v, the store reports %v", got, want)
	}
}

// TestOperationTime: an operation is measured from its beginning, even one that is
// not in operationNames.
func TestOperationTime(t *testing.T) {
	for _, name := range []string{"reserve", "new"} {
		o := NewOperations(prometheus.NewRegistry(), nil)
		o.Done(t.Context(), name, time.Now().Add(-time.Minute), nil)
		var m dto.Metric
		if err := o.durations.WithLabelValues(name).(prometheus.Metric).Write(&m); err != nil {
			t.Fatal(err)
		}
		if h := m.GetHistogram(); h.GetSampleCount() != 1 || h.GetSampleSum() < 60 {
			t.Errorf("%s: %v", name, h)
		}
	}
}

// TestNoAllocations: measuring an operation allocates nothing, and neither do traces
// that are off.
func TestNoAllocations(t *testing.T) {
	o, begun := NewOperations(prometheus.NewRegistry(), nil), time.Now()
	ctx := context.Background()
	if n := testing.AllocsPerRun(1000, func() { o.Done(ctx, "check", begun, nil) }); n != 0 {
		t.Errorf("%v allocations for one operation", n)
	}
}
