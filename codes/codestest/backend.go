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
	Peers   []codes.Store       // more stores over the same data, for parallel calls
	Advance func(time.Duration) // advances the store's clock

	// Parallel: Advance waits for real time, so the tests may run in parallel.
	Parallel bool

	// Lossy: replies are lost, so that the store makes calls again.
	Lossy bool

	// Split: keys of several slots are served in separate steps, as on a cluster. Then
	// two creates that overlap under two secrets may leave two entries.
	Split bool
}

// Fresh returns a random digest, which no other test uses.
func Fresh() codes.Digest {
	var d codes.Digest
	_, _ = rand.Read(d[:])
	return d
}

// Windows parses limits.
func Windows(t testing.TB, list ...string) []codes.Window {
	t.Helper()
	windows, err := codes.ParseWindows(list)
	if err != nil {
		t.Fatal(err)
	}
	return windows
}

// Template parses a message.
func Template(t testing.TB, text string) codes.Template {
	t.Helper()
	template, err := codes.ParseTemplate(text)
	if err != nil {
		t.Fatal(err)
	}
	return template
}
