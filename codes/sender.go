package codes

import (
	"context"
	"time"
)

// Message is one SMS to send.
type Message struct {
	From     Phone // empty for the account's own number
	To       Phone
	Text     Text
	NotAfter time.Time // the first byte must not be sent later; zero: no bound
}

// Sender hands messages to a carrier.
type Sender interface {
	// Send makes one attempt to hand m to the carrier and returns the carrier's
	// id of the message.
	//
	// Its errors MUST be:
	//
	//   - ErrRejected or ErrSenderRefused, only if the carrier refused m for good;
	//   - *UnavailableError, only if the carrier did not accept m and asks to come
	//     back later;
	//   - ErrTooLate, only if m.NotAfter or ctx's deadline passed before any byte of
	//     m had left;
	//   - ErrUnavailable, only if no connection to the carrier could be made, so
	//     that it cannot have accepted m;
	//   - ErrUnconfirmed in every other case.
	//
	// It MUST NOT retry by itself and MUST end when ctx ends. It MUST compare
	// m.NotAfter with the clock after it has a connection, right before the first
	// byte. Its errors MUST NOT hold the text or the number.
	Send(ctx context.Context, m Message) (messageID string, err error)
}

// passed reports whether a moment has passed. It compares wall clocks too: the
// monotonic clock stands still while a virtual machine is suspended.
func passed(at, now time.Time) bool {
	return now.After(at) || now.Round(0).After(at.Round(0))
}

// Late reports whether it is too late to send m.
func (m Message) Late(now time.Time) bool { return !m.NotAfter.IsZero() && passed(m.NotAfter, now) }
