package api

import (
	"net/url"
	"testing"
)

// TestCheckRecipient: a check may demand the number that the code was sent to.
func TestCheckRecipient(t *testing.T) {
	body := func(code, recipient string) string {
		return `{"auth_id":"a","code":"` + code + `","recipient":` + recipient + `}`
	}
	a := newAPI(t)
	code := a.create(t, "a")
	for _, recipient := range []string{`"12065550199"`, `12065550199`, `"+12065550199"`} {
		a.do(t, "POST", "/verify", body(code, recipient)).is(t, 400, unknown)
	}
	a.do(t, "GET", checkQuery("a", code)+"&recipient=12065550199", "").is(t, 400, unknown)
	for _, refused := range []string{`""`, `null`, `"1206555"`, `true`, `["12065550199"]`} {
		if got := a.do(t, "POST", "/verify", body(code, refused)); got.reason() != string(InvalidAPIUsage) {
			t.Errorf("recipient %s: %s", refused, got.text)
		}
	}
	for _, refused := range []string{"recipient=", "recipient=1&recipient=1", "recipient=%FF", "recipient=" + number[:10]} {
		if got := a.do(t, "GET", checkQuery("a", code)+"&"+refused, ""); got.reason() != string(InvalidAPIUsage) {
			t.Errorf("%s: %s", refused, got.text)
		}
	}
	// A demand in the wrong case must not be dropped in silence.
	if got := a.do(t, "POST", "/verify", `{"auth_id":"a","code":"`+code+`","Recipient":"12065550199"}`); got.reason() != string(InvalidAPIUsage) {
		t.Errorf("Recipient: %s", got.text)
	}
	a.do(t, "GET", checkQuery("a", wrong(code))+"&recipient="+url.QueryEscape(number), "").is(t, 400, wrongLeft(2))
	a.do(t, "GET", checkQuery("a", wrong(code))+"&recipient=+"+number, "").is(t, 400, wrongLeft(1)) // a plus sign as it is decoded
	a.do(t, "POST", "/verify", body(code, `"+`+number+`"`)).is(t, 200, verified("a"))
}
