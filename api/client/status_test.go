package client_test

import (
	"net/http"
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
		endpoint := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet || r.URL.Path != "/sms/status" || r.URL.Query().Get("auth_id") != testID ||
				r.Header.Get("Authorization") != "Bearer "+testKey || r.Header.Get("Content-Type") != "" {
				t.Errorf("request %s %s", r.Method, r.URL.Path)
			}
			reply(200, `{"auth_id":"`+testID+`","attempts_left":2,"expires_in":3599,`+body+`}`)(w, r)
		})
		got, err := newClient(t, endpoint+"/sms").Status(t.Context(), testID)
		if err != nil {
			t.Fatal(err)
		}
		want.AuthID, want.AttemptsLeft, want.ExpiresIn = testID, 2, 3599*time.Second
		if *got != want {
			t.Errorf("%s: %+v, want %+v", body, *got, want)
		}
	}
}
