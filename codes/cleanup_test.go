package codes_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
)

// inOutage runs a create with a key while the store fails from the moment a message is
// sent, or from a claim, whose reply is lost. The create ends in sendErr or as
// unavailable. Then it calls back, when the store works again.
func inOutage(t *testing.T, inClaim bool, sendErr error, back func(f *fixture, s *codes.Service)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.options.Policy.CodeLength = 30 // never twice the same
		f.limits().Sends = codestest.Windows(t, "2/1h")
		f.open()
		f.create("id", seattle)
		sent, want := 0, sendErr
		service := f.sending(senderFunc(func(context.Context, codes.Message) (string, error) {
			f.store.down(codes.ErrUnavailable)
			sent++
			return "id", sendErr
		}))
		if inClaim {
			f.loseClaim()
			want = codes.ErrUnavailable
		}
		createOnce(t, service, keyed(aKey, "id", seattle), want)
		time.Sleep(5 * time.Second)
		f.store.down(nil)
		time.Sleep(2 * time.Second)
		back(f, service)
		if sent > 1 || sent == 0 && !inClaim {
			t.Errorf("%d messages", sent)
		}
		if err := f.finish(service, 0); err != nil {
			t.Error(err)
		}
	})
}

// loseClaim loses the reply to a claim, which then cannot be dropped.
func (f *fixture) loseClaim() {
	f.store.lose["Claim"], f.store.fail["Settle"] = codes.ErrUnavailable, codes.ErrUnavailable
}

// TestReleasedLater: a create that was refused changes nothing, even if the store could
// not be reached to release it.
func TestReleasedLater(t *testing.T) {
	for name, err := range map[string]error{"rejected": codes.ErrRejected, "sender refused": codes.ErrSenderRefused} {
		t.Run(name, func(t *testing.T) {
			inOutage(t, false, err, func(f *fixture, _ *codes.Service) {
				f.check("id", f.sent(), right) // the code of the previous entry
				f.create("id", seattle)
				f.limited("id", seattle, "SEND_LIMITS 2/1h")
			})
		})
	}
}

// TestSettledLater: after an outage a key returns the answer of its request, or is free
// if that answer is not kept.
func TestSettledLater(t *testing.T) {
	for name, err := range map[string]error{"created": nil, "rejected": codes.ErrRejected, "unconfirmed": codes.ErrUnconfirmed} {
		t.Run(name, func(t *testing.T) {
			inOutage(t, false, err, func(_ *fixture, s *codes.Service) {
				createOnce(t, s, keyed(aKey, "id", seattle), err)
			})
		})
	}
	free := func(f *fixture, _ *codes.Service) { createOnce(t, f.Service, keyed(aKey, "id", seattle), nil) }
	t.Run("sender refused", func(t *testing.T) { inOutage(t, false, codes.ErrSenderRefused, free) })
	t.Run("claim without a reply", func(t *testing.T) { inOutage(t, true, nil, free) })
}

// TestFinish: Finish does not wait for claims whose reply was lost. It stops cleanup that
// does not succeed in time, and returns an error.
func TestFinish(t *testing.T) {
	for name, test := range map[string]struct {
		fault func(*fixture)
		took  time.Duration
	}{
		"claim without a reply": {(*fixture).loseClaim, 0},
		"not released": {func(f *fixture) {
			f.sender.FailWith(codes.ErrRejected)
			f.store.fail["Release"] = codes.ErrUnavailable
		}, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t).open()
				test.fault(f)
				if _, err := f.Create(context.Background(), keyed(aKey, "id", seattle)); err == nil {
					t.Fatal("Create succeeded")
				}
				begun := time.Now()
				err := f.finish(f.Service, 5*time.Second)
				if took := time.Since(begun); took != test.took || (err != nil) != (took > 0) {
					t.Errorf("Finish = %v after %v, want %v", err, took, test.took)
				}
			})
		})
	}
}
