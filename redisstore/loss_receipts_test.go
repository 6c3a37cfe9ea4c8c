package redisstore_test

import (
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/redisstore"
)

func (l lossTest) message() codes.SentMessage {
	e := newEntry(3)
	l.put(e)
	return codes.SentMessage{
		Message: codestest.Fresh(), Entry: e.ID, Place: codes.Place{Recipient: e.Recipient, Op: e.Op}, Keep: time.Hour,
	}
}

func (l lossTest) sent(s *redisstore.Store, m codes.SentMessage, want codes.News) {
	l.Helper()
	if got, err := s.Sent(l.Context(), m); err != nil || got != want {
		l.Errorf("Sent = %+v, %v; want %+v", got, err, want)
	}
}

// receive takes a receipt that says that the message was taken or rejected.
func (l lossTest) receive(s *redisstore.Store, m codes.SentMessage, stage codes.Stage, want codes.Result, news codes.News) {
	l.Helper()
	content := map[codes.Stage]string{codes.Delivered: "2:message buffered:1003", codes.Failed: "2:smsc reject:1110"}[stage]
	got, err := s.Receive(l.Context(), codes.Note{
		Receipt: codes.Receipt{Content: content, Stage: stage}, Message: m.Message, Op: codes.NewOp(), Keep: time.Hour,
	})
	if err != nil || got.Result != want || got.News != news {
		l.Errorf("Receive = %+v, %v; want %s, %+v", got, err, want, news)
	}
}

func lostReceipt(l lossTest) {
	m := l.message()
	l.sent(l.clean, m, codes.News{})
	// The same receipt that comes between is the duplicate, not this one.
	l.losing(func() { l.receive(l.clean, m, codes.Delivered, codes.Duplicate, codes.News{}) }, func() {
		l.receive(l.Store, m, codes.Delivered, codes.Joined, codes.News{Delivered: true})
	})
	l.receive(l.clean, m, codes.Delivered, codes.Duplicate, codes.News{})
	l.losing(nil, func() { l.receive(l.Store, m, codes.Failed, codes.Joined, codes.News{Failed: true}) })
}

func lostEarly(l lossTest) {
	m := l.message()
	l.losing(nil, func() { l.receive(l.Store, m, codes.Delivered, codes.Early, codes.News{}) })
	// The message that comes between has told it already.
	l.losing(func() { l.sent(l.clean, m, codes.News{Delivered: true, Failed: true}) }, func() {
		l.receive(l.Store, m, codes.Failed, codes.Joined, codes.News{})
	})
}

func lostSent(l lossTest) {
	m := l.message()
	l.receive(l.clean, m, codes.Delivered, codes.Early, codes.News{})
	l.losing(func() { l.receive(l.clean, m, codes.Failed, codes.Joined, codes.News{Failed: true}) }, func() {
		l.sent(l.Store, m, codes.News{Delivered: true})
	})
	if got, err := l.clean.Look(l.Context(), m.Entry); err != nil || got.Message != m.Message {
		l.Errorf("Look = %+v, %v", got, err)
	}
}

// lostReturnPaid: one place is given back, and counted as given back once.
func lostReturnPaid(l lossTest) {
	p := codes.Place{Recipient: codestest.Fresh(), Op: codes.NewOp(), Paid: true}
	giveBack := func(s *redisstore.Store, p codes.Place) {
		l.Helper()
		if err := s.Return(l.Context(), p); err != nil {
			l.Errorf("Return: %v", err)
		}
	}
	if _, err := l.Take(l.Context(), p); err != nil {
		l.Fatal(err)
	}
	l.losing(func() { giveBack(l.clean, p) }, func() { giveBack(l.Store, p) })
	second := codes.Place{Recipient: p.Recipient, Op: codes.NewOp(), Paid: true}
	if _, err := l.clean.Take(l.Context(), second); err != nil {
		l.Fatal(err)
	}
	l.losing(nil, func() { giveBack(l.Store, second) }) // one too many
	l.take(l.clean, p.Recipient, "SEND_LIMITS 1/1h")
}
