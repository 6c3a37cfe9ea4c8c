package codes

import (
	"context"
	"time"
)

// EntryName is where a [Store] keeps the entry of an auth_id.
type EntryName struct {
	Current  Digest // under the service's secret
	Previous Digest // under the secret that is being replaced; zero if there is none
}

// Entry is one live code as it is stored: nothing in it can be read back
// without the secret.
type Entry struct {
	Name      EntryName
	Code      Digest // of the code in canonical form, bound to the auth_id
	Digits    int    // of the code; 0 of one that does not follow from the op
	Recipient Digest // of the number, under which wrong codes are counted
	Area      Area   // of the number
	Attempts  int64  // wrong codes that it may compare, at least 1

	Destination Destination // where its messages are counted while the code is not verified

	Lifetime time.Duration // whole seconds, at least 1
	Notice   time.Duration // how long after its end the id is Expired, once; 0 is never
}

// Reservation is all that a create does to the store before its message is sent.
type Reservation struct {
	Op       Op // names the places and the entry that are made, and so tells them from all others
	Entry    Entry
	Caller   string
	Limits   []Limit
	Pace     Pace          // Rate is 0 where no message will be sent
	WaitLeft time.Duration // what the request has left of Pace.MaxWait

	// SameCode asks to keep a live entry for the recipient, whose code is sent
	// again. PreviousRecipient is the recipient under the previous secret.
	SameCode          bool
	PreviousRecipient Digest
}

// Reserved is what a reservation came to.
type Reserved struct {
	Turn     Turn
	Replaced time.Duration // lifetime that the entry before it had left; 0 if none was live
	Again    time.Duration // until the limits of messages to the recipient have room for one more
	Resent   *Resent       // the entry that stays, if one does
	Shadowed *LimitError   // of the limits with Shadow that are reached, the first; a repetition may leave it out
}

// Resent is a live entry whose code is sent again.
type Resent struct {
	Code         Digest
	Op           Op            // that the code follows from
	AttemptsLeft int64         // wrong codes that it still compares
	TTLLeft      time.Duration // lifetime that it has left when the turn comes
}

// Turn is when a message may be sent under [Pace].
type Turn struct {
	Begin time.Time // by the local clock
	End   time.Time // too late from then on: others have the turns that follow; zero is never
}

// Reservations hold the places and entries of creates, for any number of
// replicas at once.
//
// Each call MUST take effect at most once per Op, whatever is repeated
// underneath, and MUST NOT take effect any more once its context has ended.
// *LimitError, *UnavailableError and ErrNotReached say that nothing was done.
// After another error, which is ErrUnavailable, a call may have taken effect.
type Reservations interface {
	// Reserve takes a place under every limit of r and a turn, and stores the
	// entry, or does nothing. It MUST NOT let more pass than each limit says,
	// whatever the number of parallel calls, and MUST NOT forget what other
	// replicas count, whatever their limits. If several limits are reached its
	// *LimitError names the one that clears last; one with Shadow takes a place and
	// refuses nothing. A message MUST NOT count under a limit on unverified messages
	// any more once its code was Right. A turn further off than
	// WaitLeft is an *UnavailableError, and so is one that is more than the
	// caller's share; see [Pace].
	//
	// The entry counts from its turn, in place of whatever has the same name, and
	// MUST end by itself Lifetime later. Until then the entry before it counts.
	//
	// With SameCode nothing is replaced if the newest entry of that name was stored
	// with SameCode for the same recipient, has attempts left, at least half of its
	// lifetime when the turn comes, and as many Digits, or, if these are 0, the same
	// Code. It stays as it is, and is of r.Op too.
	Reserve(ctx context.Context, r Reservation) (Reserved, error)

	// Release undoes a reservation whose message was certainly not sent. Its
	// places are free again; its turn is not. Its entry is gone, unless it is of
	// another op too: the one before it is live again with the code, the attempts
	// and the end that it had, unless the entry was ended by a right code or a
	// Cancel. It MUST remove nothing but the entry of r.Op. It reports whether there
	// was one to remove. At least MaxPredecessors entries before one MUST be kept.
	Release(ctx context.Context, r Reservation) (removed bool, err error)

	// NextTurn takes another turn for the caller of r, at most r.WaitLeft off.
	NextTurn(ctx context.Context, r Reservation) (Turn, error)

	// Refund frees the places of a message that the carrier took, but that was
	// rejected on its way. It MUST free no more places in any span than the first
	// limit allows messages: else a phone that rejects everything would be sent to
	// without end.
	Refund(ctx context.Context, op Op, limits []Limit) error
}

// MaxPredecessors is how many entries of one auth_id are kept, so that they can
// be live again, while creates that replace them are under way.
const MaxPredecessors = 8
