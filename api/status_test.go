package api

import (
	"net/url"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// TestStatus: a status costs no attempt, and the next check still reports an expiry.
func TestStatus(t *testing.T) {
	a := newAPI(t, withReceipts)
	const id = "ä & /?\x00"
	target := "/status?auth_id=" + url.QueryEscape(id)
	stands := func(rest string) {
		t.Helper()
		a.do(t, "GET", target, "").is(t, 200, `{"auth_id":`+quote(id)+`,`+rest+`}`)
	}
	a.do(t, "GET", target, "").is(t, 400, unknown)
	code := a.create(t, id)
	stands(`"state":"sent","attempts_left":3,"expires_in":3600`)
	a.do(t, "POST", webhook, receiptBody(t, a.about(bufferedReceipt))).is(t, 200, noted)
	stands(`"state":"delivered","attempts_left":3,"expires_in":3600`)
	a.spend(t, id, code, 2)
	a.backend.Advance(59*time.Minute + 1500*time.Millisecond)
	stands(`"state":"delivered","attempts_left":2,"expires_in":59`)
	a.do(t, "GET", checkQuery(id, code), "")
	a.do(t, "GET", target, "").is(t, 400, unknown)
	code = a.create(t, id)
	a.backend.Advance(time.Hour)
	a.do(t, "GET", target, "").is(t, 400, expired)
	a.do(t, "GET", checkQuery(id, code), "").is(t, 400, expired)
}

// TestStatusFailures: each failure has its reason.
func TestStatusFailures(t *testing.T) {
	for failure, want := range map[codes.Failure]string{
		codes.ByPhone: "PhoneRejected", codes.ByNetwork: "NetworkRejected", codes.BySomeone: "NotDelivered", "": "NotDelivered",
	} {
		a := newAPI(t, withReceipts)
		a.create(t, "a")
		r := a.about(rejectedReceipt)
		r.Failure = failure
		a.do(t, "POST", webhook, receiptBody(t, r)).is(t, 200, noted)
		got := a.do(t, "GET", "/status?auth_id=a", "")
		if got.status != 200 || got.reason() != want || got.json["state"] != "failed" || got.json["description"] == "" {
			t.Errorf("%s: %d %s", failure, got.status, got.text)
		}
	}
}
