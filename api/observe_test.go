package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"

	"github.com/flowroute/sms-verification/codes"
)

func TestRequestID(t *testing.T) {
	a := newAPI(t)
	for _, id := range []string{"a", "Z", "0", "-", "...", "A-Za-z0-9._-", strings.Repeat("x", 64)} {
		for _, target := range []string{"/healthz", "/nowhere", "/"} {
			if got := a.do(t, "GET", target, "", "X-Request-Id", id).header.Get("X-Request-Id"); got != id {
				t.Errorf("%s: %q became %q", target, id, got)
			}
		}
	}
	seen := map[string]bool{}
	for _, id := range []string{"", strings.Repeat("x", 65), "a b", "a,b", "a/b", "a@b", "[a]", "`a`", "{a}", "a:b", "é", "\xff", `a"b`, "<a>", "a\tb"} {
		got := a.do(t, "GET", "/healthz", "", "X-Request-Id", id).header.Get("X-Request-Id")
		if got == id || seen[got] {
			t.Errorf("%q became %q, seen before: %v", id, got, seen[got])
		}
		seen[got] = true
	}
}

// TestPanic: a panic is answered as an internal error. The log has its stack, but not its
// value, which may hold a secret.
func TestPanic(t *testing.T) {
	const secret = "canary-of-the-panic"
	for name, value := range map[string]any{
		"a string": secret,
		"an error": errors.New(secret),
		"a struct": struct{ s string }{secret},
		"the runtime's": func() (err error) {
			defer func() { err, _ = recover().(error) }()
			_ = any(secret).(fmt.Stringer)
			return nil
		}(),
	} {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t, withService(func(any) error { panic(value) }))
			a.do(t, "POST", "/", createBody("a"), "X-Request-Id", "traced").is(t, 500, internal)
			for _, c := range calls("") {
				a.call(t, c).is(t, 500, internal)
			}
			log := a.log.String()
			if strings.Contains(log, secret) {
				t.Errorf("the panic's value is in the log: %s", log)
			}
			for _, want := range []string{"observe_test.go", `"msg":"panic"`, `"reason":"InternalError"`} {
				if !strings.Contains(log, want) {
					t.Errorf("the log lacks %s: %s", want, log)
				}
			}
			first, _, _ := strings.Cut(log, "\n")
			if !strings.Contains(first, `"request_id":"traced"`) {
				t.Errorf("the stack has no request id: %s", first)
			}
		})
	}
}

// TestAbort: http.ErrAbortHandler breaks off the connection, as net/http documents.
func TestAbort(t *testing.T) {
	a := newAPI(t, withService(func(any) error { panic(fmt.Errorf("wrapped: %w", http.ErrAbortHandler)) }))
	r := httptest.NewRequest("GET", "/?auth_id=a&code=1", nil)
	defer func() {
		if err, ok := recover().(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
			t.Errorf("recovered %v", err)
		}
	}()
	a.handler.ServeHTTP(httptest.NewRecorder(), r)
	t.Error("no panic")
}

func TestDraining(t *testing.T) {
	a := newAPI(t)
	for _, draining := range []bool{false, true} {
		a.state.draining = draining
		if got := a.raw(t, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", false); got.status != 200 || got.closes != draining {
			t.Errorf("draining %v: %d, connection closed %v", draining, got.status, got.closes)
		}
	}
}

