package codes

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Stage is how far an entry and its message have got.
type Stage int

// The stages. From StagePending on the entry is live.
const (
	StageUnknown   Stage = iota // no such entry: used, used up, removed, or never made
	StageExpired                // the entry's lifetime is over, and no check has reported it
	StagePending                // it is not known whether the carrier took the message
	StageSent                   // the carrier took the message
	StageDelivered              // a receipt says that the network or the phone took it
	StageFailed                 // a receipt says that it was rejected, whatever others say
)

// Failure is who rejected a message, as far as its receipts say.
type Failure string

// Who can reject a message.
const (
	ByPhone   Failure = "phone"
	ByNetwork Failure = "network"
	BySomeone Failure = "someone" // the receipt does not say who
)

// Receipt is what the carrier says of a message after it took it.
type Receipt struct {
	MessageID string  // the carrier's
	Status    string  // one of a few words, for counting
	Content   string  // two receipts of a message that are equal in it are the same one; one of few, at most 64 bytes
	Stage     Stage   // StageSent, StageDelivered or StageFailed
	Failure   Failure // of StageFailed
}

// SentMessage is a message that the carrier took, as [Receipts] keep it.
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
	Keep    time.Duration // how long, while its message is not known
}

// ReceiptResult is what became of a receipt.
type ReceiptResult string

// The results.
const (
	Joined    ReceiptResult = "joined"    // to its message
	Early     ReceiptResult = "early"     // its message is not known, or not yet: kept for it
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

// Receipts keep what the carrier says of messages, for any number of replicas
// at once. A receipt may come before its message is recorded, in any order and
// any number of times: whichever of RecordSent and Receive comes second joins
// the two. Each call MUST take effect at most once per Op, and not at all if its
// context has ended. Errors are ErrUnavailable; the events of a call that took
// effect but failed are lost, so that each is reported at most once.
type Receipts interface {
	// RecordSent records a message, and returns the events of receipts that came
	// before it. It MUST be known for m.Keep. From then on its entry, if it is
	// still the one that the message was made for, names it in Peek. Events that
	// come with an error are true.
	RecordSent(ctx context.Context, m SentMessage) (DeliveryEvents, error)

	// Receive records a receipt.
	Receive(ctx context.Context, r StoredReceipt) (Received, error)

	// Delivery returns the stage of a message, StageSent or later.
	Delivery(ctx context.Context, message Digest) (Stage, Failure, error)
}

const (
	// MaxReceiptAge is how long after a message its last receipt can be of
	// use: networks give a message up after three days at most.
	MaxReceiptAge = 72 * time.Hour

	// keepSent is how long a message is known at least: receipts that take
	// longer are rare.
	keepSent = time.Hour

	// keepEarly is how long a receipt waits for its message, which follows in
	// a fraction of a second if it ever does.
	keepEarly = 10 * time.Minute

	// recordTimeout bounds the recording of a message: the SMS went out, and
	// the caller waits for the answer.
	recordTimeout = 300 * time.Millisecond
)

// recordSent records a message that went out, so that its receipts find it. It
// does nothing if receipts are not tracked.
func (s *Service) recordSent(ctx context.Context, c *creation, messageID string) error {
	if !s.TrackReceipts {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	e := &c.reservation.Entry
	// A receipt matters while it can free a place under Sends.
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

// Receive takes a receipt. A rejected message frees its places under Sends and
// Unverified, never the one under Total: the message was paid for. Its only error is
// ErrUnavailable: then the carrier should send the receipt again.
func (s *Service) Receive(ctx context.Context, r Receipt) (ReceiptResult, error) {
	ctx = context.WithoutCancel(ctx)
	stored := StoredReceipt{Receipt: r, Keep: keepEarly}
	var received Received
	for _, h := range s.hashers() { // whichever secret the message was recorded under
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
		// For a duplicate too: the refund may be what failed the first time.
		if err := s.refund(ctx, received.Op, received.Recipient, received.Destination); err != nil {
			return "", fmt.Errorf("codes: receive: %w", err)
		}
	}
	return received.Result, nil
}

// refund frees the places of a message that was rejected on its way, under Sends
// and Unverified. Where Sends does not limit how often, the windows of an exchange
// do.
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
