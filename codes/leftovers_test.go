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

// outage is a store that goes away when a message is sent, or loses the reply
// to a claim as it does.
type outage struct {
	*codestest.Model
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

func (o *outage) Delete(ctx context.Context, d codes.Deletion) (time.Duration, error) {
	if err := o.reach(); err != nil {
		return 0, err
	}
	return o.Model.Delete(ctx, d)
}

func (o *outage) Return(ctx context.Context, p codes.Place) error {
	if err := o.reach(); err != nil {
		return err
	}
	return o.Model.Return(ctx, p)
}

func (o *outage) Claim(ctx context.Context, c codes.Claim) (string, codes.Op, error) {
	answer, op, err := o.Model.Claim(ctx, c)
	if o.inClaim {
		o.gone.Store(true)
	}
	return answer, op, errors.Join(err, o.reach())
}

func (o *outage) Settle(ctx context.Context, c codes.Claim, answer string) (bool, error) {
	if err := o.reach(); err != nil {
		return false, err
	}
	return o.Model.Settle(ctx, c, answer)
}

// inOutage runs a create with a key, which ends in sendErr or as unavailable,
// while the store goes away; and then what is to hold when that is back.
func inOutage(t *testing.T, inClaim bool, sendErr error, back func(f *fixture, once *codes.Once)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.limits.Sends = codestest.Windows(t, "1/1h")
		f.open()
		o := &outage{Model: f.model, inClaim: inClaim, sendErr: sendErr}
		service := codes.NewService(f.rules, f.secret, nil, o, o, o)
		once := codes.NewOnce(service, o, time.Hour)
		want := sendErr
		if inClaim {
			want = codes.ErrUnavailable
		}
		createOnce(t, once, aKey, "id", seattle, want)
		time.Sleep(time.Minute)
		o.gone.Store(false)
		o.inClaim = false
		time.Sleep(2 * time.Second)
		back(f, once)
		if n := o.sent.Load(); n > 1 || n == 0 && !inClaim {
			t.Errorf("%d messages", n)
		}
		if err := finish(once, 0); err != nil {
			t.Error(err)
		}
	})
}

// TestUndoneLater: a create that was refused leaves nothing, although the
// store could not be reached when it was to be undone.
func TestUndoneLater(t *testing.T) {
	for name, err := range map[string]error{"rejected": codes.ErrRejected, "unavailable": codes.ErrUnavailable} {
		t.Run(name, func(t *testing.T) {
			inOutage(t, false, err, func(f *fixture, _ *codes.Once) {
				f.verify("id", "000000", unknown)
				f.create("id", seattle) // under the limit of one
			})
		})
	}
}

// TestSettledLater: a key gives the answer that was given before the store
// could be told, and is free again if there was none that counts.
func TestSettledLater(t *testing.T) {
	for name, err := range map[string]error{"created": nil, "rejected": codes.ErrRejected, "unconfirmed": codes.ErrUnconfirmed} {
		t.Run(name, func(t *testing.T) {
			inOutage(t, false, err, func(f *fixture, once *codes.Once) {
				createOnce(t, once, aKey, "id", seattle, err)
			})
		})
	}
	free := func(f *fixture, _ *codes.Once) { createOnce(t, f.once(), aKey, "id", seattle, nil) }
	t.Run("unavailable", func(t *testing.T) { inOutage(t, false, codes.ErrUnavailable, free) })
	t.Run("claim without a reply", func(t *testing.T) { inOutage(t, true, nil, free) })
}

// TestFinishLeavesClaims: a request that was refused since nobody knows whether
// its key was claimed holds nothing up.
func TestFinishLeavesClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t).open()
		o := &outage{Model: f.model, inClaim: true}
		once := codes.NewOnce(codes.NewService(f.rules, f.secret, nil, o, o, o), o, time.Hour)
		createOnce(t, once, aKey, "id", seattle, codes.ErrUnavailable)
		begun := time.Now()
		if err := finish(once, 5*time.Second); err != nil || time.Since(begun) != 0 {
			t.Errorf("Finish = %v after %v", err, time.Since(begun))
		}
	})
}

// TestFinishGivesUp: what cannot be done in the time that is left is told, and
// nothing of it goes on.
func TestFinishGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t).open()
		o := &outage{Model: f.model, sendErr: codes.ErrRejected}
		service := codes.NewService(f.rules, f.secret, nil, o, o, o)
		if _, err := service.Create(context.Background(), "id", seattle); !errors.Is(err, codes.ErrRejected) {
			t.Fatal(err)
		}
		begun := time.Now()
		if err := finish(service, 5*time.Second); err == nil || time.Since(begun) != 5*time.Second {
			t.Errorf("Finish = %v after %v", err, time.Since(begun))
		}
	})
}
