package flowroute_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/flowroute"
)

const messageID = "mdr2-39cadeace66e11e7aff806cd7f24ba2d"

// forms are the forms of a receipt; %s stands for its attributes.
var forms = map[string]string{
	"in data": `{"data":{"type":"delivery_receipt","id":"` + messageID + `","links":{"related":"https://api.flowroute.com/v2.1/messages/x"},"attributes":{%s}}}`,
	"flat":    `{"attributes":{"to":"17866648610","from":"14582037530",%s},"id":"` + messageID + `","type":"delivery_receipt"}`,
	"unknown members": ` {"meta":{"data":[1]},"data":{"new":null,"type":"delivery_receipt","id":"` + messageID +
		`","attributes":{"new":{"status":"x"},%s}},"included":[]}` + "\n",
	"a list in data": `{"data":[{"type":"delivery_receipt","id":"` + messageID + `","attributes":{%s}}]}`,
	"a list":         `[{"type":"delivery_receipt","id":"` + messageID + `","attributes":{%s}}]`,
}

func TestReceiptForms(t *testing.T) {
	for _, test := range []struct {
		attributes string
		want       codes.Receipt
	}{
		{`"level":1,"status":"smsc submit","status_code":null`, codes.Receipt{Status: "smsc submit", Content: "1:smsc submit:", Stage: codes.StageSent}},
		{`"body":"1234","status":"smsc submit"`, codes.Receipt{Status: "smsc submit", Content: ":smsc submit:", Stage: codes.StageSent}},
		{`"level":2,"status":"message buffered","status_code":1003`, delivered("2:message buffered:1003", "message buffered")},
		{`"level":"2","status":"message buffered","status_code":"1003"`, delivered("2:message buffered:1003", "message buffered")},
		{`"level":2,"status":" Message Buffered ","status_code":" 1003 "`, delivered("2:message buffered:1003", "message buffered")},
		{`"level":2,"status":"message buffered"`, delivered("2:message buffered:", "message buffered")},
		{`"level":2,"status":"message buffered","status_code":{"a":1}`, delivered("2:message buffered:", "message buffered")},
		{`"level":2,"status":"delivered","status_code":null`, delivered("2:delivered:", "delivered")},
		{`"level":2,"status":"delivery success"`, delivered("2:delivery success:", "delivery success")},
		{`"level":2,"status":"ok now","status_code":1003`, delivered("2:other:1003", "other")},
		{`"level":2,"status":"smsc reject","status_code":1110`, failed("2:smsc reject:1110", "smsc reject", codes.ByPhone)},
		{`"level":2,"status":"message buffered","status_code":"1110"`, failed("2:message buffered:1110", "message buffered", codes.ByPhone)},
		{`"level":2,"status_code":1110`, failed("2:other:1110", "other", codes.ByPhone)},
		{`"level":2,"status":"smsc reject","status_code":1999`, failed("2:smsc reject:other", "smsc reject", codes.ByNetwork)},
		{`"level":2,"status":"rejected"`, failed("2:rejected:", "rejected", codes.ByNetwork)},
		{`"level":2,"status":"delivery failure"`, failed("2:delivery failure:", "delivery failure", codes.BySomeone)},
		{`"level":2,"status":"failed","status_code":1003`, failed("2:failed:1003", "failed", codes.BySomeone)},
		{`"level":2,"status":"never heard of it","status_code":1999`, codes.Receipt{Status: "other", Content: "2:other:other", Stage: codes.StageSent}},
		{`"level":9e99,"status":["delivered"],"status_code":1e3`, codes.Receipt{Status: "other", Content: "other:other:other", Stage: codes.StageSent}},
		{`"level":null,"status":null`, codes.Receipt{Status: "other", Content: ":other:", Stage: codes.StageSent}},
	} {
		test.want.MessageID = messageID
		for name, form := range forms {
			got, err := flowroute.ParseReceipts(fmt.Appendf(nil, form, test.attributes))
			if diff := cmp.Diff([]codes.Receipt{test.want}, got); err != nil || diff != "" {
				t.Errorf("%s: %s: %v\n%s", name, test.attributes, err, diff)
			}
		}
	}
}

func delivered(content, status string) codes.Receipt {
	return codes.Receipt{Status: status, Content: content, Stage: codes.StageDelivered}
}

func failed(content, status string, by codes.Failure) codes.Receipt {
	return codes.Receipt{Status: status, Content: content, Stage: codes.StageFailed, Failure: by}
}

func TestReceiptList(t *testing.T) {
	one := `{"type":"delivery_receipt","id":"mdr2-%d","attributes":{"status":"delivered"}}`
	list := func(n int) []byte {
		items := make([]string, n)
		for i := range items {
			items[i] = fmt.Sprintf(one, i)
		}
		return []byte(`{"data":[` + strings.Join(items, ",") + `]}`)
	}
	got, err := flowroute.ParseReceipts(list(50))
	if err != nil || len(got) != 50 || got[0].MessageID != "mdr2-0" || got[49].MessageID != "mdr2-49" {
		t.Errorf("%d receipts, %v", len(got), err)
	}
	if _, err := flowroute.ParseReceipts(list(51)); err == nil {
		t.Error("51 receipts are accepted")
	}
	if got, err := flowroute.ParseReceipts([]byte(`{"data":[]}`)); err != nil || len(got) != 0 {
		t.Errorf("no receipts: %v, %v", got, err)
	}
}

// TestInvalidReceipts: an error repeats nothing of the body.
func TestInvalidReceipts(t *testing.T) {
	for _, body := range []string{
		``, `4242`, `"4242"`, `null`, `{}`, `{"data":null}`, `{"data":4242}`, `{"data":{}}`, `{4242`, `{"code":"4242"} x`, `[4242]`, `[[]]`, "\xff4242",
		`{"data":{"type":"message","id":"mdr2-4242","attributes":{"body":"4242"}}}`,
		`{"data":{"type":"delivery_receipt","attributes":{"body":"4242"}}}`,
		`{"data":{"type":"delivery_receipt","id":4242,"attributes":{}}}`,
		`{"data":{"type":"delivery_receipt","id":"` + strings.Repeat("4242", 40) + `","attributes":{}}}`,
		`{"data":{"data":{"type":"delivery_receipt","id":"mdr2-4242"}}}`,
		`{"data":{"type":"delivery_receipt","id":"mdr2-4242","attributes":"4242"}}`,
		strings.Repeat(`{"data":`, 10_000) + strings.Repeat(`}`, 10_000),
		strings.Repeat(`[`, 10_000) + strings.Repeat(`]`, 10_000),
	} {
		got, err := flowroute.ParseReceipts([]byte(body))
		if err == nil {
			t.Errorf("%.60s is accepted as %v", body, got)
		} else if strings.Contains(err.Error(), "4242") {
			t.Errorf("%.60s: %v", body, err)
		}
	}
}
