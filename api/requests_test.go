package api

import (
	"context"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowroute/sms-verification/codes"
)

// fake is a Service that calls itself with each request, and grants the request unless
// the call fails.
type fake func(request any) error

func (f fake) Create(_ context.Context, r codes.CreateRequest) (codes.Created, error) {
	return codes.Created{Lifetime: time.Hour, Attempts: 3}, f(r)
}

func (f fake) Check(_ context.Context, r codes.CheckRequest) (codes.Outcome, error) {
	return codes.Outcome{Status: codes.Right}, f(r)
}

func (f fake) Cancel(_ context.Context, r codes.CancelRequest) error { return f(r) }

func (f fake) Status(_ context.Context, r codes.StatusRequest) (codes.Progress, error) {
	return codes.Progress{Stage: codes.StagePending, AttemptsLeft: 3, TTLLeft: time.Hour}, f(r)
}

func (f fake) Receive(_ context.Context, r codes.Receipt) (codes.ReceiptResult, error) {
	return codes.Early, f(r)
}

func withService(f fake) func(*fixture) { return func(x *fixture) { x.Service = f } }

// asked are the requests that a service got.
type asked []any

// newAsked returns an API over a fake that keeps its requests.
func newAsked(t testing.TB, change ...func(*fixture)) (*testAPI, *asked) {
	t.Helper()
	got := &asked{}
	keep := withService(func(r any) error { *got = append(*got, r); return nil })
	return newAPI(t, append(change, keep)...), got
}

// is compares the requests, their times of arrival aside, and forgets them.
func (a *asked) is(t testing.TB, want ...any) {
	t.Helper()
	arrived := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Arrived" }, cmp.Ignore())
	if diff := cmp.Diff(want, []any(*a), arrived); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	*a = nil
}

// TestRequests: each route passes the arguments and the caller to the service. A locale
// and a client are in canonical form.
func TestRequests(t *testing.T) {
	a, got := newAsked(t, withKey)
	headers := []string{"Authorization", "Bearer secret", "Idempotency-Key", "k"}
	key := func(route string) codes.IdempotencyKey { return codes.IdempotencyKey{Route: route, Value: "k"} }
	a.do(t, "POST", "/", createBody("a"), headers...)
	a.do(t, "GET", checkQuery("a", "1"), "", headers...)
	a.do(t, "POST", "/verify", `{"auth_id":"a","code":"1"}`, headers...)
	a.do(t, "DELETE", "/?auth_id=a", "", headers...)
	a.do(t, "GET", "/status?auth_id=a", "", headers...)
	got.is(t,
		codes.CreateRequest{ID: "a", Recipient: number, Caller: "shop", Key: key("POST /")},
		codes.CheckRequest{ID: "a", Code: "1", Caller: "shop", Key: key("GET /")},
		codes.CheckRequest{ID: "a", Code: "1", Caller: "shop", Key: key("POST /verify")},
		codes.CancelRequest{ID: "a", Caller: "shop"},
		codes.StatusRequest{ID: "a", Caller: "shop"})

	headers = headers[:2]
	a.do(t, "POST", "/", `{"auth_id":"a","recipient":"`+number+`","profile":"login","locale":"ES-mx","client":"2001:DB8::1"}`, headers...)
	for _, plus := range []string{"", "+", "%2B"} { // a plus sign that is not encoded means a space
		a.do(t, "GET", checkQuery("a", "1")+"&profile=login&recipient="+plus+number, "", headers...)
	}
	a.do(t, "POST", "/verify", `{"auth_id":"a","code":"1","profile":"login","recipient":"+`+number+`"}`, headers...)
	a.do(t, "DELETE", "/?auth_id=a&profile=login", "", headers...)
	a.do(t, "GET", "/status?auth_id=a&profile=login", "", headers...)
	check := codes.CheckRequest{ID: "a", Code: "1", Recipient: number, Profile: "login", Caller: "shop"}
	got.is(t,
		codes.CreateRequest{ID: "a", Recipient: number, Profile: "login", Locale: "es-MX", Client: "2001:db8::/64", Caller: "shop"},
		check, check, check, check,
		codes.CancelRequest{ID: "a", Profile: "login", Caller: "shop"},
		codes.StatusRequest{ID: "a", Profile: "login", Caller: "shop"})
}

// slowBody takes a while to arrive.
type slowBody struct {
	io.Reader
	begun time.Time // when it was first read
}

func (b *slowBody) Read(p []byte) (int, error) {
	if b.begun.IsZero() {
		b.begun = time.Now()
		time.Sleep(20 * time.Millisecond)
	}
	return b.Reader.Read(p)
}

// TestArrival: a create's deadline counts from before its body is read.
func TestArrival(t *testing.T) {
	a, got := newAsked(t)
	body := &slowBody{Reader: strings.NewReader(createBody("a"))}
	r := httptest.NewRequest("POST", "/", body)
	setHeaders(r)
	sent := time.Now()
	a.handler.ServeHTTP(httptest.NewRecorder(), r)
	arrived := (*got)[0].(codes.CreateRequest).Arrived
	if arrived.Before(sent) || arrived.After(body.begun) {
		t.Errorf("arrived %v after it was sent, the body was read after %v", arrived.Sub(sent), body.begun.Sub(sent))
	}
}
