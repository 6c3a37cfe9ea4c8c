package codes

import (
	"context"
	"time"
)

// Entry is one live code as a [Store] keeps it: nothing in it can be read
// back without the secret.
type Entry struct {
	ID         Digest        // of the auth_id: the entry's name
	Code       Digest        // of the code in canonical form, bound to the auth_id
	Recipient  Digest        // of the number, under which wrong codes are counted
	Attempts   int64         // wrong codes that it may compare, at least 1
	Expiration time.Duration // whole seconds, at least 1
	Notice     time.Duration // how long after expiry the id still answers Expired once; 0 is never
	Op         Op            // the put that made it
}

// Try is one check of a code.
type Try struct {
	ID   Digest
	Code Digest
	Op   Op
	Keep time.Duration // how long the answer is wanted again; 0 for the repetitions of one call
}

// Deletion removes an entry.
type Deletion struct {
	ID   Digest
	Made Op // remove only the entry that this put made; the zero Op removes any
	Op   Op
}

// Status is the answer to a check.
type Status int

// The answers to a check.
const (
	Unknown Status = iota // no such entry, or it is used, removed, or its expiry has been told
	Right                 // the code is right; the entry is gone
	Wrong                 // the code is wrong; Left attempts remain, at 0 the entry is gone
	Expired               // the entry's time ran out; told once
)

// Outcome is the answer to a check.
type Outcome struct {
	Status    Status
	Left      int64  // wrong codes that the entry still compares
	Recipient Digest // of a Wrong: whom to count it for
}

// Store keeps entries, for any number of replicas at once.
//
// Every operation carries an [Op]. An operation MUST take effect at most once
// whatever is repeated underneath: called again with the same Op after it took
// effect, it changes nothing and gives its first answer, also after the entry
// has ended or was replaced. An operation whose context has ended MUST have no effect any more.
// An operation that returns an error may have taken effect, at most once. Its
// errors are ErrUnavailable.
type Store interface {
	// Put stores e in place of whatever has the same ID: code, attempts and
	// lifetime. The entry MUST end exactly e.Expiration later by itself.
	Put(ctx context.Context, e Entry) error

	// Try compares t.Code with the entry's. Over an entry's life it MUST answer
	// Right at most once and compare at most Attempts wrong digests, whatever
	// the number of replicas and parallel calls.
	Try(ctx context.Context, t Try) (Outcome, error)

	// Delete removes the entry, if there is one and d allows it, so that its id is Unknown.
	Delete(ctx context.Context, d Deletion) error

	// Look returns what is to be seen of the entry. It MUST change nothing.
	Look(ctx context.Context, id Digest) (Sight, error)
}
