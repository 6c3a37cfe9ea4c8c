package redisstore_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/redisstore"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// used returns the number of events of each standing.
func used(standings []redisstore.Standing) (n []int64) {
	for _, s := range standings {
		n = append(n, s.Used)
	}
	return n
}

// TestStandings: Standings returns what Reserve counts, for each window, and changes
// nothing. ClearLimits clears the limits of one number only.
func TestStandings(t *testing.T) {
	everyBackend(t, func(t *testing.T, instance *redistest.Instance) {
		store, _ := openPrepared(t, instance)
		r := newReservation(9, sends(t, "3/1m", "20/24h"), guesses(t, "2/24h"))
		expectUsed := func(want ...int64) []redisstore.Standing {
			t.Helper()
			got, err := store.Standings(t.Context(), r.Limits)
			if err != nil || !slices.Equal(used(got), want) {
				t.Fatalf("Standings = %+v, %v; want %v", got, err, want)
			}
			return got
		}
		expectUsed(0, 0, 0)
		other := again(r)
		other.Entry.Recipient = codestest.Fresh()
		other.Limits = slices.Clone(r.Limits)
		for i := range other.Limits {
			other.Limits[i].Subject = other.Entry.Recipient
		}
		mustReserve(t, store, other)
		mustReserve(t, store, r)
		for range 2 {
			if _, err := store.Check(t.Context(), guessOf(r, codestest.Fresh(), r.Limits[1].Windows)); err != nil {
				t.Fatal(err)
			}
		}
		expectUsed(1, 1, 2)
		if free := expectUsed(1, 1, 2); free[0].Wait != 0 || free[2].Wait < 23*time.Hour || free[2].Wait > 24*time.Hour || free[2].Kind != codes.GuessLimit {
			t.Errorf("waits: %+v", free)
		}
		var limit *codes.LimitError
		if _, err := store.Reserve(t.Context(), again(r)); !errors.As(err, &limit) {
			t.Errorf("Reserve = %v, want a limit", err)
		}
		if err := store.Refund(t.Context(), r.Op, r.Limits[:1]); err != nil {
			t.Fatal(err)
		}
		expectUsed(0, 0, 2)

		got, err := store.ClearLimits(t.Context(), r.Entry.Recipient)
		if want := (redisstore.Cleared{Guesses: 2, Refunds: 1}); err != nil || got != want {
			t.Errorf("ClearLimits = %+v, %v; want %+v", got, err, want)
		}
		expectUsed(0, 0, 0)
		mustReserve(t, store, again(r))
		expectUsed(1, 1, 0)
		if got, err := store.Standings(t.Context(), other.Limits); err != nil || !slices.Equal(used(got), []int64{1, 1, 0}) {
			t.Errorf("those of another number: %+v, %v", got, err)
		}
		if got, err := store.ClearLimits(t.Context(), r.Entry.Recipient); err != nil || got != (redisstore.Cleared{Sends: 1}) {
			t.Errorf("ClearLimits again = %+v, %v", got, err)
		}
	})
}

// TestStandingsByTime: each window has its own count, and the wait is that of a create.
func TestStandingsByTime(t *testing.T) {
	instance := redistest.Mini(t)
	store := openStore(t, instance, freshPrefix())
	r := newReservation(3, sends(t, "2/1m", "3/1h"))
	expect := func(want ...redisstore.Standing) {
		t.Helper()
		got, err := store.Standings(t.Context(), r.Limits)
		for i := range want {
			want[i].Window = r.Limits[0].Windows[i]
		}
		for i := range got {
			got[i].Wait = got[i].Wait.Round(time.Second) // the test takes time too
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("Standings = %+v, %v; want %+v", got, err, want)
		}
	}
	mustReserve(t, store, r)
	instance.Advance(20 * time.Second)
	mustReserve(t, store, again(r))
	expect(redisstore.Standing{Used: 2, Wait: 40 * time.Second}, redisstore.Standing{Used: 2})
	instance.Advance(40 * time.Second)
	expect(redisstore.Standing{Used: 1}, redisstore.Standing{Used: 2})
	mustReserve(t, store, again(r))
	expect(redisstore.Standing{Used: 2, Wait: 20 * time.Second}, redisstore.Standing{Used: 3, Wait: 59 * time.Minute})
	instance.Advance(time.Hour)
	expect(redisstore.Standing{}, redisstore.Standing{})
	if got, err := store.Standings(t.Context(), nil); err != nil || got != nil {
		t.Errorf("Standings without limits = %+v, %v", got, err)
	}
	if got, err := store.Unverified(t.Context(), nil); err != nil || got != nil {
		t.Errorf("Unverified without limits = %+v, %v", got, err)
	}
}

// TestUsed: Used returns what a limit counts, for each window.
func TestUsed(t *testing.T) {
	instance := redistest.Mini(t)
	windows := codestest.Windows(t, "10/1m", "20/1h")
	store := openStore(t, instance, freshPrefix())
	expect := func(lately, all int64) {
		t.Helper()
		used, err := store.Used(t.Context(), windows)
		if err != nil || len(used) != 2 || used[0].Window != windows[0] || used[0].Messages != lately || used[1].Messages != all {
			t.Errorf("Used = %+v, %v; want %d and %d", used, err, lately, all)
		}
	}
	reserve := func(n int) (last codes.Reservation) {
		t.Helper()
		for range n {
			last = newReservation(3, codes.Limit{Kind: codes.TotalLimit, Windows: windows})
			mustReserve(t, store, last)
		}
		return last
	}
	expect(0, 0)
	reserve(3)
	instance.Advance(time.Minute)
	expect(0, 3)
	last := reserve(2)
	expect(2, 5)
	if _, err := store.Release(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	expect(1, 4)
	instance.Advance(time.Hour)
	expect(0, 0)
	if p := store.Pool(); p.Total == 0 || p.Misses == 0 {
		t.Errorf("after a use the pool is %+v", p)
	}
}