// TestLogLine: a log line has what identifies a request, and nothing else. It names a
// known profile, even one that the caller may not use.
func TestLogLine(t *testing.T) {
	a := newAPI(t, withKey, withProfiles)
	const key = "Bearer secret"
	line := regexp.MustCompile(`^{"time":"[^"]+",(.*),"took_ms":[\d.e-]+(.*)\n$`)
	for _, test := range []struct {
		method, target, body, authorization string
		fails                               error // of the store
		want                                string
	}{
		{"POST", "/", createBody("a"), key, nil, `"level":"INFO","msg":"request","route":"POST /","status":200,"request_id":"r1","caller":"shop","recipient":"a6f972c571","recipient_ends":"00"}`},
		{"GET", "/?auth_id=b&code=1", "", key, nil, `"level":"INFO","msg":"request","route":"GET /","status":400,"request_id":"r1","caller":"shop","reason":"UnknownAuthId"}`},
		{"GET", "/", "", "", nil, `"level":"INFO","msg":"request","route":"GET /","status":401,"request_id":"r1","reason":"Unauthorized"}`},
		{"PUT", "/verify", "", key, nil, `"level":"INFO","msg":"request","route":"other /verify","status":405,"request_id":"r1","reason":"MethodNotAllowed"}`},
		{"OPTIONS", "/", "", key, nil, `"level":"INFO","msg":"request","route":"OPTIONS /","status":204,"request_id":"r1"}`},
		{"GET", "/no/where", "", key, nil, `"level":"INFO","msg":"request","route":"unknown","status":404,"request_id":"r1","reason":"NotFound"}`},
		{"GET", "/healthz", "", key, nil, `"level":"DEBUG","msg":"request","route":"GET /healthz","status":200,"request_id":"r1"}`},
		{"GET", "/?auth_id=a&code=1", "", key, fmt.Errorf("store: %w", codes.ErrUnavailable), `"level":"WARN","msg":"request","route":"GET /","status":503,"request_id":"r1","caller":"shop","reason":"ServiceUnavailable","error":"codes: check: store: unavailable"}`},
		{"POST", "/", createBody("a"), key, &codes.LimitError{Limit: "SEND_LIMITS 5/10m"}, `"level":"INFO","msg":"request","route":"POST /","status":429,"request_id":"r1","caller":"shop","recipient":"a6f972c571","recipient_ends":"00","reason":"RateLimited","limit":"SEND_LIMITS 5/10m"}`},
		{"GET", "/status?auth_id=a&profile=login", "", key, nil, `"level":"INFO","msg":"request","route":"GET /status","status":400,"request_id":"r1","caller":"shop","profile":"login","reason":"UnknownAuthId"}`},
		{"GET", "/status?auth_id=a&profile=payout", "", key, nil, `"level":"INFO","msg":"request","route":"GET /status","status":403,"request_id":"r1","caller":"shop","profile":"payout","reason":"ProfileNotAllowed"}`},
		{"GET", "/status?auth_id=a&profile=other", "", key, nil, `"level":"INFO","msg":"request","route":"GET /status","status":400,"request_id":"r1","caller":"shop","reason":"InvalidAPIUsage"}`},
	} {
		before := len(a.log.String())
		a.backend.failWith(test.fails)
		a.do(t, test.method, test.target, test.body, "Authorization", test.authorization, "X-Request-Id", "r1")
		// The times differ from run to run.
		if got := line.ReplaceAllString(a.log.String()[before:], "$1$2"); got != test.want {
			t.Errorf("logged %s\nwant   %s", got, test.want)
		}
	}
}

// TestNoSecrets: no log line, metric or error contains an argument, a code or a key.
func TestNoSecrets(t *testing.T) {
	a := newAPI(t, withKey)
	const id, unsent = "canary-id", "17185550142"
	do := func(method, target, body string, headers ...string) {
		got := a.do(t, method, target, body, append(headers, "Cookie", "canary-cookie", "User-Agent", "canary-agent")...)
		if got.status >= 400 && strings.Contains(got.text, "canary") {
			t.Errorf("in the answer: %s", got.text)
		}
	}
	right := []string{"Authorization", "Bearer secret"}
	do("POST", "/", createBody(id), right...)
	code := a.lastCode(t)
	do("GET", checkQuery(id, wrong(code)+"000710007100071"), "", right...)
	do("GET", checkQuery(id, code), "", right...)
	do("POST", "/verify", `{"auth_id":"canary-id","code":"canary-code"}`, right...)
	do("POST", "/verify", `{"auth_id":"canary-id","canary-name":1,"canary-name":1}`, right...)
	do("POST", "/", `{"auth_id":"canary-id","recipient":"canary-number"}`, right...)
	do("POST", "/", `{"auth_id":"canary-id","recipient":"`+number+`","profile":"canary-profile"}`, right...)
	do("POST", "/", `{"auth_id":"canary-id","recipient":"`+number+`","locale":"canary-locale"}`, right...)
	do("POST", "/", `{"auth_id":"canary-id","recipient":"`+number+`","client":"canary-client"}`, right...)
	do("GET", "/status?auth_id=canary-id&profile=canary-profile", "", right...)
	do("DELETE", "/?auth_id=canary-id&auth_id=canary-id", "", right...)
	do("GET", "/canary-path?canary-query=%zz", "")
	do("CANARY", "/canary-path", "")
	do("CANARY", "/", "")
	do("POST", "/", "canary-body", "Content-Type", "canary/type", "Authorization", "Bearer secret")
	do("GET", "/?auth_id=canary-id", "", "Authorization", "Bearer canary-key")
	do("GET", "/?auth_id=canary-id", "", "X-Request-Id", "canary id", "X-Forwarded-For", "canary-address")
	a.sender.FailWith(codes.ErrRejected)
	do("POST", "/", `{"auth_id":"canary-id","recipient":"`+unsent+`"}`, right...)

	log := a.log.String() + a.metrics(t)
	for _, secret := range []string{"canary", "CANARY", unsent, unsent[1:], number, number[1:], "000710007100071", code, "secret", "127.0.0.1"} {
		if strings.Contains(log, secret) {
			t.Errorf("%q is in the log or the metrics:\n%s", secret, log)
		}
	}
}

