package codes_test

import (
	"context"
	"testing"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
)

const service = "VA1"

// start makes a code for a number, and returns it with the number's auth_id.
func (f *fixture) start(to codes.Phone) (codes.ID, codes.Code) {
	f.t.Helper()
	if _, err := f.Create(context.Background(), codes.CreateRequest{Recipient: to, Service: service}); err != nil {
		f.t.Fatalf("Create: %v", err)
	}
	return f.options.Secret.Verification(service, to), f.sent()
}

// verify checks a code of a number, or of its auth_id.
func (f *fixture) verify(id codes.ID, to codes.Phone, code codes.Code, want codes.Outcome) {
	f.t.Helper()
	got, err := f.Check(context.Background(), codes.CheckRequest{ID: id, Recipient: to, Code: code, Service: service})
	if err != nil || codestest.Answer(got) != want {
		f.t.Fatalf("Check = %+v, %v; want %+v", got, err, want)
	}
}

func TestVerificationByNumberAndByID(t *testing.T) {
	f := newFixture(t).open()
	id, code := f.start(seattle)
	f.verify("", seattle, notThis(code), f.wrong(2, seattle))
	f.verify(id, "", notThis(code), f.wrong(1, seattle))
	f.verify("", toronto, code, unknown)
	f.verify(id, toronto, code, unknown)
	f.verify("", seattle, code, right)
	f.verify(id, "", code, unknown)
}

// TestVerificationRotation: a number stands for its auth_id under either secret, and
// a guess by number is compared once.
func TestVerificationRotation(t *testing.T) {
	before, after := rotated(t)
	id, code := before.start(seattle)
	after.verify("", seattle, notThis(code), before.wrong(2, seattle))
	after.verify(id, "", notThis(code), before.wrong(1, seattle))
	if after.store.calls["Check"] != 2 {
		t.Errorf("%d calls of the store for two checks", after.store.calls["Check"])
	}
	after.verify("", seattle, code, right)
	before.verify("", seattle, code, unknown)
}

// TestVerificationRotationReplaces: a start replaces the entries under both secrets,
// whichever of the two the replica writes with.
func TestVerificationRotationReplaces(t *testing.T) {
	before, after := rotated(t)
	older, code := before.start(seattle)
	newer, next := after.start(seattle)
	if older == newer {
		t.Fatal("the auth_id does not depend on the secret")
	}
	after.verify(older, "", code, unknown)
	after.verify("", seattle, code, after.wrong(2, seattle))
	after.verify(newer, "", next, right)
	after.verify("", seattle, next, unknown)
}
