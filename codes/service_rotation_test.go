package codes_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
)

// rotated returns a service before the change of its secret, and the same
// after it.
func rotated(t *testing.T) (before, after *fixture) {
	t.Helper()
	before = newFixture(t)
	before.options.Policy.CodeLength = 30 // never twice the same
	before.limits().Guesses, before.limits().Sends = codestest.Windows(t, "2/1h"), codestest.Windows(t, "2/1h")
	before.open()
	next := *before
	next.events = &events{}
	next.options.Secret, next.options.Previous = codes.NewHasher([]byte("new secret")), before.options.Secret
	next.options.Observer = next.events
	return before, next.open()
}

func TestRotationChecks(t *testing.T) {
	before, after := rotated(t)
	code := before.create("id", seattle)
	after.check("id", code, right)
	after.check("id", code, unknown)
	before.check("id", code, unknown)
}

// TestRotationAttempts: two secrets do not double the attempts, and wrong
// codes count for the number as the entry knows it.
func TestRotationAttempts(t *testing.T) {
	before, after := rotated(t)
	code := before.create("id", seattle)
	for left := int64(2); left >= 0; left-- {
		after.check("id", notThis(code), before.wrong(left, seattle))
	}
	after.check("id", code, unknown)
	before.check("id", code, unknown)
	before.limited("other", seattle, "GUESS_LIMITS 2/1h")

	code = after.create("new", seattle)
	for left := int64(2); left >= 0; left-- {
		after.check("new", notThis(code), after.wrong(left, seattle))
	}
	after.check("new", code, unknown)
}

func TestRotationExpiry(t *testing.T) {
	before, after := rotated(t)
	code := before.create("id", seattle)
	after.model.Advance(time.Hour)
	after.check("id", code, expired)
	after.check("id", code, unknown)
}

func TestRotationReplaces(t *testing.T) {
	before, after := rotated(t)
	older := before.create("id", seattle)
	newer := after.create("id", seattle)
	before.check("id", older, unknown)
	after.check("id", older, after.wrong(2, seattle))
	after.check("id", newer, right)
	after.check("id", older, unknown)
}

// TestRotationFailedSend: the entry under the previous secret is live again.
func TestRotationFailedSend(t *testing.T) {
	before, after := rotated(t)
	older := before.create("id", seattle)
	before.check("id", notThis(older), before.wrong(2, seattle))
	after.sender.FailWith(codes.ErrRejected)
	if _, err := after.Create(context.Background(), request("id", seattle)); !errors.Is(err, codes.ErrRejected) {
		t.Errorf("Create = %v, want ErrRejected", err)
	}
	after.sender.FailWith(nil)
	after.check("id", notThis(older), before.wrong(1, seattle))
	after.check("id", older, right)
	after.create("id", seattle)
	after.create("id", seattle) // the second of two: the failed one freed its place
}

func TestRotationCancels(t *testing.T) {
	before, after := rotated(t)
	code := before.create("old", seattle)
	newer := after.create("new", seattle)
	for _, id := range []codes.ID{"old", "new"} {
		after.cancel(id)
	}
	before.check("old", code, unknown)
	after.check("old", code, unknown)
	after.check("new", newer, unknown)
}
