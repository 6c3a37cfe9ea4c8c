package flowroutetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Outcome is what becomes of an accepted message, as its receipts tell.
type Outcome string

// The outcomes, with the receipts of each.
const (
	Buffered    Outcome = "buffered"    // level 1, then level 2 that the carrier took it; as "" does
	Arrived     Outcome = "delivered"   // the same, and a further level 2 that it is delivered
	Unreachable Outcome = "unreachable" // level 1, then level 2 that the phone rejected it
	Silent      Outcome = "silent"      // level 1 only
	Landline    Outcome = "landline"    // none
	Unheard     Outcome = "unheard"     // level 1, then level 2 with a status that nobody knows
)

// CodeForm is how a receipt writes its status_code.
type CodeForm string

// The forms of status_code; "" is a number.
const (
	CodeString CodeForm = "string"
	CodeNull   CodeForm = "null"
	CodeAbsent CodeForm = "absent"
)

// Delivery is how the receipts of a message come. The zero Delivery is what
// Flowroute's documentation describes.
type Delivery struct {
	Outcome  Outcome  `json:"outcome"`
	Code     CodeForm `json:"code"`
	Flat     bool     `json:"flat"`     // the form without data and level
	Reversed bool     `json:"reversed"` // level 2 first
	Twice    bool     `json:"twice"`    // every receipt comes twice
	Early    bool     `json:"early"`    // before the message is answered
	Extra    bool     `json:"extra"`    // with members that nobody knows
}

// Deliver sets how receipts of messages to a number come, in place of what was
// set before. The number "" stands for all that have neither a delivery of
// their own nor one in [MagicDeliveries]. One that cannot be is an error.
func (s *Simulator) Deliver(number string, d Delivery) error {
	if !slices.Contains([]Outcome{"", Buffered, Arrived, Unreachable, Silent, Landline, Unheard}, d.Outcome) {
		return fmt.Errorf("flowroutetest: deliver: unknown outcome %q", d.Outcome)
	}
	if !slices.Contains([]CodeForm{"", CodeString, CodeNull, CodeAbsent}, d.Code) {
		return fmt.Errorf("flowroutetest: deliver: unknown form of code %q", d.Code)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deliveries[digits(number)] = d
	return nil
}

// MagicDeliveries returns the numbers whose receipts always come in a way of
// their own, unless Deliver sets another.
func MagicDeliveries() map[string]Delivery {
	return map[string]Delivery{
		"15005550101": {Outcome: Unreachable},
		"15005550102": {Outcome: Landline},
		"15005550103": {Outcome: Silent},
		"15005550104": {Outcome: Arrived},
		"15005550105": {Outcome: Unheard},
		"15005550106": {Flat: true},
		"15005550107": {Code: CodeString},
		"15005550108": {Code: CodeNull},
		"15005550109": {Code: CodeAbsent},
		"15005550110": {Reversed: true},
		"15005550111": {Twice: true},
		"15005550112": {Early: true},
		"15005550113": {Extra: true},
		"15005550114": {Outcome: Unreachable, Early: true, Twice: true, Flat: true},
	}
}

func (s *Simulator) deliveryTo(number string) Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d, found := s.deliveries[number]; found {
		return d
	}
	if d, found := MagicDeliveries()[number]; found {
		return d
	}
	return s.deliveries[""]
}

// receipt is one of a message, in the order of the documentation.
type receipt struct {
	level                     int
	status, code, description string  // code "" is null
	end                       Outcome // Buffered or Unreachable: it says that the message was taken or rejected
}

// receipts are those that come of a message, in their order.
func (d Delivery) receipts() []receipt {
	submit := receipt{1, "smsc submit", "", "Message has been sent", ""}
	buffered := receipt{2, "message buffered", "1003", "Message accepted by Carrier", Buffered}
	var all []receipt
	switch d.Outcome {
	case "", Buffered:
		all = []receipt{submit, buffered}
	case Arrived:
		all = []receipt{submit, buffered, {2, "delivered", "", "Message delivered", Buffered}}
	case Unreachable:
		all = []receipt{submit, {2, "smsc reject", "1110", "Message accepted by the SMSC but the phone rejected the message", Unreachable}}
	case Silent:
		all = []receipt{submit}
	case Unheard:
		all = []receipt{submit, {2, "carrier musing", "1999", "Message is being thought about", ""}}
	}
	if d.Reversed {
		slices.Reverse(all)
	}
	if d.Twice {
		all = append(all, all...)
	}
	return all
}

// body is a receipt as Flowroute posts it.
func (d Delivery) body(m Message, r receipt, at time.Time) []byte {
	attributes := map[string]any{"body": m.Body, "status": r.status}
	switch {
	case d.Code == CodeAbsent:
	case r.code == "" || d.Code == CodeNull:
		attributes["status_code"] = nil
	case d.Code == CodeString:
		attributes["status_code"] = r.code
	default:
		attributes["status_code"] = json.Number(r.code)
	}
	body := map[string]any{"type": "delivery_receipt", "id": m.ID, "attributes": attributes}
	if d.Flat {
		attributes["to"], attributes["from"] = m.To, m.From
	} else {
		attributes["level"] = r.level
		attributes["status_code_description"] = r.description
		attributes["timestamp"] = at.UTC().Format("2006-01-02T15:04:05+00:00")
		body["links"] = map[string]any{"related": "https://api.flowroute.com/v2.1/messages/" + m.ID}
	}
	if d.Extra {
		attributes["carrier_mood"], body["meta"] = map[string]any{"level": 7, "status": "failed"}, []any{nil, 1}
	}
	if !d.Flat {
		body = map[string]any{"data": body}
	}
	text, _ := json.Marshal(body) // strings and numbers: never fails
	return text
}

// sendReceipts begins to post what there is to tell of a message. Early ones
// it posts before it returns.
func (s *Simulator) sendReceipts(m Message) {
	target := m.Callback
	if target == "" {
		target = s.callback(SMSReceipts)
	}
	if target == "" || m.mms {
		return
	}
	d := s.deliveryTo(m.To)
	told := &told{}
	for i, r := range d.receipts() {
		p := post{url: target, body: d.body(m, r, s.options.Now()), answered: func() { s.count(told, r.end) }}
		if d.Early {
			s.tryPost(p)
		} else {
			s.later(time.Duration(i+1)*max(s.options.ReceiptDelay, 0), p)
		}
	}
}

// told is what the receipts of one message have said and were answered for.
type told struct{ taken, rejected bool }

func (s *Simulator) count(t *told, end Outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Receipts++
	if end == Buffered && !t.taken {
		t.taken = true
		s.counts.Delivered++
	}
	if end == Unreachable && !t.rejected {
		t.rejected = true
		s.counts.Undelivered++
	}
}
