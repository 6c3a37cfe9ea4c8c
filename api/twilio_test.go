package api

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

const (
	vaDefault = "VA0123456789abcdef0123456789abcdef" // of no profile
	vaLogin   = "VAfedcba9876543210fedcba9876543210"
	plus      = "+" + number
	serviceAt = "/v2/Services/" + vaDefault
)

func withTwilio(f *fixture) { f.TwilioServices = map[string]string{vaLogin: "login"} }

// basic is the header of an account with a key.
func basic(username, key string) []string {
	return []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(username+":"+key))}
}

// post sends a form, whose names and values come in turn.
func (a *testAPI) post(t testing.TB, path string, form []string, headers ...string) answer {
	t.Helper()
	body := url.Values{}
	for pair := range slices.Chunk(form, 2) {
		body.Add(pair[0], pair[1])
	}
	return a.do(t, "POST", path, body.Encode(), append([]string{"Content-Type", "application/x-www-form-urlencoded"}, headers...)...)
}

func (a *testAPI) start(t testing.TB, form ...string) answer {
	t.Helper()
	return a.post(t, serviceAt+"/Verifications", append([]string{"To", plus, "Channel", "sms"}, form...))
}

func (a *testAPI) verify(t testing.TB, form ...string) answer {
	t.Helper()
	return a.post(t, serviceAt+"/VerificationCheck", form)
}

// isError expects an error, whose message has the words in it.
func (a answer) isError(t testing.TB, status, code int, words string) {
	t.Helper()
	message, _ := a.json["message"].(string)
	if a.status != status || fmt.Sprint(a.json["code"]) != fmt.Sprint(code) || !strings.Contains(message, words) {
		t.Errorf("status %d, %s; want %d with code %d and %q", a.status, a.text, status, code, words)
	}
}

// isVerification expects a verification with a status, and returns its SID.
func (a answer) isVerification(t testing.TB, status int, state string, to any) string {
	t.Helper()
	if a.status != status || a.json["status"] != state || a.json["to"] != to || a.json["valid"] != (state == "approved") {
		t.Errorf("status %d, %s; want %d with %s of %v", a.status, a.text, status, state, to)
	}
	sid, _ := a.json["sid"].(string)
	return sid
}

// TestTwilioVerification: a code is checked by its number, by its SID, or by both. A
// second start keeps the SID.
func TestTwilioVerification(t *testing.T) {
	a := newAPI(t, withTwilio)
	sid := a.start(t).isVerification(t, 201, "pending", plus)
	if again := a.start(t).isVerification(t, 201, "pending", plus); again != sid || !verificationSID.MatchString(sid) {
		t.Errorf("SIDs %q and %q", sid, again)
	}
	code := a.lastCode(t)
	a.verify(t, "To", plus, "Code", wrong(code)).isVerification(t, 200, "pending", plus)
	a.verify(t, "VerificationSid", sid, "Code", wrong(code)).isVerification(t, 200, "pending", nil)
	a.verify(t, "VerificationSid", sid, "To", "+12065550177", "Code", code).isError(t, 404, 20404, "was not found")
	if got := a.verify(t, "VerificationSid", sid, "To", plus, "Code", code).isVerification(t, 200, "approved", plus); got != sid {
		t.Errorf("SID %q, want %q", got, sid)
	}
	a.verify(t, "To", plus, "Code", code).isError(t, 404, 20404, "was not found")

	a.start(t)
	code = a.lastCode(t)
	for range 2 {
		a.verify(t, "To", plus, "Code", wrong(code)).isVerification(t, 200, "pending", plus)
	}
	a.verify(t, "To", plus, "Code", wrong(code)).isError(t, 429, 60202, "Max check attempts reached")
	a.verify(t, "To", plus, "Code", code).isError(t, 404, 20404, "was not found")
}

func TestTwilioExpired(t *testing.T) {
	a := newAPI(t, withTwilio)
	a.start(t)
	a.backend.Advance(time.Hour)
	a.do(t, "GET", serviceAt+"/Verifications/"+plus, "").isError(t, 404, 20404, "was not found")
	a.post(t, serviceAt+"/Verifications/"+plus, []string{"Status", "canceled"}).isError(t, 404, 20404, "was not found")
	a.verify(t, "To", plus, "Code", a.lastCode(t)).isError(t, 404, 20404, "was not found")
	if n := strings.Count(a.log.String(), `"reason":"ExpiredAuthCode"`); n != 3 {
		t.Errorf("%d of 3 lines say that the code has expired", n)
	}
}

// TestTwilioPaths: a verification is found by its SID and by its number, with and
// without its plus sign encoded.
func TestTwilioPaths(t *testing.T) {
	a := newAPI(t, withTwilio)
	sid := a.start(t).isVerification(t, 201, "pending", plus)
	form := []string{"Content-Type", "application/x-www-form-urlencoded"} // as Twilio's clients send it with GET
	for path, to := range map[string]any{sid: nil, plus: plus, "%2B" + number: plus} {
		if got := a.do(t, "GET", serviceAt+"/Verifications/"+path, "", form...).isVerification(t, 200, "pending", to); got != sid {
			t.Errorf("%s: SID %q, want %q", path, got, sid)
		}
		a.post(t, serviceAt+"/Verifications/"+path, []string{"Status", "canceled"}).isVerification(t, 200, "canceled", to)
		a.post(t, serviceAt+"/Verifications/"+path, []string{"Status", "canceled"}).isError(t, 404, 20404, "was not found")
		a.do(t, "GET", serviceAt+"/Verifications/"+path, "").isError(t, 404, 20404, "was not found")
		a.start(t)
	}
	for _, path := range []string{number, "%2B", "VE12", "+1206555010", strings.ToLower(sid)} {
		a.do(t, "GET", serviceAt+"/Verifications/"+path, "").isError(t, 404, 20404, "was not found")
	}
}

