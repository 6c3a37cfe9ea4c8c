package codestest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// Receipts of a message, as Flowroute sends them.
var (
	submitted = codes.Receipt{Content: "1:smsc submit:", Stage: codes.StageSent}
	buffered  = codes.Receipt{Content: "2:message buffered:1003", Stage: codes.StageDelivered}
	delivered = codes.Receipt{Content: "2:delivered:", Stage: codes.StageDelivered}
	rejected  = codes.Receipt{Content: "2:smsc reject:1110", Stage: codes.StageFailed, Failure: codes.ByPhone}
	failed    = codes.Receipt{Content: "2:failed:", Stage: codes.StageFailed, Failure: codes.BySomeone}
)

// message returns the message of a reservation.
func message(r codes.Reservation) codes.SentMessage {
	return codes.SentMessage{
		Message: Fresh(), Entry: r.Entry.Name, Op: r.Op, Recipient: r.Entry.Recipient,
		Area: codes.AreaUS, Caller: "shop", Keep: time.Hour,
	}
}

// messageOf stores an entry and returns its message.
func (s suite) messageOf(e codes.Entry) codes.SentMessage {
	s.Helper()
	return message(s.create(e))
}

func (s suite) recordSent(m codes.SentMessage, want codes.DeliveryEvents) {
	s.Helper()
	want.Area, want.Caller = m.Area, m.Caller
	if got, err := s.Store.RecordSent(context.Background(), m); err != nil || got != want {
		s.Fatalf("RecordSent = %+v, %v; want %+v", got, err, want)
	}
}

// sent stores an entry and records its message.
func (s suite) sent(e codes.Entry) codes.SentMessage {
	s.Helper()
	m := s.messageOf(e)
	s.recordSent(m, noEvents)
	return m
}

func stored(m codes.SentMessage, receipt codes.Receipt) codes.StoredReceipt {
	return codes.StoredReceipt{Receipt: receipt, Message: m.Message, Op: codes.NewOp(), Keep: 2 * time.Second}
}

// early takes a receipt whose message is not known.
func (s suite) early(m codes.SentMessage, receipt codes.Receipt, want codes.ReceiptResult) {
	s.Helper()
	s.receive(stored(m, receipt), codes.Received{Result: want})
}

// joins takes a receipt of a known message.
func (s suite) joins(m codes.SentMessage, receipt codes.Receipt, want codes.ReceiptResult, events codes.DeliveryEvents) {
	s.Helper()
	s.receive(stored(m, receipt), known(m, want, events))
}

func known(m codes.SentMessage, result codes.ReceiptResult, events codes.DeliveryEvents) codes.Received {
	events.Area, events.Caller = m.Area, m.Caller
	return codes.Received{Result: result, Known: true, Op: m.Op, Recipient: m.Recipient, Events: events}
}

func (s suite) receive(r codes.StoredReceipt, want codes.Received) {
	s.Helper()
	if got, err := s.Store.Receive(context.Background(), r); err != nil || got != want {
		s.Fatalf("Receive(%s) = %+v, %v; want %+v", r.Content, got, err, want)
	}
}

func (s suite) stands(m codes.SentMessage, stage codes.Stage, by codes.Failure) {
	s.Helper()
	got, gotBy, err := s.Store.Delivery(context.Background(), m.Message)
	if err != nil || got != stage || gotBy != by {
		s.Fatalf("Delivery = %v by %q, %v; want %v by %q", got, gotBy, err, stage, by)
	}
}

// names expects that the entry of a name is live and names a message, or none.
func (s suite) names(n codes.EntryName, message codes.Digest) {
	s.Helper()
	stage := codes.StageSent
	if message == (codes.Digest{}) {
		stage = codes.StagePending
	}
	if view := s.peek(n); view.Stage != stage || view.Message != message {
		s.Fatalf("Peek = %+v; want stage %v, message %v", view, stage, message)
	}
}

var (
	noEvents       = codes.DeliveryEvents{}
	firstDelivered = codes.DeliveryEvents{Delivered: true}
	firstFailed    = codes.DeliveryEvents{Failed: true}
)

