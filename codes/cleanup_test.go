package codes_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
)

// outage is a store that fails from the moment a message is sent, or from a claim,
// whose reply is lost.
type outage struct {
	codes.Store
	gone    atomic.Bool
	sent    atomic.Int64
	inClaim bool
	sendErr error
}

func (o *outage) Send(context.Context, codes.Message) (string, error) {
	o.gone.Store(true)
	o.sent.Add(1)
	return "id", o.sendErr
}

func (o *outage) reach() error {
	if o.gone.Load() {
		return codes.ErrUnavailable
	}
	return nil
}

func (o *outage) Release(ctx context.Context, r codes.Reservation) (bool, error) {
	if err := o.reach(); err != nil {
		return false, err
	}
	return o.Store.Release(ctx, r)
}

func (o *outage) Claim(ctx context.Context, c codes.Claim) (string, codes.Op, error) {
	answer, op, err := o.Store.Claim(ctx, c)
	if o.inClaim {
		o.gone.Store(true)
	}
	return answer, op, errors.Join(err, o.reach())
}

func (o *outage) Settle(ctx context.Context, c codes.Claim, answer string) (bool, error) {
	if err := o.reach(); err != nil {
		return false, err
	}
	return o.Store.Settle(ctx, c, answer)
}

// serve returns the fixture's service over o.
func (f *fixture) serve(o *outage) *codes.Service {
	o.Store = f.model
	return f.with(func(options *codes.Options) { options.Store, options.Sender = o, o })
}

// inOutage runs a create with a key, which ends in sendErr or as unavailable, while
// the store fails. Then it calls back, when the store works again.
func inOutage(t *testing.T, inClaim bool, sendErr error, back func(f *fixture, s *codes.Service)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.options.Policy.CodeLength = 30 // never twice the same
		f.limits().Sends = codestest.Windows(t, "2/1h")
		f.open()
		f.create("id", seattle)
		o := &outage{inClaim: inClaim, sendErr: sendErr}
		service := f.serve(o)
		want := sendErr
		if inClaim {
			want = codes.ErrUnavailable
		}
		createOnce(t, service, keyed(aKey, "id", seattle), want)
		time.Sleep(5 * time.Second)
		o.gone.Store(false)
		o.inClaim = false
		time.Sleep(2 * time.Second)
		back(f, service)
		if n := o.sent.Load(); n > 1 || n == 0 && !inClaim {
			t.Errorf("%d messages", n)
		}
		if err := f.finish(service, 0); err != nil {
			t.Error(err)
		}
	})
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

// TestFinishLeavesClaims: Finish does not wait for claims whose reply was lost.
func TestFinishLeavesClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t).open()
		service := f.serve(&outage{inClaim: true})
		createOnce(t, service, keyed(aKey, "id", seattle), codes.ErrUnavailable)
		begun := time.Now()
		if err := f.finish(service, 5*time.Second); err != nil || time.Since(begun) != 0 {
			t.Errorf("Finish = %v after %v", err, time.Since(begun))
		}
	})
}

// TestFinishGivesUp: Finish stops cleanup that does not succeed in time, and returns an
// error.
func TestFinishGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t).open()
		service := f.serve(&outage{sendErr: codes.ErrRejected})
		if _, err := service.Create(context.Background(), request("id", seattle)); !errors.Is(err, codes.ErrRejected) {
			t.Fatal(err)
		}
		begun := time.Now()
		if err := f.finish(service, 5*time.Second); err == nil || time.Since(begun) != 5*time.Second {
			t.Errorf("Finish = %v after %v", err, time.Since(begun))
		}
	})
}
