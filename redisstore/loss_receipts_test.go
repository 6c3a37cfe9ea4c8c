package redisstore_test

import (
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/redisstore"
)

func (l lossTest) message() codes.SentMessage {
	r := newReservation(3)
	l.reserve(r)
	return codes.SentMessage{
		Message: codestest.Fresh(), Entry: r.Entry.Name, Op: r.Op, Recipient: r.Entry.Recipient, Keep: time.Hour,
	}
}

func (l lossTest) sent(s *redisstore.Store, m codes.SentMessage, want codes.DeliveryEvents) {
	l.Helper()
	if got, err := s.RecordSent(l.Context(), m); err != nil || got != want {
		l.Errorf("RecordSent = %+v, %v; want %+v", got, err, want)
	}
}

// receive takes a receipt that says that the message was taken or rejected.
func (l lossTest) receive(s *redisstore.Store, m codes.SentMessage, stage codes.Stage, want codes.ReceiptResult, events codes.DeliveryEvents) {
	l.Helper()
	content := map[codes.Stage]string{codes.StageDelivered: "2:message buffered:1003", codes.StageFailed: "2:smsc reject:1110"}[stage]
	got, err := s.Receive(l.Context(), codes.StoredReceipt{
		Receipt: codes.Receipt{Content: content, Stage: stage}, Message: m.Message, Op: codes.NewOp(), Keep: time.Hour,
	})
	if err != nil || got.Result != want || got.Events != events {
		l.Errorf("Receive = %+v, %v; want %s, %+v", got, err, want, events)
	}
}

func lostReceipt(l lossTest) {
	m := l.message()
	l.sent(l.clean, m, codes.DeliveryEvents{})
	// The same receipt that comes between is the duplicate, not this one.
	l.losing(func() { l.receive(l.clean, m, codes.StageDelivered, codes.Duplicate, codes.DeliveryEvents{}) }, func() {
		l.receive(l.Store, m, codes.StageDelivered, codes.Joined, codes.DeliveryEvents{Delivered: true})
	})
	l.receive(l.clean, m, codes.StageDelivered, codes.Duplicate, codes.DeliveryEvents{})
	l.losing(nil, func() { l.receive(l.Store, m, codes.StageFailed, codes.Joined, codes.DeliveryEvents{Failed: true}) })
}

func lostEarly(l lossTest) {
	m := l.message()
	l.losing(nil, func() { l.receive(l.Store, m, codes.StageDelivered, codes.Early, codes.DeliveryEvents{}) })
	// The message that comes between has reported it already.
	l.losing(func() { l.sent(l.clean, m, codes.DeliveryEvents{Delivered: true, Failed: true}) }, func() {
		l.receive(l.Store, m, codes.StageFailed, codes.Joined, codes.DeliveryEvents{})
	})
}

func lostSent(l lossTest) {
	m := l.message()
	l.receive(l.clean, m, codes.StageDelivered, codes.Early, codes.DeliveryEvents{})
	l.losing(func() { l.receive(l.clean, m, codes.StageFailed, codes.Joined, codes.DeliveryEvents{Failed: true}) }, func() {
		l.sent(l.Store, m, codes.DeliveryEvents{Delivered: true})
	})
	if got, err := l.clean.Peek(l.Context(), m.Entry); err != nil || got.Message != m.Message {
		l.Errorf("Peek = %+v, %v", got, err)
	}
}
