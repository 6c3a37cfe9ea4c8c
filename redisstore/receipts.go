package redisstore

import (
	"context"
	"strings"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// RecordSent records a message that was sent; see codes.Receipts. It takes two
// scripts, because the message and its entry have different slots. If the second
// fails, receipts still count, but Peek does not show the message.
func (s *Store) RecordSent(ctx context.Context, m codes.SentMessage) (events codes.DeliveryEvents, err error) {
	defer s.end(ctx, "record_sent", time.Now(), &err)
	answer, err := s.run(ctx, s.scripts.messageRecord, []string{s.keys.message(m.Message)},
		m.Op[:], m.Recipient[:], uint8(m.Area), m.Caller, int64(m.Keep/time.Second), destinationArg(m.Destination))
	if err != nil {
		return codes.DeliveryEvents{}, err
	}
	events = codes.DeliveryEvents{Area: m.Area, Caller: m.Caller}
	events.Delivered, events.Failed = strings.HasPrefix(answer, "recorded 1"), strings.HasSuffix(answer, " 1")
	for _, name := range s.slots(m.Entry) {
		if _, err := s.run(ctx, s.scripts.messageLink, s.keys.entries(nil, name), m.Op[:], m.Message[:]); err != nil {
			return events, err
		}
	}
	return events, nil
}

// Receive records a delivery receipt; see codes.Receipts.
func (s *Store) Receive(ctx context.Context, r codes.StoredReceipt) (received codes.Received, err error) {
	defer s.end(ctx, "receive", time.Now(), &err)
	says := map[codes.Stage]string{codes.StageDelivered: "t", codes.StageFailed: "f"}[r.Stage]
	if says == "" {
		says = "s"
	}
	answer, err := s.run(ctx, s.scripts.messageReceive, []string{s.keys.message(r.Message)},
		r.Op[:], r.Content, says, string(r.Failure), r.Keep.Milliseconds())
	if err != nil {
		return codes.Received{}, err
	}
	return receivedFrom(answer, r.Stage)
}

// receivedFrom parses an answer of the script message_receive.
func receivedFrom(answer string, stage codes.Stage) (codes.Received, error) {
	result, message, known := strings.Cut(answer, " ")
	received := codes.Received{Result: codes.ReceiptResult(result), Known: known}
	if !known {
		return received, nil
	}
	const ( // where each ends
		op          = len(codes.Op{})
		recipient   = op + len(codes.Digest{})
		destination = recipient + destinationLen
	)
	var first, area int64
	message, err := numbers(message, &first)
	if err != nil || len(message) <= destination {
		return codes.Received{}, errMalformed
	}
	received.Op, received.Recipient = codes.Op([]byte(message[:op])), codes.Digest([]byte(message[op:recipient]))
	if received.Destination, err = destinationFrom(message[recipient:]); err != nil {
		return codes.Received{}, err
	}
	if received.Events.Caller, err = numbers(message[destination+1:], &area); err != nil {
		return codes.Received{}, err
	}
	received.Events.Area = codes.AreaNumber(area)
	received.Events.Delivered = first == 1 && stage == codes.StageDelivered
	received.Events.Failed = first == 1 && stage == codes.StageFailed
	return received, nil
}

// Delivery returns how far a message got; see codes.Receipts.
func (s *Store) Delivery(ctx context.Context, message codes.Digest) (stage codes.Stage, by codes.Failure, err error) {
	defer s.end(ctx, "delivery", time.Now(), &err)
	answer, err := s.run(ctx, s.scripts.messagePeek, []string{s.keys.message(message)})
	if err != nil {
		return 0, "", err
	}
	if by, rejected := strings.CutPrefix(answer, "rejected "); rejected {
		return codes.StageFailed, codes.Failure(by), nil
	}
	if answer == "taken" {
		return codes.StageDelivered, "", nil
	}
	return codes.StageSent, "", nil
}
