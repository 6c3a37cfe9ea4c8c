package codes

import "time"

// CreateRequest asks for a new code for ID, sent to Recipient. In every request an
// empty ID stands for [Hasher.Verification] of Service and Recipient.
type CreateRequest struct {
	ID        ID
	Recipient Phone
	Caller    string // name of the API key; empty if there are none
	Profile   string // empty for the default policy
	Service   string // each has an id space of its own; empty for none
	Locale    Locale // of the person who reads the message
	Client    Client // empty for none
	Key       IdempotencyKey
	Arrived   time.Time // its deadline counts from here; zero is now
}

// CheckRequest asks whether Code is the code of ID and, if there is a Recipient,
// was sent to that number.
type CheckRequest struct {
	ID        ID
	Code      Code
	Recipient Phone // empty for any
	Caller    string
	Profile   string
	Service   string
	Key       IdempotencyKey
}

// StatusRequest asks for the state of the entry of ID and of its message.
type StatusRequest struct {
	ID        ID
	Recipient Phone // of an empty ID
	Caller    string
	Profile   string
	Service   string
}

// CancelRequest asks to drop the entry of ID.
type CancelRequest StatusRequest

// Space is a set of auth_ids: the same auth_id in two spaces names two
// entries.
type Space struct{ Caller, Profile, Service string }

// Created is the answer to a CreateRequest. Recipient is set with an error too.
type Created struct {
	Recipient Digest
	Lifetime  time.Duration
	Attempts  int64

	// ResendAfter is how long until the limits of the recipient allow another
	// message, in whole seconds.
	ResendAfter time.Duration
	Repeated    bool // this is the answer to an earlier request with the same key: nothing was sent
}

// Status is the answer to a check.
type Status int

// The answers to a check.
const (
	Unknown Status = iota // no such entry, or it is used, used up, removed, or its expiry was reported
	Right                 // the code is right; the entry is gone
	Wrong                 // the code is wrong; with 0 attempts left the entry is gone
	Expired               // the code has expired; reported once
)

// Outcome is the answer to a CheckRequest.
type Outcome struct {
	Status       Status
	AttemptsLeft int64  // of a Wrong: wrong codes that the entry still compares
	Recipient    Digest // of a Right or a Wrong; zero if an earlier answer is repeated
}
