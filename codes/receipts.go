package codes

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Stage is how far an entry and its message have got.
type Stage int

// The stages. From Made on the entry is live.
const (
	Gone      Stage = iota // no such entry: used, used up, removed, or never made
	Over                   // the entry's time ran out, and no check has been told so
	Made                   // it is not known whether the carrier took the message
	Sent                   // the carrier's API took the message
	Delivered              // a receipt says that the network or the phone took it
	Failed                 // a receipt says that it was rejected, whatever others say
)

// Failure is who rejected a message, as far as its receipts tell.
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
	Stage     Stage   // Sent, Delivered or Failed
	Failure   Failure // of a Failed one
}

// SentMessage is a message that the carrier took, as [Receipts] keep it.
type SentMessage struct {
	Message Digest // of the carrier's id
	Entry   Digest // whose code it tells
	Place   Place  // that it takes in the limits; its Op is that of the entry's put
	Area    Area
	Caller  string        // see WithCaller
	Keep    time.Duration // whole seconds
}

// Note is a [Receipt] as [Receipts] keep it.
type Note struct {
	Receipt
	Message Digest
	Op      Op
	Keep    time.Duration // how long, while its message is not known
}

// News is what receipts say of a message for the first time. Over all
// replicas each of the two is told once for a message, however often its
// receipts come.
type News struct {
	Delivered, Failed bool
	Area              Area   // of the message
	Caller            string // of the request that made it
}

// Result is what became of a receipt.
type Result string

// The results.
const (
	Joined    Result = "joined"    // to its message
	Early     Result = "early"     // its message is not known, or not yet: kept for it
	Duplicate Result = "duplicate" // the same one came before
)

// Received is the answer to a receipt.
type Received struct {
	Result Result
	Known  bool  // the message is known
	Place  Place // of a known message
	News   News
}

// Receipts keep what the carrier says of messages, for any number of replicas
// at once. A receipt may come before its message is noted, in any order and
// any number of times: whichever of Sent and Receive comes second joins the
// two. What each call does it MUST do at most once per Op, and not at all if
// its context has ended. Errors are ErrUnavailable; news of a call that failed
// after all may never be told, so that they are told at most once.
type Receipts interface {
	// Sent notes a message, and returns the news of receipts that came before
	// it. It MUST be known for m.Keep, and, up to MaxReceiptAge, for as long as
	// a place of a message can matter. From then on the entry of m, if it is
	// still the one that the message was made for, tells it to [Store.Look].
	// News that come with an error are true.
	Sent(ctx context.Context, m SentMessage) (News, error)

	// Receive notes a receipt.
	Receive(ctx context.Context, n Note) (Received, error)

	// Delivery returns the stage of a message, Sent or later.
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

	// noteTimeout bounds the note of a message: the SMS went out, and the
	// caller waits for the answer.
	noteTimeout = 300 * time.Millisecond
)

// WithReceipts makes the service keep receipts. It is called before the
// service is used.
func (s *Service) WithReceipts(r Receipts) *Service {
	s.receipts = r
	return s
}

// noteSent notes a message that went out, so that its receipts find it. It
// does nothing if none are kept.
func (s *Service) noteSent(ctx context.Context, e Entry, messageID string) (News, error) {
	if s.receipts == nil {
		return News{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, noteTimeout)
	defer cancel()
	place := Place{Recipient: e.Recipient, Op: e.Op, Paid: true}
	m := SentMessage{
		Message: s.hasher.Message(messageID),
		Entry:   e.ID,
		Place:   place,
		Area:    e.Area,
		Caller:  callerOf(ctx),
		Keep:    max(e.Expiration+e.Notice, keepSent),
	}
	news, err := s.receipts.Sent(ctx, m)
	if news.Failed {
		err = errors.Join(err, s.limiter.Return(ctx, place))
	}
	return news, err
}

// Receive takes a receipt. That a message was rejected gives its place under
// Sends back, never the one under Total: the message was paid for. Its only
// error is ErrUnavailable: then the carrier should send the receipt again.
// News that come with an error are true, and are not told again.
func (s *Service) Receive(ctx context.Context, r Receipt) (Received, error) {
	ctx = context.WithoutCancel(ctx)
	note := Note{Receipt: r, Op: NewOp(), Keep: keepEarly}
	var received Received
	for _, h := range s.hashers() { // whichever secret the message was noted under
		var err error
		note.Message = h.Message(r.MessageID)
		if received, err = s.receipts.Receive(ctx, note); err != nil {
			return Received{}, fmt.Errorf("codes: receive: %w", err)
		}
		if received.Known {
			break
		}
	}
	if !received.Known || r.Stage != Failed {
		return received, nil
	}
	// For a duplicate too: giving back may be what failed the first time.
	if err := s.limiter.Return(ctx, received.Place); err != nil {
		return received, fmt.Errorf("codes: receive: %w", err)
	}
	return received, nil
}

// Sight is an entry as it is seen without touching it.
type Sight struct {
	Stage     Stage         // Gone, Over, Made or Sent
	Left      int64         // wrong codes that a live entry still compares
	Remaining time.Duration // that a live entry has to live
	Message   Digest        // of a Sent one
}

// Progress tells how an entry and its message stand.
type Progress struct {
	Stage     Stage
	Failure   Failure       // of a Failed one
	Left      int64         // of a live entry: wrong codes that it still compares
	Remaining time.Duration // of a live entry: its time to live
}

// Progress looks at the entry of id and at its message. It changes and spends
// nothing: that an entry is Over is told again, and to the next check too.
// Without receipts no entry is seen beyond Made. Its only error is
// ErrUnavailable.
func (s *Service) Progress(ctx context.Context, id ID) (Progress, error) {
	ctx = context.WithoutCancel(ctx) // as every call of the store: they share round trips
	var sight Sight
	for _, h := range s.hashers() {
		var err error
		if sight, err = s.store.Look(ctx, h.ID(id)); err != nil {
			return Progress{}, fmt.Errorf("codes: progress: %w", err)
		}
		if sight.Stage != Gone {
			break
		}
	}
	p := Progress{Stage: sight.Stage, Left: sight.Left, Remaining: sight.Remaining}
	if p.Stage != Sent || s.receipts == nil {
		return p, nil
	}
	var err error
	if p.Stage, p.Failure, err = s.receipts.Delivery(ctx, sight.Message); err != nil {
		return Progress{}, fmt.Errorf("codes: progress: %w", err)
	}
	return p, nil
}

// hashers are those under which something may be stored, the current first.
func (s *Service) hashers() []*Hasher {
	if s.previous == nil {
		return []*Hasher{s.hasher}
	}
	return []*Hasher{s.hasher, s.previous}
}

type callerKey struct{}

// WithCaller names the caller of the request that ctx belongs to, so that the
// news of its message carry the name.
func WithCaller(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, callerKey{}, name)
}

func callerOf(ctx context.Context) string {
	name, _ := ctx.Value(callerKey{}).(string)
	return name
}
