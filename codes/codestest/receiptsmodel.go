package codestest

import (
	"context"
	"slices"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// modelMessage is a message, or the receipts that came before it.
type modelMessage struct {
	sent     *codes.SentMessage // nil until it is recorded
	receipts []codes.StoredReceipt
	reported codes.DeliveryEvents
	end      time.Duration
}

// RecordSent records a message.
func (m *Model) RecordSent(ctx context.Context, sent codes.SentMessage) (codes.DeliveryEvents, error) {
	return once(ctx, m, call{"record sent", sent.Op}, func() (codes.DeliveryEvents, error) {
		message := m.message(sent.Message)
		message.sent, message.end = &sent, m.now+sent.Keep
		for _, v := range m.versions(sent.Entry) {
			if at := slices.Index(v.senders, sent.Op); at > slices.Index(v.senders, v.message.Op) {
				v.message = sent
			}
		}
		return message.events(), nil
	})
}

// Receive records a receipt.
func (m *Model) Receive(ctx context.Context, r codes.StoredReceipt) (codes.Received, error) {
	return once(ctx, m, call{"receive", r.Op}, func() (codes.Received, error) {
		message := m.message(r.Message)
		received := codes.Received{Result: codes.Early}
		if sent := message.sent; sent != nil {
			received = codes.Received{Result: codes.Joined, Known: true, Op: sent.Op, Recipient: sent.Recipient, Destination: sent.Destination}
		}
		for _, known := range message.receipts {
			if known.Content == r.Content {
				received.Result = codes.Duplicate
			}
		}
		if received.Result != codes.Duplicate {
			message.receipts = append(message.receipts, r)
			if message.sent == nil {
				message.end = m.now + r.Keep
			}
		}
		received.Events = message.events()
		return received, nil
	})
}

// message returns a message, or adds it.
func (m *Model) message(id codes.Digest) *modelMessage {
	if known := m.messages[id]; known != nil && m.now < known.end {
		return known
	}
	m.messages[id] = &modelMessage{end: m.now + time.Nanosecond} // for this call
	return m.messages[id]
}

// events returns the events that were not reported yet, and marks them as reported.
func (m *modelMessage) events() codes.DeliveryEvents {
	if m.sent == nil {
		return codes.DeliveryEvents{}
	}
	events := codes.DeliveryEvents{Area: m.sent.Area, Caller: m.sent.Caller}
	for _, r := range m.receipts {
		events.Delivered = events.Delivered || r.Stage == codes.StageDelivered && !m.reported.Delivered
		events.Failed = events.Failed || r.Stage == codes.StageFailed && !m.reported.Failed
	}
	m.reported.Delivered = m.reported.Delivered || events.Delivered
	m.reported.Failed = m.reported.Failed || events.Failed
	return events
}

// Delivery returns the stage of a message by all its receipts.
func (m *Model) Delivery(_ context.Context, id codes.Digest) (codes.Stage, codes.Failure, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	stage, by := codes.StageSent, codes.Failure("")
	for _, r := range m.message(id).receipts {
		if r.Stage > stage {
			stage, by = r.Stage, r.Failure
		}
	}
	return stage, by, nil
}
