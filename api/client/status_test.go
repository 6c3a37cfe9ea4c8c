package client_test

import (
	"errors"
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

func TestStatusOfNoCode(t *testing.T) {
	for _, reason := range []client.Reason{client.UnknownAuthID, client.ExpiredAuthCode} {
		endpoint := serve(t, reply(400, `{"message":"No","reason":"`+string(reason)+`","attempts_left":0}`))
		if _, err := newClient(t, endpoint).Status(t.Context(), testID); client.ReasonOf(err) != reason {
			t.Errorf("Status = %v, want %s", err, reason)
		}
	}
}

func TestStatusNotOurs(t *testing.T) {
	for _, body := range []string{
		`{}`, created, verified,
		`{"auth_id":"other","state":"sent","attempts_left":2,"expires_in":3599}`,
		`{"auth_id":"` + testID + `","state":"sent","attempts_left":0,"expires_in":3599}`,
		`{"auth_id":"` + testID + `","state":"sent","attempts_left":2}`,
		`{"auth_id":"` + testID + `","state":7,"attempts_left":2,"expires_in":3599}`,
	} {
		_, err := newClient(t, serve(t, reply(200, body))).Status(t.Context(), testID)
		var answer *client.Error
		if !errors.As(err, &answer) || answer.Reason != "" || answer.Status != 200 {
			t.Errorf("%s: %v", body, err)
		}
	}
}
