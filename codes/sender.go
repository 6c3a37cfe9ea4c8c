package codes

import (
	"context"
	"time"
)

// Message is one SMS to send.
type Message struct {
	From     Phone // empty for the sender's own number
	To       Phone
	Text     Text
	NotAfter time.Time // when it is too late to hand over the first byte; zero: never
}

// Sender hands messages to a carrier.
type Sender interface {
	// Send makes one attempt to hand m to the carrier and returns the carrier's
	// id of the message.
	//
	// Its errors MUST be:
	//
	//   - ErrRejected or ErrSenderRefused, only if the carrier refused m for good;
	//   - *UnavailableError, only if the carrier did not take m and asks to come
	//     back later;
	//   - ErrTooLate, only if m.NotAfter or ctx's deadline passed before any byte of
	//     m had left;
	//   - ErrUnavailable, only if the carrier could not be connected to, so that it
	//     cannot have taken m;
	//   - ErrUnconfirmed in every other case.
	//
	// It MUST NOT send again by itself, MUST end when ctx ends, and MUST look at
	// the clock for m.NotAfter after it has a connection, right before the first
	// byte. Its errors MUST NOT hold the text or the number.
	Send(ctx context.Context, m Message) (messageID string, err error)
}

// late reports whether a moment has passed. It compares wall clocks too: the
// monotonic clock stands still while a virtual machine is suspended.
func late(at, now time.Time) bool {
	return now.After(at) || now.Round(0).After(at.Round(0))
}

// Late reports whether m must not be handed over any more.
func (m Message) Late(now time.Time) bool { return !m.NotAfter.IsZero() && late(m.NotAfter, now) }