// TestTwilioRequests: each route passes the request on with its caller, and with the
// profile of its Twilio service. Other parameters are ignored.
func TestTwilioRequests(t *testing.T) {
	a, got := newAsked(t, withKey, withTwilio)
	const sid = codes.ID("VE0123456789abcdef0123456789abcdef")
	at := "/v2/Services/" + vaLogin
	headers := append(basic("AC1", "secret"), "Idempotency-Key", "k")
	a.post(t, at+"/Verifications", []string{"To", plus, "Channel", "sms", "Locale", "es-mx", "RateLimits", "{}", "CustomFriendlyName", "x", "SendDigits", "1", "Tags", "{}", "DeviceIp", "192.0.2.1"}, headers...)
	a.post(t, at+"/VerificationCheck", []string{"To", plus, "Code", "0042"}, headers...)
	a.post(t, at+"/VerificationCheck", []string{"VerificationSid", string(sid), "Code", "0042"}, headers...)
	a.do(t, "GET", at+"/Verifications/"+string(sid), "", headers...)
	a.post(t, at+"/Verifications/"+plus, []string{"Status", "canceled"}, headers...)
	a.post(t, serviceAt+"/VerificationCheck", []string{"To", plus, "Code", "1"}, headers[:2]...)
	upper := "VA" + strings.ToUpper(vaLogin[2:])
	a.do(t, "GET", "/v2/Services/"+upper+"/Verifications/"+plus, "", headers...)
	key := func(route string) codes.IdempotencyKey {
		return codes.IdempotencyKey{Route: "POST /v2/Services/:service/" + route, Value: "k"}
	}
	got.is(t,
		codes.CreateRequest{Recipient: number, Caller: "shop", Profile: "login", Service: vaLogin, Locale: "es-MX", Key: key("Verifications")},
		codes.CheckRequest{Recipient: number, Code: "0042", Caller: "shop", Profile: "login", Service: vaLogin, Key: key("VerificationCheck")},
		codes.CheckRequest{ID: sid, Code: "0042", Caller: "shop", Profile: "login", Service: vaLogin, Key: key("VerificationCheck")},
		codes.StatusRequest{ID: sid, Caller: "shop", Profile: "login", Service: vaLogin},
		codes.StatusRequest{Recipient: number, Caller: "shop", Profile: "login", Service: vaLogin},
		codes.CancelRequest{Recipient: number, Caller: "shop", Profile: "login", Service: vaLogin},
		codes.CheckRequest{Recipient: number, Code: "1", Caller: "shop", Service: vaDefault},
		codes.StatusRequest{Recipient: number, Caller: "shop", Profile: "login", Service: upper})
}

// TestTwilioValues: beside its status, a verification has values that Twilio's clients use.
// Behind a proxy that ends TLS its address is the client's.
func TestTwilioValues(t *testing.T) {
	a := newAPI(t, withTwilio)
	started := a.post(t, serviceAt+"/Verifications", []string{"To", plus, "Channel", "sms"}, append(basic("AC1", "anything"), "X-Forwarded-Proto", "https")...)
	sid := started.json["sid"].(string)
	attempt := started.json["send_code_attempts"].([]any)[0].(map[string]any)
	if started.json["url"] != strings.Replace(a.url, "http:", "https:", 1)+serviceAt+"/Verifications/"+sid || attempt["channel"] != "SMS" ||
		attempt["attempt_sid"] != "VL"+sid[2:] || started.json["account_sid"] != "AC1" {
		t.Errorf("%s", started.text)
	}
	for _, date := range []any{started.json["date_created"], started.json["date_updated"], attempt["time"]} {
		if text, _ := date.(string); !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`).MatchString(text) {
			t.Errorf("date %q, which twilio-python does not read", text)
		}
	}
	address, _ := a.start(t).json["url"].(string)
	if !strings.HasPrefix(address, a.url+serviceAt) {
		t.Errorf("without a proxy: %s", address)
	}
}

func TestTwilioOff(t *testing.T) {
	a := newAPI(t)
	for _, path := range []string{serviceAt + "/Verifications", "/v2/openapi.yaml"} {
		a.do(t, "POST", path, "").is(t, 404, `{"message":"No such route","reason":"NotFound"}`)
	}
}

func TestTwilioKeys(t *testing.T) {
	count := &failures{}
	a := newAPI(t, withKey, withTwilio, func(f *fixture) { f.Failures = count })
	path := serviceAt + "/Verifications/" + plus
	a.do(t, "GET", path, "", basic("AC1", "secret")...).isError(t, 404, 20404, "was not found")
	for _, headers := range [][]string{
		{},
		{"Authorization", "Basic secret"},
		{"Authorization", "Bearer secret"},
		append(basic("AC1", "secret"), basic("AC1", "secret")...),
	} {
		a.do(t, "GET", path, "", headers...).isError(t, 401, 20003, "Authenticate")
	}
	if n := count.total(); n != 0 {
		t.Errorf("%d failures counted without a key", n)
	}
	for range 30 {
		a.do(t, "GET", path, "", basic("secret", "wrong")...).isError(t, 401, 20003, "Authenticate")
	}
	a.do(t, "GET", path, "", basic("secret", "wrong")...).isError(t, 429, 20429, "Too many requests")
	a.do(t, "GET", path, "", basic("AC1", "secret")...).isError(t, 404, 20404, "was not found")
}
