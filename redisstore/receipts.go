package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

var errMalformed = errors.New("malformed answer")

// Sent notes a message; see codes.Receipts. The message and its entry are
// kept in different slots of a cluster, so it takes two steps. When the second
// fails receipts still count; only Look does not know of the message.
func (s *Store) Sent(ctx context.Context, m codes.SentMessage) (codes.News, error) {
	useful := min(time.Duration(longest(s.limits.Sends))*time.Millisecond, codes.MaxReceiptAge)
	reply, err := s.run(ctx, s.scripts.sent, []string{s.keys.message(m.Message)},
		m.Place.Op[:], m.Place.Recipient[:], m.Area, m.Caller, seconds(max(m.Keep, useful)))
	if err != nil {
		return codes.News{}, fmt.Errorf("redisstore: sent: %w", err)
	}
	news := codes.News{Delivered: number(reply, 1) == 1, Failed: number(reply, 2) == 1, Area: m.Area, Caller: m.Caller}
	if _, err = s.run(ctx, s.scripts.link, []string{s.keys.entry(m.Entry)}, m.Place.Op[:], m.Message[:]); err != nil {
		err = fmt.Errorf("redisstore: sent: %w", err)
	}
	return news, err
}

// Receive notes a receipt; see codes.Receipts.
func (s *Store) Receive(ctx context.Context, n codes.Note) (codes.Received, error) {
	says := map[codes.Stage]string{codes.Delivered: "t", codes.Failed: "f"}[n.Stage]
	if says == "" {
		says = "s"
	}
	reply, err := s.run(ctx, s.scripts.receipt, []string{s.keys.message(n.Message)},
		n.Op[:], n.Content, says, string(n.Failure), n.Keep.Milliseconds())
	if err != nil {
		return codes.Received{}, fmt.Errorf("redisstore: receive: %w", err)
	}
	result, _ := reply[0].(string)
	received := codes.Received{Result: codes.Result(result), Known: len(reply) == 6}
	if !received.Known {
		return received, nil
	}
	text := make([]string, len(reply))
	for i := range reply {
		text[i], _ = reply[i].(string)
	}
	op, recipient := text[2], text[3]
	if len(op) != len(codes.Op{}) || len(recipient) != len(codes.Digest{}) {
		return codes.Received{}, fmt.Errorf("redisstore: receive: %w", errMalformed)
	}
	received.Place = codes.Place{Recipient: codes.Digest([]byte(recipient)), Op: codes.Op([]byte(op)), Paid: true}
	first := number(reply, 1) == 1
	received.News = codes.News{
		Delivered: first && n.Stage == codes.Delivered, Failed: first && n.Stage == codes.Failed,
		Area: text[4], Caller: text[5],
	}
	return received, nil
}

// returnPaid gives back the place of a message that was rejected on its way.
// It takes one in a log of those first, with the same windows.
func (s *Store) returnPaid(ctx context.Context, p codes.Place) error {
	sends, log := s.limits.Sends, s.keys.returns(p.Recipient)
	if len(sends) == 0 {
		return nil
	}
	const first = 5 // index in ARGV of the first window
	args := append([]any{p.Op[:], longest(sends), first - 1 + 2*len(sends)}, windowArgs(sends)...)
	reply, err := s.run(ctx, s.scripts.take, []string{log, log}, args...)
	if err == nil && reply[0] == "taken" {
		err = s.giveBack(ctx, s.keys.sends(p.Recipient), p.Op, sends)
	}
	if err != nil {
		return fmt.Errorf("redisstore: return: %w", err)
	}
	return nil
}

// Delivery looks at a message; see codes.Receipts.
func (s *Store) Delivery(ctx context.Context, message codes.Digest) (codes.Stage, codes.Failure, error) {
	reply, err := s.run(ctx, s.scripts.delivery, []string{s.keys.message(message)})
	if err != nil {
		return 0, "", fmt.Errorf("redisstore: delivery: %w", err)
	}
	switch {
	case reply[0] == "taken":
		return codes.Delivered, "", nil
	case reply[0] == "rejected" && len(reply) == 2:
		by, _ := reply[1].(string)
		return codes.Failed, codes.Failure(by), nil
	}
	return codes.Sent, "", nil
}

// Look looks at an entry; see codes.Store.
func (s *Store) Look(ctx context.Context, id codes.Digest) (codes.Sight, error) {
	reply, err := s.run(ctx, s.scripts.look, []string{s.keys.entry(id), s.keys.notice(id)})
	switch {
	case err != nil:
		return codes.Sight{}, fmt.Errorf("redisstore: look: %w", err)
	case reply[0] == "expired":
		return codes.Sight{Stage: codes.Over}, nil
	case reply[0] == "unknown":
		return codes.Sight{Stage: codes.Gone}, nil
	case len(reply) != 4:
		return codes.Sight{}, fmt.Errorf("redisstore: look: %w", errMalformed)
	}
	text, _ := reply[1].(string)
	message, _ := reply[3].(string)
	left, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return codes.Sight{}, fmt.Errorf("redisstore: look: %w", errMalformed)
	}
	sight := codes.Sight{Stage: codes.Made, Left: left, Remaining: time.Duration(number(reply, 2)) * time.Millisecond}
	if len(message) == len(codes.Digest{}) {
		sight.Stage, sight.Message = codes.Sent, codes.Digest([]byte(message))
	}
	return sight, nil
}

// prepareReceipts is the part of Prepare that is about receipts.
func (s *Store) prepareReceipts(ctx context.Context) error {
	entry := codes.Entry{Attempts: 1, Expiration: time.Second, Op: codes.NewOp()}
	if err := s.Put(ctx, entry); err != nil {
		return err
	}
	early := codes.Note{Receipt: codes.Receipt{Content: "0:", Stage: codes.Sent}, Op: codes.NewOp(), Keep: time.Second}
	if _, err := s.Receive(ctx, early); err != nil {
		return err
	}
	if _, err := s.Sent(ctx, codes.SentMessage{Place: codes.Place{Op: entry.Op}, Keep: time.Second}); err != nil {
		return err
	}
	if _, _, err := s.Delivery(ctx, codes.Digest{}); err != nil {
		return err
	}
	_, err := s.Look(ctx, codes.Digest{})
	return err
}
