package codes_test

import (
	"testing"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
)

const service = "VA1"

// start makes a code for a number, under an auth_id or, if that is empty, the number's.
func (f *fixture) start(id codes.ID) codes.Code {
	f.t.Helper()
	return f.createAs(codes.CreateRequest{ID: id, Recipient: seattle, Service: service})
}

// verify checks a code of a number, or of an auth_id if to is empty.
func (f *fixture) verify(id codes.ID, to codes.Phone, code codes.Code, want codes.Outcome) {
	f.t.Helper()
	f.checkAs(codes.CheckRequest{ID: id, Recipient: to, Code: code, Service: service}, want)
}

func TestVerificationByNumberAndByID(t *testing.T) {
	f := newFixture(t).open()
	code, id := f.start(""), f.options.Secret.Verification(service, seattle)
	f.verify("", seattle, notThis(code), f.wrong(2, seattle))
	f.verify(id, "", notThis(code), f.wrong(1, seattle))
	f.verify("", toronto, code, unknown)
	f.verify(id, toronto, code, unknown)
	f.verify("", seattle, code, right)
	f.verify(id, "", code, unknown)
}

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

// TestRotation: an entry under the previous secret keeps its attempts, and its wrong
// codes count for the number under that secret. A guess is compared once.
func TestRotation(t *testing.T) {
	for name, test := range map[string]struct {
		start, id codes.ID
		to        codes.Phone
	}{
		"by auth_id":              {start: "id", id: "id"},
		"by number":               {to: seattle},
		"by the number's auth_id": {id: codes.NewHasher([]byte("secret")).Verification(service, seattle)},
	} {
		t.Run(name, func(t *testing.T) {
			before, after := rotated(t)
			code := before.start(test.start)
			after.verify(test.id, test.to, notThis(code), before.wrong(2, seattle))
			before.verify(test.id, test.to, notThis(code), before.wrong(1, seattle))
			before.limited("other", seattle, "GUESS_LIMITS 2/1h")
			after.verify(test.id, test.to, code, right)
			before.verify(test.id, test.to, code, unknown)
			if n := after.store.calls["Check"]; n != 4 {
				t.Errorf("%d calls of the store for four checks", n)
			}
		})
	}
}