// metrics returns all metrics in Prometheus' text format.
func (a *testAPI) metrics(t testing.TB) string {
	t.Helper()
	families, err := a.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(&text, family); err != nil {
			t.Fatal(err)
		}
	}
	return text.String()
}

// hasMetrics expects lines, or parts of lines, in the metrics.
func (a *testAPI) hasMetrics(t testing.TB, want ...string) {
	t.Helper()
	metrics := a.metrics(t)
	for _, part := range want {
		if !strings.Contains(metrics, part) {
			t.Errorf("no %s in\n%s", part, metrics)
		}
	}
}

func TestMetrics(t *testing.T) {
	a := newAPI(t, withKey)
	a.do(t, "POST", "/", createBody("a"), "Authorization", "Bearer secret")
	a.do(t, "GET", "/?auth_id=b&code=1", "", "Authorization", "Bearer secret")
	a.do(t, "GET", "/", "")
	a.hasMetrics(t,
		`smsv_http_requests_total{caller="shop",reason="",route="POST /",status="200"} 1`,
		`smsv_http_requests_total{caller="shop",reason="UnknownAuthId",route="GET /",status="400"} 1`,
		`smsv_http_requests_total{caller="",reason="Unauthorized",route="GET /",status="401"} 1`,
		`smsv_http_request_duration_seconds_count{route="GET /"} 2`)
}

// TestMetricsAreBounded: requests cannot create new series.
func TestMetricsAreBounded(t *testing.T) {
	a := newAPI(t)
	ask := func(n int) {
		method, path := fmt.Sprintf("M%d", n), fmt.Sprintf("/%d", n)
		a.do(t, method, "/", "")
		a.do(t, method, "/verify", "")
		a.do(t, method, path, "")
		a.do(t, "GET", path, "")
		a.do(t, "OPTIONS", path, "")
		a.do(t, "GET", fmt.Sprintf("/?auth_id=%d&code=%d&x%d", n, n, n), "")
		a.do(t, "POST", "/", fmt.Sprintf(`{"x":%d}`, n), "X-Request-Id", strconv.Itoa(n))
		a.raw(t, fmt.Sprintf("CONNECT a:%d HTTP/1.1\r\nHost: a:%d\r\n\r\n", n, n), false)
		a.do(t, "POST", "/", fmt.Sprintf(`{"auth_id":"%d","recipient":"1%03d5550100"}`, n, 200+73*n), "Idempotency-Key", strconv.Itoa(n))
		a.do(t, "POST", "/verify", fmt.Sprintf(`{"auth_id":"%d","code":"%d"}`, n+1000, n), "Authorization", fmt.Sprintf("Bearer %d", n))
		a.raw(t, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", false)
	}
	ask(0)
	before := strings.Count(a.metrics(t), "\n")
	for n := 1; n < 10; n++ {
		ask(n)
	}
	if after := strings.Count(a.metrics(t), "\n"); after != before {
		t.Errorf("%d series became %d:\n%s", before, after, a.metrics(t))
	}
}
