package api

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
)

// TestTwilioParameters: a request with a bad parameter sends and spends nothing, and
// its error names the parameter.
func TestTwilioParameters(t *testing.T) {
	a := newAPI(t, withTwilio)
	sms := []string{"To", plus, "Channel", "sms"}
	check := []string{"To", plus, "Code", "1"}
	for _, test := range []struct {
		route string
		form  []string
		name  string
	}{
		{"/Verifications", []string{"Channel", "sms"}, "To"},
		{"/Verifications", []string{"To", number, "Channel", "sms"}, "To"},
		{"/Verifications", []string{"To", " " + number, "Channel", "sms"}, "To"},
		{"/Verifications", []string{"To", "+442071838750", "Channel", "sms"}, "To"},
		{"/Verifications", []string{"To", "a@example.com", "Channel", "sms"}, "To"},
		{"/Verifications", append([]string{"To", plus}, sms...), "To"},
		{"/Verifications", []string{"To", plus + "\xff", "Channel", "sms"}, "To"},
		{"/Verifications", []string{"To", plus}, "Channel"},
		{"/Verifications", []string{"To", plus, "Channel", "call"}, "Channel"},
		{"/Verifications", append([]string{"Locale", "no locale"}, sms...), "Locale"},
		{"/Verifications", append([]string{"Locale", ""}, sms...), "Locale"},
		{"/Verifications", append([]string{"CustomCode", "1234"}, sms...), "CustomCode"},
		{"/Verifications", append([]string{"Amount", "1"}, sms...), "Amount"},
		{"/Verifications", append([]string{"Payee", "x"}, sms...), "Payee"},
		{"/Verifications", append([]string{"Tags", "a", "Tags", "b"}, sms...), "each must be given once, in UTF-8"},
		{"/Verifications", append([]string{"Tags", "\xff"}, sms...), "each must be given once, in UTF-8"},
		{"/VerificationCheck", []string{"Code", "1"}, "To"},
		{"/VerificationCheck", []string{"To", number, "Code", "1"}, "To"},
		{"/VerificationCheck", []string{"To", plus}, "Code"},
		{"/VerificationCheck", []string{"To", plus, "Code", "12a4"}, "Code"},
		{"/VerificationCheck", append([]string{"Code", "2"}, check...), "Code"},
		{"/VerificationCheck", []string{"VerificationSid", "VE1", "Code", "1"}, "VerificationSid"},
		{"/VerificationCheck", append([]string{"Amount", "1"}, check...), "Amount"},
		{"/Verifications/" + plus, nil, "Status"},
		{"/Verifications/" + plus, []string{"Status", "approved"}, "Status"},
	} {
		a.untouched(t, func() {
			got := a.post(t, serviceAt+test.route, test.form)
			if got.isError(t, 400, 60200, ""); got.json["message"] != "Invalid parameter: "+test.name {
				t.Errorf("%q: %s", test.form, got.text)
			}
		})
	}
}

func TestTwilioBodies(t *testing.T) {
	a := newAPI(t, withTwilio)
	const form = "application/x-www-form-urlencoded"
	valid := "Channel=sms&To=%2B" + number
	a.do(t, "POST", serviceAt+"/Verifications", valid, "Content-Type", form+"; charset=UTF-8").isVerification(t, 201, "pending", plus)
	for _, test := range []struct {
		body         string
		headers      []string
		status, code int
	}{
		{valid, []string{"Content-Type", form + "; charset=latin1"}, 415, 20415},
		{valid, []string{"Content-Type", "application/json"}, 415, 20415},
		{valid, []string{"Content-Type", form, "Content-Encoding", "gzip"}, 415, 20415},
		{valid, []string{"Content-Type", ""}, 415, 20415},
		{valid + "&Tags=" + strings.Repeat("x", maxBody), []string{"Content-Type", form}, 413, 20413},
		{valid + ";Tags=x", []string{"Content-Type", form}, 400, 60200},
		{valid + "&Tags=%zz", []string{"Content-Type", form}, 400, 60200},
	} {
		a.do(t, "POST", serviceAt+"/Verifications", test.body, test.headers...).isError(t, test.status, test.code, "")
	}
}

