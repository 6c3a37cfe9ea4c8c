package codestest

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// Backend is a store under test.
type Backend struct {
	Store   codes.Store
	Peers   []codes.Store       // further stores over the same data, to share parallel calls
	Advance func(time.Duration) // lets so much time pass, by whatever clock the store has

	// Parallel: time passes by itself and Advance waits for it, so the tests
	// may run side by side.
	Parallel bool

	// Split: keys of several slots are served in one step each, as on a cluster,
	// where two creates that overlap under two secrets may leave two entries.
	Split bool
}

// Fresh returns a random digest: a name that no other test uses.
func Fresh() codes.Digest {
	var d codes.Digest
	_, _ = rand.Read(d[:])
	return d
}

// Windows reads limits that are known to be well formed.
func Windows(t testing.TB, list ...string) []codes.Window {
	t.Helper()
	windows, err := codes.ParseWindows(list)
	if err != nil {
		t.Fatal(err)
	}
	return windows
}

// Answer returns the part of an outcome that a caller may see.
func Answer(o codes.Outcome) codes.Outcome {
	if o.Status != codes.Wrong {
		o.Recipient = codes.Digest{}
	}
	return o
}
