package codes_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
)

// TestCreateEvents: each create is reported once, with its result.
func TestCreateEvents(t *testing.T) {
	const left = 59 * time.Minute // of an entry after a minute
	before := func(f *fixture) { f.create("id", seattle); f.model.Advance(time.Minute) }
	for name, test := range map[string]struct {
		before func(f *fixture)                   // after the service was opened
		set    func(f *fixture, o *codes.Options) // of the service under test
		want   codes.CreateEvent
	}{
		"sent":        {nil, nil, codes.CreateEvent{Reserved: true, Stored: true, Sent: true, Segments: 1}},
		"replacement": {before, nil, codes.CreateEvent{Reserved: true, Stored: true, Replaced: left, Sent: true, Segments: 1}},
		"replacement of an expired one": {
			func(f *fixture) { f.create("id", seattle); f.model.Advance(time.Hour) }, nil,
			codes.CreateEvent{Reserved: true, Stored: true, Sent: true, Segments: 1},
		},
		"long message": {
			nil, func(_ *fixture, o *codes.Options) { o.Policy.OrgName = strings.Repeat("x", 160) },
			codes.CreateEvent{Reserved: true, Stored: true, Sent: true, Segments: 2},
		},
		"waited": {
			nil, func(f *fixture, o *codes.Options) {
				o.Policy.Limits.Pace.Rate = 1
				service := f.with(func(other *codes.Options) { other.Policy = o.Policy })
				_, _ = service.Create(context.Background(), request("other", seattle))
			},
			codes.CreateEvent{Reserved: true, Wait: codestest.TurnSpan, Stored: true, Sent: true, Segments: 1},
		},
		// The store reserves in each of these, so that a release would be reported.
		"limited":     {nil, losing(&codes.LimitError{}), codes.CreateEvent{}},
		"no turn":     {nil, losing(&codes.UnavailableError{RetryAfter: 1}), codes.CreateEvent{}},
		"not reached": {nil, losing(codes.ErrNotReached), codes.CreateEvent{}},
		"no answer":   {nil, losing(codes.ErrUnavailable), codes.CreateEvent{Withdrawn: true}},

		"rejected":       {nil, failing(codes.ErrRejected), codes.CreateEvent{Reserved: true, Withdrawn: true}},
		"sender refused": {nil, failing(codes.ErrSenderRefused), codes.CreateEvent{Reserved: true, Withdrawn: true}},
		"429":            {nil, failing(tooMany(time.Minute)), codes.CreateEvent{Reserved: true, Withdrawn: true}},
		"unconfirmed":    {nil, failing(codes.ErrUnconfirmed), codes.CreateEvent{Reserved: true, Stored: true, Uncertain: true}},
		"unforeseen":     {nil, failing(errors.New("x")), codes.CreateEvent{Reserved: true, Stored: true, Uncertain: true}},
		"rejected, not released": {
			nil, func(f *fixture, o *codes.Options) {
				failing(codes.ErrRejected)(f, o)
				f.store.fail["Release"] = codes.ErrUnavailable
			},
			codes.CreateEvent{Reserved: true},
		},
		"rejected after a DELETE": {
			nil, func(f *fixture, o *codes.Options) {
				o.Sender = senderFunc(func(context.Context, codes.Message) (string, error) {
					f.cancel("id") // reported as the end of the entry
					return "", codes.ErrRejected
				})
			},
			codes.CreateEvent{Reserved: true, Stored: true},
		},
		"test recipient": {
			nil, func(f *fixture, o *codes.Options) {
				var err error
				if o.Numbers.Test, err = codes.ParseTestRecipients([]string{string(seattle) + "=42"}); err != nil {
					f.t.Fatal(err)
				}
			},
			codes.CreateEvent{Reserved: true, Stored: true},
		},
		"receipts will not count": {
			nil, func(f *fixture, o *codes.Options) {
				o.TrackReceipts, f.store.fail["RecordSent"] = true, codes.ErrUnavailable
			},
			codes.CreateEvent{Reserved: true, Stored: true, Sent: true, Segments: 1, TrackingErr: codes.ErrUnavailable},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t).open()
				if test.before != nil {
					test.before(f)
				}
				service := f.with(func(o *codes.Options) {
					if test.set != nil {
						test.set(f, o)
					}
				})
				f.events.created = nil
				want := test.want
				want.Caller, want.Area, want.Lifetime, want.Arrived = "shop", codes.AreaUS, time.Hour, time.Now()
				_, _ = service.Create(context.Background(), keyed(codes.IdempotencyKey{}, "id", seattle))
				if !slices.Equal(f.events.created, []codes.CreateEvent{want}) {
					t.Errorf("reported %+v, want %+v", f.events.created, want)
				}
				if sent := len(f.sender.Messages()) > 0; sent && !want.Reserved {
					t.Error("a message was sent without a reservation")
				}
			})
		})
	}
}

// failing makes every send fail.
func failing(err error) func(*fixture, *codes.Options) {
	return func(f *fixture, _ *codes.Options) { f.sender.FailWith(err) }
}

// losing makes the store lose its answers to Reserve.
func losing(err error) func(*fixture, *codes.Options) {
	return func(f *fixture, _ *codes.Options) { f.store.lose["Reserve"] = err }
}

// TestCheckEvents: each check is reported, with the lifetime left of an entry that it
// ended.
func TestCheckEvents(t *testing.T) {
	f := newFixture(t).open()
	code := f.create("id", toronto)
	f.model.Advance(time.Minute)
	for range 3 {
		f.check("id", notThis(code), f.wrong(int64(2-len(f.events.checked)), toronto))
	}
	f.check("id", code, unknown)
	f.check("id", f.create("id", toronto), right)
	f.create("id", toronto)
	f.model.Advance(time.Hour)
	f.check("id", code, expired)

	recipient := f.options.Secret.Phone(toronto)
	of := func(s codes.Status, left int64, ttlLeft time.Duration) codes.CheckEvent {
		return codes.CheckEvent{Checked: codes.Checked{
			Outcome: codes.Outcome{Status: s, AttemptsLeft: left, Recipient: recipient}, Area: codes.AreaCA, TTLLeft: ttlLeft,
		}}
	}
	want := []codes.CheckEvent{
		of(codes.Wrong, 2, 0), of(codes.Wrong, 1, 0), of(codes.Wrong, 0, 59*time.Minute), {},
		of(codes.Right, 0, time.Hour), {Checked: codes.Checked{Outcome: expired}},
	}
	if !slices.Equal(f.events.checked, want) {
		t.Errorf("reported %+v, want %+v", f.events.checked, want)
	}
}

// TestUnverifiedEvents: a message over the allowance is reported with its exchange, and
// refused in enforce mode. A verified message does not count.
func TestUnverifiedEvents(t *testing.T) {
	for mode, refused := range map[codes.UnverifiedMode]bool{codes.UnverifiedShadow: false, codes.UnverifiedEnforce: true} {
		f := newFixture(t)
		var err error
		if f.limits().Unverified, err = codes.ParseUnverified([]string{"exchange:1/1h"}); err != nil {
			t.Fatal(err)
		}
		f.limits().Unverified.Mode = mode
		f.open()
		code := f.create("id", seattle)
		_, err = f.Create(context.Background(), request("other", seattle))
		e := f.events.created[1]
		if (err != nil) != refused || e.Refused != refused || e.OverAllowance == nil || e.Exchange != "1206555" {
			t.Errorf("%v: Create = %v, reported %+v", mode, err, e)
		}
		if refused {
			f.check("id", code, right)
			f.create("id", seattle)
		}
	}
}
