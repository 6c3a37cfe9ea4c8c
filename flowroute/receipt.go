package flowroute

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/flowroute/sms-verification/codes"
)

// Bounds of delivery receipts.
const (
	maxReceipts  = 50  // in one body
	maxMessageID = 128 // characters
)

// Flowroute's status codes.
const (
	codeAccepted = "1003" // "Message accepted by Carrier"
	codeRejected = "1110" // "Message accepted by the SMSC but the phone rejected the message"
)

// receiptWire is a receipt in either of its forms: flat, or within data.
type receiptWire struct {
	Type       string          `json:"type"`
	ID         string          `json:"id"`
	Data       json.RawMessage `json:"data"`
	Attributes struct {
		Level  json.RawMessage `json:"level"`
		Status json.RawMessage `json:"status"`
		Code   json.RawMessage `json:"status_code"`
	} `json:"attributes"`
}

// ParseReceipts parses the body of Flowroute's callback: one receipt or a list,
// in data or not. It ignores unknown members, and the types of members where
// Flowroute's vary. Its errors repeat nothing of the body, which holds the text
// of the message and so the code.
func ParseReceipts(body []byte) ([]codes.Receipt, error) {
	receipts, err := parseReceipts(body, false)
	if err != nil {
		return nil, fmt.Errorf("flowroute: receipt: %w", err)
	}
	return receipts, nil
}

func parseReceipts(body []byte, inData bool) ([]codes.Receipt, error) {
	body = bytes.TrimLeft(body, " \t\r\n")
	items := []json.RawMessage{body}
	if bytes.HasPrefix(body, []byte("[")) {
		items = nil
		if json.Unmarshal(body, &items) != nil {
			return nil, errors.New("not JSON")
		}
	}
	if len(items) > maxReceipts {
		return nil, errors.New("too many at once")
	}
	receipts := make([]codes.Receipt, 0, len(items))
	for _, item := range items {
		var wire receiptWire
		if json.Unmarshal(item, &wire) != nil {
			return nil, errors.New("not the JSON of a receipt")
		}
		if wire.Data != nil && !inData && len(items) == 1 {
			return parseReceipts(wire.Data, true)
		}
		if wire.Type != "" && wire.Type != "delivery_receipt" || wire.ID == "" || len(wire.ID) > maxMessageID {
			return nil, errors.New("not a receipt, or without the id of a message")
		}
		receipts = append(receipts, wire.receipt())
	}
	return receipts, nil
}

// receipt returns what a receipt means. All unknown statuses become "other", as
// do all unknown codes. They do not end a message.
func (w receiptWire) receipt() codes.Receipt {
	status, code, level := strings.ToLower(plain(w.Attributes.Status)), plain(w.Attributes.Code), plain(w.Attributes.Level)
	r := codes.Receipt{MessageID: w.ID, Status: status, Stage: codes.StageSent}
	switch status {
	case "smsc submit", "mmsc submit", "message sent", "pending":
	case "message buffered", "delivered", "delivery success":
		r.Stage = codes.StageDelivered
	case "smsc reject", "rejected":
		r.Stage, r.Failure = codes.StageFailed, codes.ByNetwork
	case "delivery failure", "failed", "undelivered":
		r.Stage, r.Failure = codes.StageFailed, codes.BySomeone
	default:
		r.Status = "other"
	}
	switch {
	case code == codeRejected:
		r.Stage, r.Failure = codes.StageFailed, codes.ByPhone
	case code == codeAccepted && r.Stage == codes.StageSent:
		r.Stage = codes.StageDelivered
	case code != "" && code != codeAccepted:
		code = "other"
	}
	if level != "" && level != "1" && level != "2" {
		level = "other"
	}
	r.Content = level + ":" + r.Status + ":" + code
	return r
}

// plain returns the text of a JSON string or number, and "" for anything else.
func plain(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return strings.TrimSpace(text)
	}
	var number json.Number
	if json.Unmarshal(raw, &number) == nil {
		return number.String()
	}
	return ""
}
