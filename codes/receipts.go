package codes

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Stage is the state of an entry and its message.
type Stage int

// The stages. From StagePending on the entry is live.
const (
	StageUnknown   Stage = iota // no such entry: used, used up, removed, or never made
	StageExpired                // the entry's lifetime is over, and no check has reported it
	StagePending                // it is not known whether the carrier accepted the message
	StageSent                   // the carrier accepted the message
	StageDelivered              // a receipt says that the network or the phone accepted it
	StageFailed                 // a receipt says that it was rejected, whatever others say
)

// Failure is who rejected a message, according to its receipts.
type Failure string

// Who can reject a message.
const (
	ByPhone   Failure = "phone"
	ByNetwork Failure = "network"
	BySomeone Failure = "someone" // the receipt does not say who
)

// Receipt is a report of the carrier on a message that it accepted.
type Receipt struct {
	MessageID string  // the carrier's
	Status    string  // one of a few words, for counting
	Content   string  // identifies a receipt among those of its message; one of few values, at most 64 bytes
	Stage     Stage   // StageSent, StageDelivered or StageFailed
	Failure   Failure // of StageFailed
}

// SentMessage is a message that the carrier accepted, as [Receipts] keep it.
type SentMessage struct {
	Message   Digest    // of the carrier's id
	Entry     EntryName // whose code it holds
	Op        Op        // of its reservation
	Recipient Digest
	Area      Area
	Caller    string
	Keep      time.Duration // whole seconds

	Destination Destination
}

// StoredReceipt is a [Receipt] as [Receipts] keep it.
type StoredReceipt struct {
	Receipt
	Message Digest
	Op      Op
	Keep    time.Duration // how long to keep it while its message is not known
}

// ReceiptResult is the result of a receipt.
type ReceiptResult string

// The results.
const (
	Joined    ReceiptResult = "joined"    // applied to its message
	Early     ReceiptResult = "early"     // its message is not known, or not yet: kept until it is
	Duplicate ReceiptResult = "duplicate" // the same one came before
)

// Received is the answer to a receipt.
type Received struct {
	Result    ReceiptResult
	Known     bool   // the message is known
	Op        Op     // of a known message's reservation
	Recipient Digest // of a known message
	Events    DeliveryEvents

	Destination Destination // of a known message
}

// Receipts keep the carrier's reports on messages, for any number of replicas at
// once. A receipt may come before its message is recorded, in any order and any
// number of times: whichever of RecordSent and Receive comes second joins the two.
// Each call MUST take effect at most once per Op, and not at all if its context has
// ended. Errors are ErrUnavailable. If a call took effect but returned an error, its
// events are lost, so that each is reported at most once.
type Receipts interface {
	// RecordSent records a message for at least m.Keep, and returns the events of
	// receipts that came before it. From then on Peek names the message, as long as
	// the entry that it was made for is the valid one. Events that are returned with
	// an error did happen.
	RecordSent(ctx context.Context, m SentMessage) (DeliveryEvents, error)

	// Receive records a receipt.
	Receive(ctx context.Context, r StoredReceipt) (Received, error)

	// Delivery returns the stage of a message, StageSent or later.
	Delivery(ctx context.Context, message Digest) (Stage, Failure, error)
}

const (
	// MaxReceiptAge is how long after a message a receipt can be of use: networks
	// give up on a message after three days at most.
	MaxReceiptAge = 72 * time.Hour

	// keepSent is the shortest time that a message is kept. Later receipts are
	// rare.
	keepSent = time.Hour

	// keepEarly is how long a receipt is kept for its message, which follows in a
	// fraction of a second if it ever does.
	keepEarly = 10 * time.Minute

	// recordTimeout bounds the recording of a message: the SMS was sent, and the
	// caller waits for the answer.
	recordTimeout = 300 * time.Millisecond
)

// recordSent records a message that was sent, so that its receipts can be joined to
// it. It does nothing if receipts are not tracked.
func (s *Service) recordSent(ctx context.Context, c *creation, messageID string) error {
	if !s.TrackReceipts {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	e := &c.reservation.Entry
	// A receipt matters as long as its message counts under Sends.
	useful := min(LongestSpan(c.policy.Limits.Sends), MaxReceiptAge)
	m := SentMessage{
		Message:   s.Secret.Message(messageID),
		Entry:     e.Name,
		Op:        c.reservation.Op,
		Recipient: e.Recipient,
		Area:      e.Area,
		Caller:    c.Caller,
		Keep:      max(e.Lifetime+e.Notice, keepSent, useful),

		Destination: e.Destination,
	}
	events, err := s.Store.RecordSent(ctx, m)
	s.Observer.Delivery(events)
	if events.Failed {
		err = errors.Join(err, s.refund(ctx, m.Op, m.Recipient, m.Destination))
	}
	return err
}

// Receive takes a receipt. A rejected message stops counting under Sends and
// Unverified. It still counts under Total, since it was paid for. The only error is
// ErrUnavailable; then the carrier should send the receipt again.
func (s *Service) Receive(ctx context.Context, r Receipt) (ReceiptResult, error) {
	ctx = context.WithoutCancel(ctx)
	stored := StoredReceipt{Receipt: r, Keep: keepEarly}
	var received Received
	for _, h := range s.hashers() { // the message may be recorded under either
		var err error
		stored.Message, stored.Op = h.Message(r.MessageID), NewOp()
		if received, err = s.Store.Receive(ctx, stored); err != nil {
			return "", fmt.Errorf("codes: receive: %w", err)
		}
		if received.Known {
			break
		}
	}
	s.Observer.Delivery(received.Events)
	if received.Known && r.Stage == StageFailed {
		// For a duplicate too: the refund may have failed the first time.
		if err := s.refund(ctx, received.Op, received.Recipient, received.Destination); err != nil {
			return "", fmt.Errorf("codes: receive: %w", err)
		}
	}
	return received.Result, nil
}

// refund uncounts a message that was rejected on its way, under Sends and
// Unverified. If there is no limit under Sends, the windows of an exchange limit how
// many messages are refunded.
func (s *Service) refund(ctx context.Context, op Op, recipient Digest, d Destination) error {
	l := &s.Policy.Limits // the same in every profile
	limits := []Limit{{Kind: SendLimit, Subject: recipient, Windows: l.Sends}}
	if len(l.Sends) == 0 {
		limits[0].Windows = l.Unverified.Exchange
	}
	if d != (Destination{}) {
		limits = append(limits, l.Unverified.Limits(d)...)
	}
	if len(limits[0].Windows) == 0 {
		return nil
	}
	return s.Store.Refund(ctx, op, limits)
}
