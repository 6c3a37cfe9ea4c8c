package main

import (
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// collector is a small OpenTelemetry collector.
type collector struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
	spans    []*tracepb.Span
	all      strings.Builder // all that came, as text
}

func startCollector(t *testing.T) *collector {
	c := &collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var data tracepb.TracesData
		if err := proto.Unmarshal(body, &data); err != nil {
			t.Errorf("not OTLP: %v", err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.requests = append(c.requests, r)
		c.all.WriteString(prototext.Format(&data))
		for _, of := range data.ResourceSpans {
			for _, scope := range of.ScopeSpans {
				c.spans = append(c.spans, scope.Spans...)
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// trace are the spans of one trace, by name.
func (c *collector) trace(id string) map[string]*tracepb.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	spans := map[string]*tracepb.Span{}
	for _, s := range c.spans {
		if hex.EncodeToString(s.TraceId) == id {
			spans[s.Name] = s
		}
	}
	return spans
}

const (
	callersTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	callersSpan  = "00f067aa0ba902b7"
)

// TestTraces: a request, its operations on Redis and its send are one trace, under
// the span of the caller. No span holds an argument of the request. Flowroute gets no
// trace headers, and learns which program and version calls it.
func TestTraces(t *testing.T) {
	t.Parallel()
	redis, sim, to := redistest.Server(t), startSimulator(t, flowroutetest.Options{}), startCollector(t)
	sent := make(chan http.Header, 9) // to Flowroute
	flowroute := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent <- r.Header
		sim.ServeHTTP(w, r)
	}))
	t.Cleanup(flowroute.Close)
	p := serveReady(t, environment(redis, sim, "FLOWROUTE_BASE_URL="+flowroute.URL, "CODE_LENGTH=12", "SEND_LIMITS=5/1h", "GUESS_LIMITS=5/1h",
		"OTEL_EXPORTER_OTLP_ENDPOINT="+to.URL, "OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20abc",
		"OTEL_SERVICE_NAME=codes", "OTEL_RESOURCE_ATTRIBUTES=deployment.environment=test", "LOG_LEVEL=debug"))
	const id = "id-of-alice"
	create(t, p.URL, id, anyone, "Traceparent: 00-"+callersTrace+"-"+callersSpan+"-01")
	code := codeSent(t, sim, anyone)
	verify(t, p.URL, id, otherCode(code), "X-Request-Id: wrong")
	verify(t, p.URL, id, code, "Traceparent: 00-11111111111111111111111111111111-"+callersSpan+"-00") // not to be traced
	create(t, p.URL, id, "15005550422", "X-Request-Id: refused")
	get(t, p.URL+"/"+id+"/"+code)
	get(t, p.URL+"/healthz")
	p.stop(t, 0) // sends the spans that are queued

	expect := func(trace, root, reason string, calls ...string) {
		t.Helper()
		spans := to.trace(trace)
		if spans[root] == nil || len(spans) != 1+len(calls) {
			t.Fatalf("the trace %q of %s has %d spans, want %d more than the request's", trace, root, len(spans), len(calls))
		}
		for _, name := range calls {
			if s := spans[name]; s == nil || !slices.Equal(s.ParentSpanId, spans[root].SpanId) || s.Kind != tracepb.Span_SPAN_KIND_CLIENT {
				t.Errorf("%s is not a call in %s: %v", name, root, s)
			}
		}
		if text := prototext.Format(spans[root]); reason != "" && !strings.Contains(text, reason) {
			t.Errorf("%s lacks %s: %s", root, reason, text)
		}
	}
	expect(callersTrace, "POST /", "", "redis reserve", "flowroute send")
	if s := to.trace(callersTrace)["POST /"]; hex.EncodeToString(s.ParentSpanId) != callersSpan || s.Kind != tracepb.Span_SPAN_KIND_SERVER {
		t.Errorf("the request is not a part of its caller's span: %v", s)
	}
	expect(traceOf(t, p, "wrong"), "POST /verify", "InvalidAuthCode", "redis check")
	expect(traceOf(t, p, "refused"), "POST /", "MessageRejected", "redis reserve", "flowroute send", "redis release")
	if n := len(to.spans); n != 3+2+4+1 {
		t.Errorf("%d spans", n)
	}
	for _, r := range to.requests {
		if r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" || r.Header.Get("Authorization") != "Bearer abc" {
			t.Errorf("%s %v", r.URL, r.Header)
		}
	}
	printed := succeeds(t, nil, "version")
	agent := "sms-verification/" + strings.Trim(strings.Fields(printed)[1], "()")
	if len(sent) != 2 {
		t.Errorf("%d requests to Flowroute", len(sent))
	}
	for range len(sent) {
		h := <-sent
		if h.Get("Traceparent")+h.Get("Tracestate")+h.Get("Baggage") != "" || h.Get("User-Agent") != agent {
			t.Errorf("Flowroute got %v, want the User-Agent %s and no trace", h, agent)
		}
	}
	contains(t, "the collector", to.all.String(), `"codes"`, `"deployment.environment"`, `"unknown"`)
	lacks(t, "the collector", to.all.String(), id, code, otherCode(code), anyone[1:], "15005550422", testSecretKey, "127.0.0.1")
}

// traceOf is the trace that the log line of a request names.
func traceOf(t *testing.T, p *process, requestID string) string {
	t.Helper()
	for line := range strings.Lines(p.stderr.String()) {
		var fields struct {
			RequestID string `json:"request_id"`
			TraceID   string `json:"trace_id"`
		}
		if json.Unmarshal([]byte(line), &fields) == nil && fields.RequestID == requestID {
			return fields.TraceID
		}
	}
	t.Fatalf("no line of the request %s", requestID)
	return ""
}

// TestDeadCollector: a collector that accepts connections and never answers delays
// neither requests nor the end.
func TestDeadCollector(t *testing.T) {
	t.Parallel()
	p := serveReady(t, debugEnvironment("OTEL_EXPORTER_OTLP_ENDPOINT=http://"+silent(t), "OTEL_BSP_SCHEDULE_DELAY=1",
		"OTEL_BSP_MAX_QUEUE_SIZE=50", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=10", "OTEL_EXPORTER_OTLP_TIMEOUT=300", "SEND_LIMITS=off"))
	for i := range 100 { // more than the queue holds
		if took := timed(1, func(int) { create(t, p.URL, "a", anyone).want(t, 200, "") }); took > 2*time.Second {
			t.Errorf("request %d took %v", i, took)
		}
	}
	p.logs(t, "traces not sent")
	if n := strings.Count(p.stderr.String(), "traces not sent"); n != 1 {
		t.Errorf("logged %d times within a minute", n)
	}
	p.stop(t, 0)
}

// TestTraceMistakes: wrong variables for traces are wrong settings.
func TestTraceMistakes(t *testing.T) {
	t.Parallel()
	for _, cmd := range []string{"serve", "check"} {
		_, stderr := command(t, 2, debugEnvironment("OTEL_EXPORTER_OTLP_ENDPOINT=localhost:4318"), cmd)
		contains(t, cmd, stderr, "OTEL_EXPORTER_OTLP_ENDPOINT must be a URL")
	}
}
