package client_test

import (
	"testing"
	"time"

	"github.com/flowroute/sms-verification/api/client"
)

func TestStatus(t *testing.T) {
	for body, want := range map[string]client.Status{
		`"state":"created"`:       {State: client.StateCreated},
		`"state":"sent","new":{}`: {State: client.StateSent},
		`"state":"delivered"`:     {State: client.StateDelivered},
		`"state":"failed","reason":"PhoneRejected","description":"It is off"`: {State: client.StateFailed, Failure: client.PhoneRejected, Description: "It is off"},
	} {
		got, err := newClient(t, serve(t, reply(200, `{"auth_id":"`+testID+`","attempts_left":2,"expires_in":3599,`+body+`}`))).Status(t.Context(), testID)
		if err != nil {
			t.Fatal(err)
		}
		want.AuthID, want.AttemptsLeft, want.ExpiresIn = testID, 2, 3599*time.Second
		if *got != want {
			t.Errorf("%s: %+v, want %+v", body, *got, want)
		}
	}
}
