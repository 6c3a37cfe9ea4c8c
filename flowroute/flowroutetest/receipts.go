package flowroutetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Outcome is the fate of an accepted message, as its receipts report it.
type Outcome string

// The outcomes, with the receipts of each.
const (
	Buffered    Outcome = "buffered"    // level 1, then level 2: accepted by the carrier; also the meaning of ""
	Arrived     Outcome = "delivered"   // the same, then another level 2: delivered
	Unreachable Outcome = "unreachable" // level 1, then level 2: rejected by the phone
	Silent      Outcome = "silent"      // level 1 only
	Landline    Outcome = "landline"    // none
	Unheard     Outcome = "unheard"     // level 1, then level 2 with an undocumented status
)

// CodeForm is how a receipt writes its status_code.
type CodeForm string

// The forms of status_code; "" is a number.
const (
	CodeString CodeForm = "string"
	CodeNull   CodeForm = "null"
	CodeAbsent CodeForm = "absent"
)

// Delivery is the form and order of a message's receipts. The zero Delivery is
// what Flowroute's documentation describes.
type Delivery struct {
	Outcome  Outcome  `json:"outcome"`
	Code     CodeForm `json:"code"`
	Flat     bool     `json:"flat"`     // the form without data and level
	Reversed bool     `json:"reversed"` // level 2 first
	Twice    bool     `json:"twice"`    // every receipt comes twice
	Early    bool     `json:"early"`    // before the response to the message
	Extra    bool     `json:"extra"`    // with undocumented members
}

// Deliver sets the Delivery of messages to a number. The number "" stands for
// all that have neither a delivery of their own nor one in [MagicDeliveries].
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

// MagicDeliveries returns the numbers that have a Delivery of their own unless
// Deliver sets another.
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

// receipt is one receipt of a message.
type receipt struct {
	level                     int
	status, code, description string  // code "" is null
	final                     Outcome // Buffered or Unreachable if it reports that, else ""
}

// receipts returns the receipts of a message in their order.
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

// body returns a receipt as Flowroute posts it.
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

// sendReceipts schedules the receipts of a message. It posts early ones before
// it returns.
func (s *Simulator) sendReceipts(m Message) {
	target := m.Callback
	if target == "" {
		target = s.callback(SMSReceipts)
	}
	if target == "" || m.mms {
		return
	}
	d := s.deliveryTo(m.To)
	counted := map[Outcome]bool{"": true} // each message counts once
	for i, r := range d.receipts() {
		p := post{url: target, body: d.body(m, r, s.options.Now()), answered: func() { s.countReceipt(counted, r.final) }}
		if d.Early {
			s.tryPost(p)
		} else {
			s.later(time.Duration(i+1)*max(s.options.ReceiptDelay, 0), p)
		}
	}
}

// countReceipt counts an answered receipt, and its outcome unless one of the
// same message was counted.
func (s *Simulator) countReceipt(counted map[Outcome]bool, outcome Outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Receipts++
	if counted[outcome] {
		return
	}
	counted[outcome] = true
	if outcome == Buffered {
		s.counts.Delivered++
	} else {
		s.counts.Undelivered++
	}
}
