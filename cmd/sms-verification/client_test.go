package main

import (
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/api/client"
)

// lossy loses the first two answers to each call.
type lossy struct{ requests int }

func (l *lossy) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := testClient.Transport.RoundTrip(r)
	if l.requests++; err == nil && l.requests%3 != 0 {
		return nil, errors.Join(io.ErrUnexpectedEOF, response.Body.Close())
	}
	return response, err
}

// TestClientThroughLostReplies: with retries a lost reply costs nothing: one SMS
// is sent, one attempt is spent, and the right code is accepted.
func TestClientThroughLostReplies(t *testing.T) {
	t.Parallel()
	p, sim := service(t, "SEND_LIMITS=1/1h", keysOf("shop"))
	way := &lossy{}
	c, err := client.New(p.URL, client.WithAPIKey("shop"), client.WithRetries(3), client.WithTimeout(10*time.Second),
		client.WithHTTPClient(&http.Client{Transport: way}))
	if err != nil {
		t.Fatal(err)
	}
	auth, err := c.CreateAuth(t.Context(), "id", anyone)
	if err != nil || auth.AttemptsLeft != 3 || len(sim.Messages()) != 1 {
		t.Fatalf("create: %+v, %v; %d SMS", auth, err, len(sim.Messages()))
	}
	code := codeSent(t, sim, anyone)
	var wrong *client.Error
	if err := c.AuthenticateCode(t.Context(), "id", otherCode(code)); !errors.As(err, &wrong) || wrong.AttemptsLeft != 2 {
		t.Errorf("a wrong code: %v", err)
	}
	if s, err := c.Status(t.Context(), "id"); err != nil || s.State != client.StateCreated || s.AttemptsLeft != 2 || s.ExpiresIn < time.Minute {
		t.Errorf("status: %+v, %v", s, err)
	}
	if err := c.AuthenticateCode(t.Context(), "id", code); err != nil {
		t.Errorf("the right code: %v", err)
	}
	if err := c.CancelAuth(t.Context(), "id"); err != nil {
		t.Errorf("cancel: %v", err)
	}
	if way.requests != 5*3 {
		t.Errorf("%d requests for 5 calls, want each to be sent three times", way.requests)
	}
}
