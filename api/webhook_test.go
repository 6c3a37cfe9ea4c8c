package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
)

const (
	webhookToken = "0123456789abcdef-_.~"
	webhookPath  = "/webhooks/flowroute/"
	webhook      = webhookPath + webhookToken
)

// withReceipts accepts receipts in the JSON form of codes.Receipt.
func withReceipts(f *fixture) {
	f.Webhook = Webhook{Token: webhookToken, Parse: func(body []byte) (r []codes.Receipt, err error) {
		if err = json.Unmarshal(body, &r); err != nil {
			err = errors.New("not understood")
		}
		return r, err
	}}
}

func receiptBody(t testing.TB, receipts ...codes.Receipt) string {
	t.Helper()
	body, err := json.Marshal(receipts)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

var (
	bufferedReceipt = codes.Receipt{MessageID: codestest.MessageID(1), Status: "message buffered", Content: "2:b:1003", Stage: codes.StageDelivered}
	rejectedReceipt = codes.Receipt{MessageID: codestest.MessageID(1), Status: "smsc reject", Content: "2:r:1110", Stage: codes.StageFailed, Failure: codes.ByPhone}
)

// about returns r as a receipt of the last message.
func (a *testAPI) about(r codes.Receipt) codes.Receipt {
	r.MessageID = codestest.MessageID(len(a.sender.Messages()))
	return r
}

const noted = `{"message":"Success: Receipt noted."}`

// hasCounts compares the metrics of receipts.
func (a *testAPI) hasCounts(t testing.TB, want ...string) {
	t.Helper()
	var got []string
	for line := range strings.Lines(a.metrics(t)) {
		if strings.HasPrefix(line, "smsv_receipts_") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	if diff := cmp.Diff(want, got, cmpopts.SortSlices(strings.Compare)); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
}

// TestReceipts: receipts need no API key and no Content-Type, and are counted by result.
func TestReceipts(t *testing.T) {
	a := newAPI(t, withReceipts, withKey)
	secret := []string{"Authorization", "Bearer secret"}
	stray := bufferedReceipt
	stray.MessageID = codestest.MessageID(9)
	a.do(t, "POST", webhook, receiptBody(t, stray)).is(t, 200, noted) // before its message is known
	a.do(t, "POST", "/", createBody("a"), secret...)
	a.do(t, "POST", webhook, receiptBody(t, bufferedReceipt), "Content-Type", "").is(t, 200, noted)
	a.do(t, "POST", webhook+"?auth_id=a", receiptBody(t, bufferedReceipt, rejectedReceipt)).is(t, 200, noted)
	a.do(t, "POST", webhook, receiptBody(t)).is(t, 200, noted)
	a.do(t, "GET", "/status?auth_id=a", "", secret...).is(t, 200,
		`{"auth_id":"a","state":"failed","reason":"PhoneRejected","description":"The network took the message, but the phone rejected it: it is off, full, or blocks the sender","attempts_left":3,"expires_in":3600}`)
	a.hasCounts(t,
		`smsv_receipts_total{result="early",status="message buffered"} 1`,
		`smsv_receipts_total{result="duplicate",status="message buffered"} 1`,
		`smsv_receipts_total{result="joined",status="message buffered"} 1`,
		`smsv_receipts_total{result="joined",status="smsc reject"} 1`)
}

// TestReceiptToken: without the token the route answers like one that does not exist.
func TestReceiptToken(t *testing.T) {
	if (Webhook{}).accepts("") {
		t.Error("an empty token is accepted")
	}
	for name, setup := range map[string]func(*fixture){"on": withReceipts, "off": func(*fixture) {}} {
		a := newAPI(t, setup)
		wrong := []string{webhookToken[1:], webhookToken + "x", strings.ToUpper(webhookToken), "", "x", webhookToken + "/", webhookToken + "/x", "%31" + webhookToken[1:], ":token", "*", "..%2f" + webhookToken}
		if name == "off" {
			wrong = append(wrong, webhookToken)
		}
		nowhere := a.do(t, "POST", "/nowhere", receiptBody(t, bufferedReceipt))
		a.untouched(t, func() {
			for _, token := range wrong {
				got := a.do(t, "POST", webhookPath+token, receiptBody(t, bufferedReceipt))
				got.is(t, 404, noRoute)
				for _, header := range []string{"Content-Length", "Content-Type", "Connection", "Allow"} {
					if got.header.Get(header) != nowhere.header.Get(header) {
						t.Errorf("%s: %s differs from an unknown route's", token, header)
					}
				}
			}
			a.do(t, "POST", webhookPath+"x", strings.Repeat("x", 1<<20)).is(t, 404, noRoute)
		})
		if strings.Contains(a.log.String(), "webhooks") {
			t.Errorf("%s: the log reveals the route: %s", name, a.log)
		}
		a.hasCounts(t)
	}
}

// TestReceiptNotUnderstood: the answer is 200, since a repetition would not help.
func TestReceiptNotUnderstood(t *testing.T) {
	a := newAPI(t, withReceipts)
	a.untouched(t, func() {
		for _, body := range []string{"", "{", "code 424242424242", `{"code":"424242424242"}`, "\xff"} {
			a.do(t, "POST", webhook, body).is(t, 200, noted)
		}
	})
	a.hasCounts(t, `smsv_receipts_total{result="malformed",status="other"} 5`)
	got := a.do(t, "POST", webhook, "["+strings.Repeat(" ", maxReceiptBody-2)+"]")
	got.is(t, 200, noted)
	got = a.do(t, "POST", webhook, "["+strings.Repeat(" ", maxReceiptBody-1)+"]")
	got.is(t, 413, `{"message":"the body must be at most 64 KiB","reason":"InvalidAPIUsage"}`)
	for _, secret := range []string{webhookToken, "42424242"} {
		if strings.Contains(a.log.String(), secret) {
			t.Errorf("%s in the log:\n%s", secret, a.log)
		}
	}
}

// TestReceiptNotRecorded: the carrier repeats a receipt that was not recorded, so its
// answer is no success.
func TestReceiptNotRecorded(t *testing.T) {
	a := newAPI(t, withReceipts)
	a.do(t, "POST", "/", createBody("a"))
	a.backend.failWith(codes.ErrUnavailable)
	a.do(t, "POST", webhook, receiptBody(t, bufferedReceipt)).is(t, 503, notNow)
	a.backend.failWith(nil)
	a.raw(t, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n[{", webhook), true).is(t, 400,
		`{"message":"the body ended early; send all of it","reason":"InvalidAPIUsage"}`)
	a.hasCounts(t)
	a.do(t, "POST", webhook, receiptBody(t, bufferedReceipt)).is(t, 200, noted)
	a.hasCounts(t, `smsv_receipts_total{result="joined",status="message buffered"} 1`)
}
