package telemetry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collector sends spans over OTLP/HTTP. The library's own client would link in gRPC,
// which OTLP/HTTP does not use, and nearly double the size of the program.
type collector struct {
	url     string
	headers http.Header
	timeout time.Duration
	http    *http.Client
}

// collectorFrom reads the standard OpenTelemetry variables.
func collectorFrom(getenv func(string) string) (*collector, error) {
	c := &collector{timeout: 10 * time.Second, http: &http.Client{}}
	// The variable for traces takes precedence over the one for all signals.
	setting := func(rest string) (name, value string) {
		for _, name = range []string{"OTEL_EXPORTER_OTLP_TRACES_" + rest, "OTEL_EXPORTER_OTLP_" + rest} {
			if value = getenv(name); value != "" {
				break
			}
		}
		return name, value
	}
	name, endpoint := setting("ENDPOINT")
	u, err := url.Parse(endpoint)
	switch {
	case endpoint == "":
		c.url = "http://localhost:4318/v1/traces"
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("%s must be a URL such as http://127.0.0.1:4318", name)
	case strings.Contains(name, "TRACES"):
		c.url = u.String()
	default:
		c.url = u.JoinPath("v1/traces").String()
	}
	if name, protocol := setting("PROTOCOL"); protocol != "" && protocol != "http/protobuf" {
		return nil, fmt.Errorf("%s must be http/protobuf", name)
	}
	if name, timeout := setting("TIMEOUT"); timeout != "" {
		ms, err := strconv.Atoi(timeout)
		if err != nil || ms < 1 {
			return nil, fmt.Errorf("%s must be a number of milliseconds", name)
		}
		c.timeout = time.Duration(ms) * time.Millisecond
	}
	name, list := setting("HEADERS")
	if c.headers, err = parseHeaders(list); err != nil {
		return nil, fmt.Errorf("%s must be a list such as name=value,other=value", name)
	}
	for _, rest := range []string{"CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY", "COMPRESSION"} {
		if name, value := setting(rest); value != "" && value != "none" {
			return nil, fmt.Errorf("%s is not supported; set SSL_CERT_FILE to trust another certificate authority", name)
		}
	}
	return c, nil
}

// parseHeaders parses name=value,… with percent-encoded values. Its error does not
// quote them, as they may be secret.
func parseHeaders(list string) (http.Header, error) {
	headers := http.Header{}
	if list == "" {
		return headers, nil
	}
	for pair := range strings.SplitSeq(list, ",") {
		name, value, found := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if name = strings.TrimSpace(name); !found || name == "" || err != nil {
			return nil, errors.New("malformed")
		}
		headers.Set(name, value)
	}
	return headers, nil
}

// Start is part of otlptrace.Client.
func (*collector) Start(context.Context) error { return nil }

// Stop is part of otlptrace.Client.
func (c *collector) Stop(context.Context) error {
	c.http.CloseIdleConnections()
	return nil
}

// UploadTraces sends spans once; those that the collector does not accept are lost.
func (c *collector) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	// Its encoding is that of the ExportTraceServiceRequest that the collector expects.
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans})
	if err != nil {
		return fmt.Errorf("telemetry: upload: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("telemetry: upload: %w", err)
	}
	r.Header = c.headers.Clone()
	r.Header.Set("Content-Type", "application/x-protobuf")
	res, err := c.http.Do(r)
	if err != nil {
		return fmt.Errorf("telemetry: upload: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("telemetry: upload: collector answered %d", res.StatusCode)
	}
	return nil
}
