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
	Digits    int    // of the code; 0 for a fixed code, which does not follow from the op
	Recipient Digest // of the number, under which wrong codes are counted
	Area      Area   // of the number
	Attempts  int64  // wrong codes that it may compare, at least 1

	Destination Destination // where its messages are counted until the code is verified

	Lifetime time.Duration // whole seconds, at least 1
	Notice   time.Duration // how long after its expiry a check still reports Expired, once; 0 is never
}

// Reservation is all that a create does to the store before its message is sent.
type Reservation struct {
	Op       Op // identifies the entry and what is counted for it
	Entry    Entry
	Caller   string
	Limits   []Limit
	Pace     Pace          // Rate is 0 if no message will be sent
	WaitLeft time.Duration // what the request has left of Pace.MaxWait

	// SameCode asks to keep a live entry for the recipient and to send its code
	// again. PreviousRecipient is the recipient under the previous secret.
	SameCode          bool
	PreviousRecipient Digest
}

// Reserved is the result of a reservation.
type Reserved struct {
	Turn        Turn
	Replaced    time.Duration // lifetime that the previous entry had left; 0 if none was live
	ResendAfter time.Duration // until the send limits of the recipient allow one more message
	Resent      *Resent       // the live entry that is kept, if one is
	Shadowed    *LimitError   // of the limits with Shadow that are reached, the first; a retry may leave it out
}

// Resent is a live entry whose code is sent again.
type Resent struct {
	Code         Digest
	Op           Op            // that the code follows from
	AttemptsLeft int64         // wrong codes that it still compares
	TTLLeft      time.Duration // at the turn
}

// Turn is when a message may be sent under [Pace].
type Turn struct {
	Begin time.Time // by the local clock
	End   time.Time // from then on the message must not be sent, because the next turns belong to other messages; zero: no bound
}

// Reservations store the entries of creates and count their messages, for any
// number of replicas at once.
//
// Each call MUST take effect at most once per Op, however often it is retried, and
// MUST NOT take effect after its context has ended. After a *LimitError, an
// *UnavailableError or ErrNotReached nothing was done. After any other error, which
// is ErrUnavailable, the call may have taken effect.
type Reservations interface {
	// Reserve counts a message under every limit of r, reserves its turn and
	// stores the entry, or does nothing. It MUST NOT let more pass than each limit
	// says, whatever the number of parallel calls, and MUST NOT forget what other
	// replicas count, whatever their limits. If several limits are reached, its
	// *LimitError names the one that clears last. A limit with Shadow counts the
	// message and refuses nothing. A message MUST NOT count under a limit on
	// unverified messages once its code was Right. A turn that is further off than
	// WaitLeft, or beyond the caller's share (see [Pace]), is an *UnavailableError.
	//
	// At its turn the entry replaces any other of the same name. It MUST expire by
	// itself Lifetime later. Until its turn the previous entry stays valid.
	//
	// With SameCode the newest entry of that name is kept as it is, and belongs to
	// r.Op too, if all of these hold:
	//   - It was stored with SameCode, for the same recipient.
	//   - It has attempts left, and at the turn at least half of its lifetime.
	//   - It has as many Digits, or, if these are 0, the same Code.
	Reserve(ctx context.Context, r Reservation) (Reserved, error)

	// Release undoes a reservation whose message was certainly not sent. The
	// message counts under no limit any more; its turn is not given back. The entry
	// of r.Op is removed, unless it belongs to another op too. Its removal restores
	// the previous entry with the code, the attempts and the expiry that it had. If a
	// right code or a Cancel has ended the entry, nothing is restored. Release MUST
	// remove nothing else. It reports whether there was an entry to remove. At least
	// MaxPredecessors previous entries MUST be kept.
	Release(ctx context.Context, r Reservation) (removed bool, err error)

	// NextTurn reserves another turn for the caller of r, at most r.WaitLeft off.
	NextTurn(ctx context.Context, r Reservation) (Turn, error)

	// Refund uncounts a message that the carrier accepted, but that was rejected on
	// its way. In any window it MUST refund no more messages than the first limit
	// allows. Otherwise messages to a phone that rejects all of them would be sent
	// without end.
	Refund(ctx context.Context, op Op, limits []Limit) error
}

// MaxPredecessors is how many previous entries of one auth_id are kept, so that
// they can be restored, while creates that replace them are in progress.
const MaxPredecessors = 8
