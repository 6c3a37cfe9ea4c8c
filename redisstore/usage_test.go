package redisstore_test

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// TestUsed: what is used of a limit is what the limit counts, in each window
// by itself.
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
}

// TestUsedWithoutRedis: no figure is better than a wrong one.
func TestUsedWithoutRedis(t *testing.T) {
	t.Parallel()
	instance := redistest.Server(t)
	store, windows := openStore(t, instance, freshPrefix()), codestest.Windows(t, "10/1m")
	if _, err := store.Used(t.Context(), windows); err != nil {
		t.Fatal(err)
	}
	if p := store.Pool(); p.Total == 0 || p.Misses == 0 {
		t.Errorf("after a use the pool is %+v", p)
	}
	instance.Signal(syscall.SIGKILL)
	if used, err := store.Used(t.Context(), windows); !errors.Is(err, codes.ErrUnavailable) || used != nil {
		t.Errorf("Used = %v, %v", used, err)
	}
}
