package codes

import (
	"context"
	"time"
)

// Store is all that the service keeps.
type Store interface {
	Reservations
	Entries
	Counts
	Claims
	Receipts
}

// Check compares a code with an entry's.
type Check struct {
	Name              EntryName
	Code              Digest
	PreviousCode      Digest // the same code under the previous secret
	Recipient         Digest // whose code it must be; zero for anybody's
	PreviousRecipient Digest // the same number under the previous secret
	Claim             Digest // key of its claim, which keeps the answer for KeepAnswers; if zero, the answer is kept for retries of this call only
	Op                Op
	Guesses           []Window // under which a wrong code is counted for its number
	CountVerified     bool     // a right code is counted for its area code and in all
	CountExchange     bool     // and for its exchange
}

// Checked is the result of a check.
type Checked struct {
	Outcome
	Area    Area          // of the recipient
	TTLLeft time.Duration // of the entry, if this check ended it

	// Uncounted is set if a Right could not be counted for its destination.
	Uncounted *VerifiedMessages
}

// VerifiedMessages are the messages that held a code which was verified.
type VerifiedMessages struct {
	Destination   Destination
	Ops           []Op
	CountExchange bool
}

// Cancel removes an entry.
type Cancel struct {
	Name EntryName
	Op   Op
}

// Entries are the live codes that reservations stored, for any number of
// replicas at once.
//
// Each call MUST take effect at most once per Op, however often it is retried: a
// call that is repeated after it took effect changes nothing and returns its first
// answer. A call MUST NOT take effect after its context has ended. A call that
// returns an error may have taken effect; the error is ErrUnavailable.
type Entries interface {
	// Check compares a code. Over an entry's life it MUST answer Right at most
	// once and compare at most Attempts wrong digests, whatever the number of
	// replicas and parallel calls. It MUST count a wrong code for its number
	// before it answers, whether or not the limit is reached. If it could not, it
	// returns Wrong with the error. A code that was sent to another number than
	// c.Recipient is Unknown, and uses no attempt.
	Check(ctx context.Context, c Check) (Checked, error)

	// Cancel removes the live entry, if there is one, so that its name is
	// Unknown. It returns the lifetime that the entry had left, at least 1ms, or 0
	// if there was none.
	Cancel(ctx context.Context, c Cancel) (ttlLeft time.Duration, err error)

	// Peek returns what can be seen of an entry. It MUST change nothing.
	Peek(ctx context.Context, n EntryName) (EntryView, error)
}

// Counts complete a check whose counting failed.
type Counts interface {
	// CountGuess counts a wrong code for its number, once per op.
	CountGuess(ctx context.Context, recipient Digest, op Op, guesses []Window) error

	// CountVerified counts a right code for its destination, and removes its
	// messages from the unverified ones. It is idempotent.
	CountVerified(ctx context.Context, v VerifiedMessages) error
}

// EntryView is an entry as Peek sees it.
type EntryView struct {
	Stage        Stage // StageUnknown, StageExpired, StagePending or StageSent
	AttemptsLeft int64
	TTLLeft      time.Duration
	Message      Digest // of the carrier's id, in StageSent
}
