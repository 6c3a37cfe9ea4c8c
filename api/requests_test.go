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

// asked is a Service that keeps what it is asked.
type asked []any

func (a *asked) Create(_ context.Context, r codes.CreateRequest) (codes.Created, error) {
	*a = append(*a, r)
	return codes.Created{Lifetime: time.Hour, Attempts: 3}, nil
}

func (a *asked) Check(_ context.Context, r codes.CheckRequest) (codes.Outcome, error) {
	*a = append(*a, r)
	return codes.Outcome{Status: codes.Right}, nil
}

func (a *asked) Cancel(_ context.Context, r codes.CancelRequest) error {
	*a = append(*a, r)
	return nil
}

func (a *asked) Status(_ context.Context, r codes.StatusRequest) (codes.Progress, error) {
	*a = append(*a, r)
	return codes.Progress{Stage: codes.StagePending, AttemptsLeft: 3, TTLLeft: time.Hour}, nil
}

// TestRequests: each route asks the service for what the request says, in the
// name of its caller.
func TestRequests(t *testing.T) {
	var got asked
	a := newAPI(t, withKey, func(f *fixture) { f.Service = &got })
	headers := []string{"Authorization", "Bearer secret", "Idempotency-Key", "k"}
	a.do(t, "POST", "/", createBody("a"), headers...)
	a.do(t, "GET", checkQuery("a", "1"), "", headers...)
	a.do(t, "POST", "/verify", `{"auth_id":"a","code":"1"}`, headers...)
	a.do(t, "DELETE", "/?auth_id=a", "", headers...)
	a.do(t, "GET", "/status?auth_id=a", "", headers...)
	want := asked{
		codes.CreateRequest{ID: "a", Recipient: number, Caller: "shop", Key: codes.IdempotencyKey{Route: "POST /", Value: "k"}},
		codes.CheckRequest{ID: "a", Code: "1", Caller: "shop", Key: codes.IdempotencyKey{Route: "GET /", Value: "k"}},
		codes.CheckRequest{ID: "a", Code: "1", Caller: "shop", Key: codes.IdempotencyKey{Route: "POST /verify", Value: "k"}},
		codes.CancelRequest{ID: "a", Caller: "shop"},
		codes.StatusRequest{ID: "a", Caller: "shop"},
	}
	arrived := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Arrived" }, cmp.Ignore())
	if diff := cmp.Diff(want, got, arrived); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
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
	var got asked
	a := newAPI(t, func(f *fixture) { f.Service = &got })
	body := &slowBody{Reader: strings.NewReader(createBody("a"))}
	r := httptest.NewRequest("POST", "/", body)
	setHeaders(r)
	sent := time.Now()
	a.handler.ServeHTTP(httptest.NewRecorder(), r)
	arrived := got[0].(codes.CreateRequest).Arrived
	if arrived.Before(sent) || arrived.After(body.begun) {
		t.Errorf("arrived %v after it was sent, the body was read after %v", arrived.Sub(sent), body.begun.Sub(sent))
	}
}
