package clienttest

import (
	"errors"
	"strings"
	"testing"

	"github.com/flowroute/sms-verification/api/clienttest/client"
)

func newClient(t *testing.T, address string) *client.ClientWithResponses {
	t.Helper()
	c, err := client.NewClientWithResponses(address)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func create(t *testing.T, c *client.ClientWithResponses, id, recipient string) *client.CreateResponse {
	t.Helper()
	var body client.CreateJSONRequestBody
	if err := body.AuthId.FromAuthID0(id); err != nil {
		t.Fatal(err)
	}
	if err := body.Recipient.FromRecipient0(recipient); err != nil {
		t.Fatal(err)
	}
	answer, err := c.CreateWithResponse(t.Context(), nil, body)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func verify(t *testing.T, c *client.ClientWithResponses, id, code string) *client.VerifyResponse {
	t.Helper()
	var body client.VerifyJSONRequestBody
	if err := body.AuthId.FromAuthID0(id); err != nil {
		t.Fatal(err)
	}
	if err := body.Code.FromCode0(code); err != nil {
		t.Fatal(err)
	}
	answer, err := c.VerifyWithResponse(t.Context(), nil, body)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func status(t *testing.T, c *client.ClientWithResponses, id string) *client.StatusResponse {
	t.Helper()
	answer, err := c.StatusWithResponse(t.Context(), &client.StatusParams{AuthId: id})
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestVerification(t *testing.T) {
	c := newClient(t, service)
	if got := create(t, c, "user-1", "12065550111"); got.JSON200 == nil || got.JSON200.AuthId != "user-1" || got.JSON200.AttemptsLeft != 3 {
		t.Fatalf("create: %s", got.Body)
	}
	code := received(t, 1)
	got := verify(t, c, "user-1", wrong(code))
	if got.JSON400 == nil || got.JSON400.Reason != "InvalidAuthCode" || got.JSON400.AttemptsLeft == nil || *got.JSON400.AttemptsLeft != 2 {
		t.Fatalf("wrong code: %s", got.Body)
	}
	if got := status(t, c, "user-1"); got.JSON200 == nil || got.JSON200.State != "sent" || got.JSON200.AttemptsLeft != 2 {
		t.Fatalf("status: %s", got.Body)
	}
	if got := verify(t, c, "user-1", code); got.JSON200 == nil || !bool(got.JSON200.Authenticated) {
		t.Fatalf("right code: %s", got.Body)
	}
	if got := verify(t, c, "user-1", code); got.JSON400 == nil || got.JSON400.Reason != "UnknownAuthId" {
		t.Fatalf("used code: %s", got.Body)
	}
}

// TestProfile: the service has no profiles and refuses one on each route.
func TestProfile(t *testing.T) {
	c, profile := newClient(t, service), "login"
	body := client.CreateJSONRequestBody{Profile: &profile}
	if err := errors.Join(body.AuthId.FromAuthID0("user-3"), body.Recipient.FromRecipient0("12065550113")); err != nil {
		t.Fatal(err)
	}
	created, err := c.CreateWithResponse(t.Context(), nil, body)
	if err != nil || created.JSON400 == nil || !strings.Contains(created.JSON400.Message, "profile must be a profile of this service") {
		t.Errorf("create: %v, %s", err, created.Body)
	}
	stands, err := c.StatusWithResponse(t.Context(), &client.StatusParams{AuthId: "user-3", Profile: &profile})
	if err != nil || stands.JSON400 == nil || !strings.Contains(stands.JSON400.Message, "profile must be a profile of this service") {
		t.Errorf("status: %v, %s", err, stands.Body)
	}
}

func TestRemove(t *testing.T) {
	c := newClient(t, service)
	create(t, c, "user-2", "12065550112")
	got, err := c.RemoveWithResponse(t.Context(), &client.RemoveParams{AuthId: "user-2"})
	if err != nil || got.JSON200 == nil || got.JSON200.AuthId != "user-2" {
		t.Fatalf("remove: %v, %+v", err, got)
	}
	if got := status(t, c, "user-2"); got.JSON400 == nil || got.JSON400.Reason != "UnknownAuthId" {
		t.Fatalf("status: %s", got.Body)
	}
}

func TestOperation(t *testing.T) {
	c := newClient(t, service)
	if got, err := c.OpenapiWithResponse(t.Context()); err != nil || !strings.HasPrefix(string(got.Body), "openapi: 3.1.") {
		t.Errorf("openapi.yaml: %v", err)
	}
	if got, err := c.ReadyzHeadWithResponse(t.Context()); err != nil || got.StatusCode() != 200 {
		t.Errorf("HEAD: %v, %+v", err, got)
	}
}

func TestLaterVersion(t *testing.T) {
	if got := verify(t, newClient(t, later(t, 400, newReason)), "a", "1234"); got.JSON400 == nil || got.JSON400.Reason != "NotKnownYet" || *got.JSON400.AttemptsLeft != 2 {
		t.Errorf("reason: %+v", got.JSON400)
	}
	if got := verify(t, newClient(t, later(t, 451, newReason)), "a", "1234"); got.JSONDefault == nil || got.JSONDefault.Reason != "NotKnownYet" {
		t.Errorf("status: %+v", got.JSONDefault)
	}
	if got := status(t, newClient(t, later(t, 200, newFailure)), "a"); got.JSON200 == nil || got.JSON200.Reason == nil || *got.JSON200.Reason != "NotKnownYet" {
		t.Errorf("failure: %+v", got.JSON200)
	}
}
