package redisstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// Sent notes a message; see codes.Receipts. The message and its entry are
// kept in different slots of a cluster, so it takes two steps. When the second
// fails receipts still count; only Look does not know of the message.
func (s *Store) Sent(ctx context.Context, m codes.SentMessage) (codes.News, error) {
	useful := min(time.Duration(longest(s.limits.Sends))*time.Millisecond, codes.MaxReceiptAge)
	answer, err := s.run(ctx, s.scripts.sent, []string{s.keys.message(m.Message)},
		m.Place.Op[:], m.Place.Recipient[:], uint8(m.Area), m.Caller, seconds(max(m.Keep, useful)))
	if err != nil {
		return codes.News{}, fmt.Errorf("redisstore: sent: %w", err)
	}
	news := codes.News{Area: m.Area, Caller: m.Caller}
	news.Delivered, news.Failed = strings.HasPrefix(answer, "noted 1"), strings.HasSuffix(answer, " 1")
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
	answer, err := s.run(ctx, s.scripts.receipt, []string{s.keys.message(n.Message)},
		n.Op[:], n.Content, says, string(n.Failure), n.Keep.Milliseconds())
	if err != nil {
		return codes.Received{}, fmt.Errorf("redisstore: receive: %w", err)
	}
	result, message, known := strings.Cut(answer, " ")
	received := codes.Received{Result: codes.Result(result), Known: known}
	if !known {
		return received, nil
	}
	var first, area int64
	op, recipient := len(codes.Op{}), len(codes.Op{})+len(codes.Digest{}) // where they end
	message, err = numbers(message, &first)
	if err == nil && len(message) > recipient {
		received.Place = codes.Place{Op: codes.Op([]byte(message[:op])), Recipient: codes.Digest([]byte(message[op:recipient])), Paid: true}
		received.News.Caller, err = numbers(message[recipient+1:], &area)
	} else {
		err = errMalformed
	}
	if err != nil {
		return codes.Received{}, fmt.Errorf("redisstore: receive: %w", err)
	}
	received.News.Area = codes.AreaNumber(area)
	received.News.Delivered, received.News.Failed = first == 1 && n.Stage == codes.Delivered, first == 1 && n.Stage == codes.Failed
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
	answer, err := s.run(ctx, s.scripts.take, []string{log, log}, args...)
	if err == nil && answer == "taken" {
		err = s.giveBack(ctx, p)
	}
	if err != nil {
		return fmt.Errorf("redisstore: return: %w", err)
	}
	return nil
}

// Delivery looks at a message; see codes.Receipts.
func (s *Store) Delivery(ctx context.Context, message codes.Digest) (codes.Stage, codes.Failure, error) {
	answer, err := s.run(ctx, s.scripts.delivery, []string{s.keys.message(message)})
	if err != nil {
		return 0, "", fmt.Errorf("redisstore: delivery: %w", err)
	}
	if by, rejected := strings.CutPrefix(answer, "rejected "); rejected {
		return codes.Failed, codes.Failure(by), nil
	}
	if answer == "taken" {
		return codes.Delivered, "", nil
	}
	return codes.Sent, "", nil
}

// Look looks at an entry; see codes.Store.
func (s *Store) Look(ctx context.Context, id codes.Digest) (codes.Sight, error) {
	answer, err := s.run(ctx, s.scripts.look, s.keys.ofEntry(id))
	word, answer, _ := strings.Cut(answer, " ")
	sight := codes.Sight{}
	switch {
	case err != nil:
	case word == "expired":
		sight.Stage = codes.Over
	case word == "live":
		var millis int64
		answer, err = numbers(answer, &sight.Left, &millis)
		sight.Stage, sight.Remaining = codes.Made, time.Duration(millis)*time.Millisecond
		if len(answer) == len(sight.Message) {
			sight.Stage, sight.Message = codes.Sent, codes.Digest([]byte(answer))
		}
	}
	if err != nil {
		return codes.Sight{}, fmt.Errorf("redisstore: look: %w", err)
	}
	return sight, nil
}

// prepareReceipts is the part of Prepare that is about receipts.
func (s *Store) prepareReceipts(ctx context.Context) error {
	entry := codes.Entry{Attempts: 1, Expiration: time.Second, Op: codes.NewOp()}
	if _, err := s.Put(ctx, entry); err != nil {
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
