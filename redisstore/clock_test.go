package redisstore_test

import (
	"errors"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// TestClockSteps: after the clock of Redis has stepped back, sending resumes within
// seconds, even if the clock was far ahead for a while.
func TestClockSteps(t *testing.T) {
	for _, test := range []struct {
		name          string
		ahead, lastly time.Duration // the clock's error for a while, and from then on
	}{
		{"back a minute", 0, -time.Minute},
		{"a day ahead for a while", 24 * time.Hour, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			instance, setClock := redistest.ServerWithClock(t)
			store, _ := openPrepared(t, instance)
			limited := newReservation(3, sends(t, "4/10m"), total(t, "4/1h"))
			limited.Pace, limited.WaitLeft = codes.Pace{Rate: 1, MaxWait: 2 * time.Second}, 2*time.Second
			entry := newReservation(3)
			setClock(test.ahead)
			mustReserve(t, store, entry)
			for range 2 {
				reserveSoon(t, store, again(limited), 2*time.Second)
			}
			before := store.ClockSteps()
			setClock(test.lastly)
			for range 2 {
				reserveSoon(t, store, again(limited), 3*time.Second)
			}
			var full *codes.LimitError
			if _, err := store.Reserve(t.Context(), again(limited)); !errors.As(err, &full) || full.RetryAfter > time.Hour {
				t.Errorf("Reserve = %v; the events from before the step must count, at most for their window", err)
			}
			if store.ClockSteps() <= before {
				t.Error("the step was not counted")
			}
			if view, err := store.Peek(t.Context(), entry.Entry.Name); err != nil || view.TTLLeft <= 0 || view.TTLLeft > entry.Entry.Lifetime {
				t.Errorf("Peek = %+v, %v; an entry lives at most its lifetime", view, err)
			}
			expect(t, store, entry, entry.Entry.Code, right)
		})
	}
}

// reserveSoon retries a reservation until it succeeds, which must be within the given time.
func reserveSoon(t *testing.T, s codes.Store, r codes.Reservation, within time.Duration) {
	t.Helper()
	var err error
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		var reserved codes.Reserved
		if reserved, err = s.Reserve(t.Context(), r); err == nil {
			if wait := time.Until(reserved.Turn.Begin); wait > r.Pace.MaxWait {
				t.Errorf("the turn is %v off", wait)
			}
			return
		}
	}
	t.Errorf("nothing could be reserved for %v: %v", within, err)
}
