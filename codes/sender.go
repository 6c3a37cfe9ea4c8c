package codes

import "context"

// Message is one SMS to send.
type Message struct {
	To   Phone
	Text Text
}

// Sender hands messages to a carrier.
type Sender interface {
	// Send hands m to the carrier and returns the carrier's id of the message.
	//
	// It MUST return an error that is ErrRejected only if the carrier refused
	// m for good, ErrUnavailable only if the carrier cannot have taken m, and
	// ErrUnconfirmed in every other case. It MUST NOT hand m over again once
	// the carrier may have taken it. It MUST end within its own timeout even if
	// ctx has none. Its errors MUST NOT hold the text or the number.
	Send(ctx context.Context, m Message) (messageID string, err error)
}