// RunReceipts checks codes.Receipts, and the message that codes.Entries.Peek returns.
func RunReceipts(t *testing.T, open func(testing.TB) Backend) {
	run(t, open, tests{
		"in order, some twice": func(s suite) {
			m := s.sent(anyEntry())
			s.stands(m, codes.StageSent, "")
			s.joins(m, submitted, codes.Joined, noEvents)
			s.stands(m, codes.StageSent, "")
			s.joins(m, buffered, codes.Joined, firstDelivered)
			s.joins(m, buffered, codes.Duplicate, noEvents)
			s.joins(m, submitted, codes.Duplicate, noEvents)
			s.joins(m, delivered, codes.Joined, noEvents)
			s.joins(m, buffered, codes.Duplicate, noEvents)
			s.stands(m, codes.StageDelivered, "")
		},
		"delivered, then rejected": func(s suite) {
			m := s.sent(anyEntry())
			s.joins(m, buffered, codes.Joined, firstDelivered)
			s.joins(m, rejected, codes.Joined, firstFailed)
			s.joins(m, failed, codes.Joined, noEvents) // the first failure decides who rejected it
			s.stands(m, codes.StageFailed, codes.ByPhone)
		},
		"before the message": func(s suite) {
			m := s.messageOf(anyEntry())
			s.early(m, buffered, codes.Early)
			s.early(m, buffered, codes.Duplicate)
			s.early(m, delivered, codes.Early)
			s.early(m, submitted, codes.Early)
			s.recordSent(m, firstDelivered)
			s.joins(m, buffered, codes.Duplicate, noEvents)
			s.joins(m, rejected, codes.Joined, firstFailed)
		},
		"both before the message": func(s suite) {
			m := s.messageOf(anyEntry())
			s.early(m, failed, codes.Early)
			s.early(m, buffered, codes.Early)
			s.recordSent(m, codes.DeliveryEvents{Delivered: true, Failed: true})
			s.stands(m, codes.StageFailed, codes.BySomeone)
		},
		"too early": func(s suite) {
			m := s.messageOf(anyEntry())
			s.early(m, buffered, codes.Early)
			s.Advance(2100 * time.Millisecond)
			s.recordSent(m, noEvents)
		},
		"an early receipt lives as long as its message": func(s suite) {
			m := s.messageOf(anyEntry())
			s.early(m, buffered, codes.Early)
			s.recordSent(m, firstDelivered)
			s.Advance(2100 * time.Millisecond)
			s.stands(m, codes.StageDelivered, "")
			s.joins(m, buffered, codes.Duplicate, noEvents)
		},
		"repeated": func(s suite) {
			m := s.messageOf(anyEntry())
			s.early(m, buffered, codes.Early)
			s.recordSent(m, firstDelivered)
			s.recordSent(m, firstDelivered)
			r := stored(m, rejected)
			s.receive(r, known(m, codes.Joined, firstFailed))
			s.joins(m, rejected, codes.Duplicate, noEvents)
			s.receive(r, known(m, codes.Joined, firstFailed))
		},
		"early, repeated after the message": func(s suite) {
			m := s.messageOf(anyEntry())
			r := stored(m, buffered)
			s.receive(r, codes.Received{Result: codes.Early})
			s.recordSent(m, firstDelivered)
			got, err := s.Store.Receive(context.Background(), r)
			if err != nil || got.Events.Delivered || got.Result == codes.Duplicate {
				s.Errorf("Receive = %+v, %v", got, err)
			}
		},
		"an ended context": func(s suite) {
			m := s.messageOf(anyEntry())
			_, err := s.Store.Receive(cancelledContext(), stored(m, buffered))
			s.unavailable("Receive", err)
			_, err = s.Store.RecordSent(cancelledContext(), m)
			s.unavailable("RecordSent", err)
			s.early(m, rejected, codes.Early)
			s.recordSent(m, firstFailed)
		},
		"not the message of a replaced entry": func(s suite) {
			first, late := s.sent(anyEntry()), s.messageOf(anyEntry())
			for _, m := range []codes.SentMessage{first, late} {
				s.create(named(anyEntry(), m.Entry))
				s.names(m.Entry, codes.Digest{})
			}
			s.recordSent(late, noEvents)
			s.names(late.Entry, codes.Digest{})
		},
		"a message does not store an entry": func(s suite) {
			e := anyEntry()
			m := s.messageOf(e)
			s.right(e)
			s.recordSent(m, noEvents)
			if view := s.peek(e.Name); view != (codes.EntryView{}) {
				s.Errorf("Peek = %+v", view)
			}
		},
		"recorded out of order": func(s suite) {
			first := s.messageOf(anyEntry())
			second := s.messageOf(named(anyEntry(), first.Entry))
			r := s.create(named(anyEntry(), first.Entry))
			s.recordSent(second, noEvents)
			s.recordSent(first, noEvents)
			s.release(r, true)
			s.names(second.Entry, second.Message)
		},
		// After a release, Peek returns the message of the previous entry, although that is
		// under the previous secret.
		"under a new secret": func(s suite) {
			m := s.sent(anyEntry())
			names := codes.EntryName{Current: Fresh(), Previous: m.Entry.Current}
			s.names(names, m.Message)
			r := s.create(named(anyEntry(), names))
			s.names(names, codes.Digest{})
			s.release(r, true)
			s.names(names, m.Message)
		},
	}, tests{
		// Each event is reported once, however often and in whatever order the receipts of a
		// message come, before and after it.
		"in parallel": func(s suite) {
			all := []codes.Receipt{submitted, buffered, delivered, rejected, failed}
			for round := range 10 {
				m := s.messageOf(anyEntry())
				var mu sync.Mutex
				wasDelivered, wasFailed := 0, 0
				count := func(events codes.DeliveryEvents, err error) {
					mu.Lock()
					defer mu.Unlock()
					if err != nil {
						s.Error(err)
					}
					if events.Delivered {
						wasDelivered++
					}
					if events.Failed {
						wasFailed++
					}
				}
				parallel(parallelCalls, func(i int) {
					if i == round { // at another point in each round
						count(s.store(i).RecordSent(context.Background(), m))
					}
					received, err := s.store(i).Receive(context.Background(), stored(m, all[i%len(all)]))
					count(received.Events, err)
				})
				if wasDelivered != 1 || wasFailed != 1 {
					s.Errorf("delivered reported %d times, failed %d times", wasDelivered, wasFailed)
				}
			}
		},
	})
}
