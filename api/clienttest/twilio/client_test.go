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

func newUser(t *testing.T, settings ...string) user {
	t.Helper()
	t.Parallel()
	r := serve(t, settings...)
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
	if len(code) != 6 {
		t.Errorf("code of %d digits", len(code))
	}
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

func TestLimits(t *testing.T) {
	u := newUser(t, "SEND_LIMITS=2/10m", "SEND_LIMITS_TOTAL=3/1h", "BLOCKED_PREFIXES=1900")
	u.started(number)
	u.started(number)
	_, err := u.start(number)
	u.refused(err, 429, 60203)
	u.started("+12065550101")
	_, err = u.start("+12065550102")
	u.refused(err, 429, 20429)
	_, err = u.start("+19005550100")
	u.refused(err, 403, 60605)
}

func TestGuessLimits(t *testing.T) {
	u := newUser(t, "GUESS_LIMITS=1/24h")
	u.started(number)
	u.checked(number, "", program.Wrong(u.code(t, number)), "pending")
	_, err := u.start(number)
	u.refused(err, 429, 60202)
}

func TestBadParameters(t *testing.T) {
	u := newUser(t)
	for name, params := range map[string]*verify.CreateVerificationParams{
		"no number":     (&verify.CreateVerificationParams{}).SetChannel("sms"),
		"a bad number":  (&verify.CreateVerificationParams{}).SetTo("+442071838750").SetChannel("sms"),
		"a call":        (&verify.CreateVerificationParams{}).SetTo(number).SetChannel("call"),
		"a custom code": (&verify.CreateVerificationParams{}).SetTo(number).SetChannel("sms").SetCustomCode("123456"),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := u.CreateVerification(service, params)
			u.refused(err, 400, 60200)
		})
	}
	_, err := u.CreateVerification("MG0123456789abcdef0123456789abcdef", (&verify.CreateVerificationParams{}).SetTo(number).SetChannel("sms"))
	u.refused(err, 404, 20404)
}

func TestWrongCredentials(t *testing.T) {
	u := newUser(t)
	u.ApiService = u.api("ffffffffffffffffffffffffffffffff")
	_, err := u.start(number)
	u.refused(err, 401, 20003)
}

// TestMessages: the numbers of the simulator simulate what Flowroute may answer.
func TestMessages(t *testing.T) {
	u := newUser(t)
	_, err := u.start("+15005550400")
	u.refused(err, 400, 60200)
	_, err = u.start("+15005550401")
	u.refused(err, 500, 20500)
	_, err = u.start("+15005550429")
	u.refused(err, 503, 20503)
	u.started("+15005550500")
	u.started("+15005550202") // accepted, but Flowroute's answer has no message id
	u.checked("+15005550202", "", u.code(t, "+15005550202"), "approved")
}

// TestProfile: a service with a profile has its settings, and the others have not.
func TestProfile(t *testing.T) {
	const login = "VAfedcba9876543210fedcba9876543210"
	u := newUser(t, `PROFILES={"login":{"code_length":8,"twilio_service":"`+login+`"}}`)
	u.started(number)
	if code := u.code(t, number); len(code) != 6 {
		t.Errorf("code of %d digits without a profile", len(code))
	}
	if _, err := u.CreateVerification(login, (&verify.CreateVerificationParams{}).SetTo(number).SetChannel("sms")); err != nil {
		t.Fatal(err)
	}
	code := u.code(t, number)
	if len(code) != 8 {
		t.Errorf("code of %d digits with a profile", len(code))
	}
	u.checked(number, "", code, "pending") // of the other service
	c, err := u.CreateVerificationCheck(login, (&verify.CreateVerificationCheckParams{}).SetTo(number).SetCode(code))
	if err != nil || *c.Status != "approved" {
		t.Errorf("%+v, %v", c, err)
	}
}
