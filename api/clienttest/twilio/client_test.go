package twilio

import (
	"errors"
	"testing"

	"github.com/twilio/twilio-go/client"
	verify "github.com/twilio/twilio-go/rest/verify/v2"

	"github.com/flowroute/sms-verification/api/clienttest/program"
)

// user is an application with Twilio's client.
type user struct {
	*testing.T
	*running
	*verify.ApiService
}

func newUser(t *testing.T) user {
	t.Helper()
	t.Parallel()
	r := serve(t)
	return user{t, r, r.api(authToken)}
}

func (u user) start(number string) (*verify.VerifyV2Verification, error) {
	return u.CreateVerification(service, (&verify.CreateVerificationParams{}).SetTo(number).SetChannel("sms"))
}

// started starts a verification, and returns its SID.
func (u user) started(number string) string {
	u.Helper()
	v, err := u.start(number)
	if err != nil || *v.Status != "pending" || *v.Valid || *v.To != number || *v.AccountSid != account || *v.ServiceSid != service || v.DateCreated == nil {
		u.Fatalf("%+v, %v", v, err)
	}
	return *v.Sid
}

func (u user) check(to, sid, code string) (*verify.VerifyV2VerificationCheck, error) {
	params := (&verify.CreateVerificationCheckParams{}).SetCode(code)
	if to != "" {
		params.SetTo(to)
	}
	if sid != "" {
		params.SetVerificationSid(sid)
	}
	return u.CreateVerificationCheck(service, params)
}

// checked checks a code and expects a status.
func (u user) checked(to, sid, code, status string) {
	u.Helper()
	c, err := u.check(to, sid, code)
	if err != nil || *c.Status != status || *c.Valid != (status == "approved") {
		u.Fatalf("%+v, %v; want %s", c, err, status)
	}
}

// refused expects an error of Twilio.
func (u user) refused(err error, status, code int) {
	u.Helper()
	var refusal *client.TwilioRestError
	if !errors.As(err, &refusal) || refusal.Status != status || refusal.Code != code || refusal.Message == "" {
		u.Errorf("%v, want status %d and code %d", err, status, code)
	}
}

const number = "+12065550100"

func TestApproved(t *testing.T) {
	u := newUser(t)
	sid := u.started(number)
	code := u.code(t, number)
	u.checked(number, "", program.Wrong(code), "pending")
	u.checked("", sid, program.Wrong(code), "pending")
	u.checked(number, "", code, "approved")
	_, err := u.check(number, "", code)
	u.refused(err, 404, 20404)

	u.started(number)
	u.checked("", sid, u.code(t, number), "approved")
}

func TestUsedUp(t *testing.T) {
	u := newUser(t)
	u.started(number)
	code := u.code(t, number)
	for range 4 {
		u.checked(number, "", program.Wrong(code), "pending")
	}
	_, err := u.check(number, "", program.Wrong(code))
	u.refused(err, 429, 60202)
	_, err = u.check(number, "", code)
	u.refused(err, 404, 20404)
}

func TestFetchedAndCanceled(t *testing.T) {
	u := newUser(t)
	sid := u.started(number)
	for _, name := range []string{sid, number} {
		v, err := u.FetchVerification(service, name)
		if err != nil || *v.Sid != sid || *v.Status != "pending" || len(*v.SendCodeAttempts) != 1 {
			t.Fatalf("%+v, %v", v, err)
		}
		if status := get(t, *v.Url); status != 200 {
			t.Errorf("%s: %d", *v.Url, status)
		}
	}
	_, err := u.UpdateVerification(service, sid, (&verify.UpdateVerificationParams{}).SetStatus("approved"))
	u.refused(err, 400, 60200)
	v, err := u.UpdateVerification(service, sid, (&verify.UpdateVerificationParams{}).SetStatus("canceled"))
	if err != nil || *v.Status != "canceled" {
		t.Fatalf("%+v, %v", v, err)
	}
	_, err = u.FetchVerification(service, sid)
	u.refused(err, 404, 20404)
	_, err = u.check(number, "", u.code(t, number))
	u.refused(err, 404, 20404)
}

func TestWrongCredentials(t *testing.T) {
	u := newUser(t)
	u.ApiService = u.api("ffffffffffffffffffffffffffffffff")
	_, err := u.start(number)
	u.refused(err, 401, 20003)
}
