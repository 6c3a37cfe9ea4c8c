package codes_test

import (
	"testing"

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

// TestRotationChecks: an entry under the previous secret keeps its attempts, and its
// wrong codes count for the number under that secret.
func TestRotationChecks(t *testing.T) {
	before, after := rotated(t)
	code := before.create("id", seattle)
	after.check("id", notThis(code), before.wrong(2, seattle))
	before.check("id", notThis(code), before.wrong(1, seattle))
	before.limited("other", seattle, "GUESS_LIMITS 2/1h")
	after.check("id", code, right)
	before.check("id", code, unknown)
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
