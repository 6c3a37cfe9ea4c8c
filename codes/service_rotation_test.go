package codes_test

import (
	"context"
	"errors"
	"fmt"
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
	before.rules.CodeLength = 30 // never twice the same
	before.limits.Guesses = codestest.Windows(t, "2/1h")
	before.limits.Sends = codestest.Windows(t, "2/1h")
	before.open()
	next := *before
	next.secret, next.previous = codes.NewHasher([]byte("new secret")), before.secret
	next.Service = next.sending(next.sender)
	return before, &next
}

func TestRotationVerifies(t *testing.T) {
	before, after := rotated(t)
	code := before.create("id", seattle)
	after.verify("id", code, right)
	after.verify("id", code, unknown)
	before.verify("id", code, unknown)
}

// TestRotationAttempts: two secrets do not double the attempts, and wrong
// codes count for the number as the entry knows it.
func TestRotationAttempts(t *testing.T) {
	before, after := rotated(t)
	code := before.create("id", seattle)
	for left := int64(2); left >= 0; left-- {
		after.verify("id", notThis(code), before.wrong(left, seattle))
	}
	after.verify("id", code, unknown)
	before.verify("id", code, unknown)
	if got := before.limiter.wrong; len(got) != 3 || got[0] != before.secret.Phone(seattle) {
		t.Errorf("%d wrong codes counted, want 3 for the number under the previous secret", len(got))
	}
	before.limited("other", seattle, "GUESS_LIMITS 2/1h")

	code = after.create("new", seattle)
	for left := int64(2); left >= 0; left-- {
		after.verify("new", notThis(code), after.wrong(left, seattle))
	}
	after.verify("new", code, unknown)
}

func TestRotationExpiry(t *testing.T) {
	before, after := rotated(t)
	code := before.create("id", seattle)
	after.model.Advance(time.Hour)
	after.verify("id", code, codes.Outcome{Status: codes.Expired})
	after.verify("id", code, unknown)
}

func TestRotationReplaces(t *testing.T) {
	before, after := rotated(t)
	older := before.create("id", seattle)
	newer := after.create("id", seattle)
	before.verify("id", older, unknown)
	after.verify("id", older, after.wrong(2, seattle))
	after.verify("id", newer, right)
	after.verify("id", older, unknown)
}

// TestRotationFailedDelete: as long as the old entry may live, no new one is made.
func TestRotationFailedDelete(t *testing.T) {
	before, after := rotated(t)
	older := before.create("id", seattle)
	after.store.deleteErr = fmt.Errorf("down: %w", codes.ErrUnavailable)
	if _, err := after.Create(context.Background(), "id", seattle); !errors.Is(err, codes.ErrUnavailable) {
		t.Errorf("Create = %v, want ErrUnavailable", err)
	}
	if after.store.puts != 1 || len(after.sender.Messages()) != 1 {
		t.Errorf("%d puts and %d messages, want those of the first alone", after.store.puts, len(after.sender.Messages()))
	}
	after.store.deleteErr = nil
	after.verify("id", older, right)
	after.create("id", seattle)
	after.create("id", seattle) // the second of two: the failed one gave its place back
}

func TestRotationCancels(t *testing.T) {
	before, after := rotated(t)
	code := before.create("old", seattle)
	newer := after.create("new", seattle)
	for _, id := range []codes.ID{"old", "new"} {
		if _, err := after.Cancel(context.Background(), id); err != nil {
			t.Fatal(err)
		}
	}
	before.verify("old", code, unknown)
	after.verify("old", code, unknown)
	after.verify("new", newer, unknown)
}