// TestTwilioErrors: each failure of a start has Twilio's error, and is logged as on the
// other routes. A message that the carrier refused has a status below 500, but is logged
// as a warning.
func TestTwilioErrors(t *testing.T) {
	for _, test := range []struct {
		err          error
		status, code int
		message      string
		retryAfter   string
	}{
		{&codes.LimitError{Limit: "SEND_LIMITS 5/10m", RetryAfter: time.Minute}, 429, 60203, "Max send attempts reached", "60"},
		{&codes.LimitError{Limit: "GUESS_LIMITS 20/24h", RetryAfter: time.Minute}, 429, 60202, "Max check attempts reached", "60"},
		{&codes.LimitError{Limit: "SEND_LIMITS_TOTAL 5/1h", RetryAfter: time.Minute}, 429, 20429, "Too many requests", "60"},
		{&codes.LimitError{Limit: "CALLER_LIMITS 5/1h", RetryAfter: time.Minute}, 429, 20429, "Too many requests", "60"},
		{&codes.LimitError{Limit: "UNVERIFIED_LIMITS area:100/1h+50%", RetryAfter: time.Minute}, 403, 60410, "Verification delivery attempt blocked", "60"},
		{codes.ErrRecipientNotAllowed, 403, 60605, "Verification delivery attempt blocked", ""},
		{codes.ErrProfileNotAllowed, 403, 20003, "may not use the profile", ""},
		{codes.ErrRejected, 400, 60200, "Invalid parameter `To`", ""},
		{codes.ErrSenderRefused, 500, 20500, "Internal Server Error", ""},
		{errors.New("unforeseen"), 500, 20500, "Internal Server Error", ""},
		{codes.ErrUnavailable, 503, 20503, "Not available", "1"},
		{codes.ErrKeyReused, 422, 20422, "other arguments", ""},
		{&codes.InProgressError{RetryAfter: time.Second}, 409, 20409, "still running", "1"},
	} {
		a := newAPI(t, withTwilio, withService(func(any) error { return test.err }))
		got := a.start(t)
		got.isError(t, test.status, test.code, test.message)
		if got.header.Get("Retry-After") != test.retryAfter || got.json["more_info"] != fmt.Sprintf("https://www.twilio.com/docs/errors/%d", test.code) {
			t.Errorf("%v: Retry-After %q, %s", test.err, got.header.Get("Retry-After"), got.text)
		}
		line := a.lines(t)[0]
		if reason := Reason(fmt.Sprint(line["reason"])); (line["level"] == "WARN") != (statuses[reason] >= 500) {
			t.Errorf("%v: logged %v", test.err, line)
		}
	}
}

// TestTwilioErrorsWithoutAHandler: an error outside of all routes has Twilio's form too.
func TestTwilioErrorsWithoutAHandler(t *testing.T) {
	a := newAPI(t, withKey, withTwilio)
	key := basic("AC1", "secret")
	a.do(t, "GET", "/v2/Services", "", key...).isError(t, 404, 20404, "The requested resource at this address was not found")
	a.do(t, "GET", "/v2/Services/VA1/Verifications/"+plus, "", key...).isError(t, 404, 20404, "was not found")
	a.do(t, "DELETE", serviceAt+"/Verifications/"+plus, "", key...).isError(t, 405, 20004, "Method not allowed")
	a.do(t, "GET", serviceAt+"/VerificationCheck", "", key...).isError(t, 405, 20004, "Method not allowed")
	a.do(t, "GET", "/nowhere", "").is(t, 404, `{"message":"No such route","reason":"NotFound"}`)
}

// TestTwilioUnconfirmed: the message may have been sent, so the person may enter its
// code, and the log has the line of a sent message, as a warning.
func TestTwilioUnconfirmed(t *testing.T) {
	a := newAPI(t, withTwilio, func(f *fixture) { f.limits.Sends = codestest.Windows(t, "1/1h") })
	a.sender.FailWith(codes.ErrUnconfirmed)
	a.start(t).isVerification(t, 201, "pending", plus)
	line := a.lines(t)[0]
	if line["level"] != "WARN" || line["reason"] != "MessageUnconfirmed" || line["error"] == nil || line["recipient_ends"] != "00" {
		t.Errorf("logged %v", line)
	}
	a.start(t).isError(t, 429, 60203, "Max send attempts reached")
	a.verify(t, "To", plus, "Code", a.lastCode(t)).isVerification(t, 200, "approved", plus)
}

// TestTwilioRoutesInMetrics: requests are measured by their registered route, also
// those about a verification that is not found.
func TestTwilioRoutesInMetrics(t *testing.T) {
	a := newAPI(t, withTwilio)
	a.start(t)
	a.verify(t, "To", "+12065550177", "Code", "1")
	a.do(t, "GET", "/v2/Services/VA1/Verifications/"+plus, "")
	a.hasMetrics(t,
		`reason="",route="POST /v2/Services/:service/Verifications",status="201"`,
		`reason="UnknownAuthId",route="POST /v2/Services/:service/VerificationCheck",status="404"`,
		`reason="NotFound",route="unknown",status="404"`)
	for _, secret := range []string{number, vaDefault, "VA1"} {
		if log := a.log.String() + a.metrics(t); strings.Contains(log, secret) {
			t.Errorf("%q is in the log or the metrics", secret)
		}
	}
}
