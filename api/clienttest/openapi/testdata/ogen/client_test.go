package clienttest

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/ogen-go/ogen/ogenerrors"

	"github.com/flowroute/sms-verification/api/clienttest/client"
)

// noKey is for a service without API_KEYS.
type noKey struct{}

func (noKey) Bearer(context.Context, client.OperationName) (client.Bearer, error) {
	return client.Bearer{}, ogenerrors.ErrSkipClientSecurity
}

func newClient(t *testing.T, address string) *client.Client {
	t.Helper()
	c, err := client.NewClient(address, noKey{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func create(t *testing.T, c *client.Client, id, recipient string) client.CreateRes {
	t.Helper()
	answer, err := c.Create(t.Context(), &client.CreateReq{
		AuthID: client.NewStringAuthID(id), Recipient: client.NewStringRecipient(recipient),
	}, client.CreateParams{})
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func verify(t *testing.T, c *client.Client, id, code string) client.VerifyRes {
	t.Helper()
	answer, err := c.Verify(t.Context(), &client.VerifyReq{
		AuthID: client.NewStringAuthID(id), Code: client.NewStringCode(code),
	}, client.VerifyParams{})
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func status(t *testing.T, c *client.Client, id string) client.StatusRes {
	t.Helper()
	answer, err := c.Status(t.Context(), client.StatusParams{AuthID: id})
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestVerification(t *testing.T) {
	c := newClient(t, service)
	if got, ok := create(t, c, "user-1", "12065550111").(*client.CreatedHeaders); !ok || got.Response.AuthID != "user-1" || got.Response.AttemptsLeft != 3 {
		t.Fatalf("create: %+v", got)
	}
	code := received(t, 1)
	if got, ok := verify(t, c, "user-1", wrong(code)).(*client.NotVerifiedHeaders); !ok || got.Response.Reason != "InvalidAuthCode" || got.Response.AttemptsLeft != client.NewOptInt(2) {
		t.Fatalf("wrong code: %+v", got)
	}
	if got, ok := status(t, c, "user-1").(*client.StatusHeaders); !ok || got.Response.State != "sent" || got.Response.AttemptsLeft != 2 {
		t.Fatalf("status: %+v", got)
	}
	if got, ok := verify(t, c, "user-1", code).(*client.VerifiedHeaders); !ok || !got.Response.Authenticated {
		t.Fatalf("right code: %+v", got)
	}
	if got, ok := verify(t, c, "user-1", code).(*client.NotVerifiedHeaders); !ok || got.Response.Reason != "UnknownAuthId" {
		t.Fatalf("used code: %+v", got)
	}
}

// TestProfile: the service has no profiles and refuses one on each route.
func TestProfile(t *testing.T) {
	c := newClient(t, service)
	created, err := c.Create(t.Context(), &client.CreateReq{
		AuthID: client.NewStringAuthID("user-3"), Recipient: client.NewStringRecipient("12065550113"), Profile: client.NewOptProfile("login"),
	}, client.CreateParams{})
	if got, ok := created.(*client.InvalidUsageHeaders); !ok || !strings.Contains(got.Response.Message, "profile must be a profile of this service") {
		t.Errorf("create: %v, %+v", err, created)
	}
	stands, err := c.Status(t.Context(), client.StatusParams{AuthID: "user-3", Profile: client.NewOptString("login")})
	if got, ok := stands.(*client.NoStatusHeaders); !ok || !strings.Contains(got.Response.Message, "profile must be a profile of this service") {
		t.Errorf("status: %v, %+v", err, stands)
	}
}

func TestRemove(t *testing.T) {
	c := newClient(t, service)
	create(t, c, "user-2", "12065550112")
	answer, err := c.Remove(t.Context(), client.RemoveParams{AuthID: "user-2"})
	if got, ok := answer.(*client.RemovedHeaders); !ok || got.Response.AuthID != "user-2" {
		t.Fatalf("remove: %v, %+v", err, answer)
	}
	if got, ok := status(t, c, "user-2").(*client.NoStatusHeaders); !ok || got.Response.Reason != "UnknownAuthId" {
		t.Fatalf("status: %+v", got)
	}
}

func TestOperation(t *testing.T) {
	c := newClient(t, service)
	answer, err := c.Openapi(t.Context())
	if description, ok := answer.(*client.DescriptionHeaders); !ok {
		t.Errorf("openapi.yaml: %v, %+v", err, answer)
	} else if text, err := io.ReadAll(description.Response); err != nil || !strings.HasPrefix(string(text), "openapi: 3.1.") {
		t.Errorf("openapi.yaml: %v", err)
	}
	ready, err := c.ReadyzHead(t.Context())
	if _, ok := ready.(*client.Head); !ok {
		t.Errorf("HEAD: %v, %+v", err, ready)
	}
}

func TestLaterVersion(t *testing.T) {
	if got, ok := verify(t, newClient(t, later(t, 400, newReason)), "a", "1234").(*client.NotVerifiedHeaders); !ok || got.Response.Reason != "NotKnownYet" || got.Response.AttemptsLeft != client.NewOptInt(2) {
		t.Errorf("reason: %+v", got)
	}
	if got, ok := verify(t, newClient(t, later(t, 451, newReason)), "a", "1234").(*client.OtherStatusCode); !ok || got.StatusCode != 451 || got.Response.Reason != "NotKnownYet" {
		t.Errorf("status: %+v", got)
	}
	if got, ok := status(t, newClient(t, later(t, 200, newFailure)), "a").(*client.StatusHeaders); !ok || got.Response.Reason != client.NewOptString("NotKnownYet") {
		t.Errorf("failure: %+v", got)
	}
}
