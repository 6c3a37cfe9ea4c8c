package redisstore_test

import (
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// TestRoundTrips: a create and a check run one script each, and on a cluster one for
// each slot.
func TestRoundTrips(t *testing.T) {
	rotating := newReservation(3, sends(t, "5/10m"), guesses(t, "20/24h"), total(t, "9/1h"))
	rotating.Pace, rotating.WaitLeft = codes.Pace{Rate: 50, MaxWait: time.Second}, time.Second
	rotating.Entry.Name.Previous = codestest.Fresh()
	plain := rotating
	plain.Entry.Name = codes.EntryName{Current: codestest.Fresh()}
	for name, want := range map[string]struct{ reserve, reserveRotating, wrong, right int }{
		"standalone": {1, 1, 1, 1},
		"sentinel":   {1, 1, 1, 1},
		"cluster":    {3, 4, 2, 1},
		"proxied":    {3, 4, 2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			instance := backends[name](t)
			store, _ := openPrepared(t, instance)
			if split := name == "cluster" || name == "proxied"; store.Split() != split {
				t.Fatalf("Split = %v", store.Split())
			}
			scripts := func(what string, want int, call func() error) {
				t.Helper()
				before := scriptCalls(t, instance)
				if err := call(); err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				if got := scriptCalls(t, instance) - before; got != want {
					t.Errorf("%s made %d script calls, want %d", what, got, want)
				}
			}
			for _, r := range []codes.Reservation{plain, rotating} {
				r = again(r)
				wantReserve := want.reserve
				if r.Entry.Name.Previous != (codes.Digest{}) {
					wantReserve = want.reserveRotating
				}
				scripts("Reserve", wantReserve, func() error { _, err := store.Reserve(t.Context(), r); return err })
				check := func(code codes.Digest) func() error {
					c := guessOf(r, code, r.Limits[1].Windows)
					return func() error { _, err := store.Check(t.Context(), c); return err }
				}
				scripts("a wrong check", want.wrong, check(codestest.Fresh()))
				scripts("a right check", want.right, check(r.Entry.Code))
			}
		})
	}
}

// TestNoLongScript: no script takes long, even if one id is used as fast as possible and
// there are a million old events. It measures the CPU time of Redis, since a busy machine
// may stop Redis in the middle of a script.
func TestNoLongScript(t *testing.T) {
	const limit = 20 * time.Millisecond
	instance := redistest.Server(t)
	store, prefix := openPrepared(t, instance)
	r := newReservation(1<<40, total(t, "1000000/1h"))
	operations := []func() error{
		func() error { _, err := store.Reserve(t.Context(), again(r)); return err },
		func() error {
			_, err := store.Cancel(t.Context(), codes.Cancel{Name: r.Entry.Name, Op: codes.NewOp()})
			return err
		},
		func() error {
			_, err := store.Check(t.Context(), guessOf(r, codestest.Fresh(), codestest.Windows(t, "10000/24h")))
			return err
		},
		func() error { _, err := store.Release(t.Context(), r); return err },
	}
	longest := func() (longest time.Duration) {
		for i := range 400 {
			before := cpuTime(t, instance)
			if err := operations[i%len(operations)](); err != nil && !errors.Is(err, codes.ErrUnavailable) {
				t.Fatal(err)
			}
			longest = max(longest, cpuTime(t, instance)-before)
		}
		return longest
	}
	million(t, instance, prefix)
	withOldEvents := longest()
	hammer(t, 2*time.Second, operations)
	if afterMany := longest(); withOldEvents > limit || afterMany > limit {
		t.Errorf("the longest script took %v with a million old events, and %v after many operations; want at most %v", withOldEvents, afterMany, limit)
	}
}

// cpuTime returns how long the thread of Redis that runs scripts has run.
func cpuTime(t *testing.T, i *redistest.Instance) (sum time.Duration) {
	t.Helper()
	info := i.Client().InfoMap(t.Context(), "cpu")
	for _, name := range []string{"used_cpu_sys_main_thread", "used_cpu_user_main_thread"} {
		seconds, err := strconv.ParseFloat(info.Item("CPU", name), 64)
		if err != nil {
			t.Fatal(info.Err(), err)
		}
		sum += time.Duration(seconds * float64(time.Second))
	}
	return sum
}

// hammer makes calls from 32 goroutines for so long.
func hammer(t *testing.T, d time.Duration, calls []func() error) {
	t.Helper()
	var wg sync.WaitGroup
	end := time.Now().Add(d)
	for i := range 32 {
		wg.Go(func() {
			for time.Now().Before(end) {
				if err := calls[i%len(calls)](); err != nil && !errors.Is(err, codes.ErrUnavailable) {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// million adds a million events to the set of all messages that are older than any
// window.
func million(t *testing.T, i *redistest.Instance, prefix string) {
	t.Helper()
	old := time.Now().Add(-2 * time.Hour).UnixMilli()
	pipe := i.Client().Pipeline()
	for n := range 1_000_000 {
		pipe.ZAdd(t.Context(), prefix+"a{all}", redis.Z{Score: float64(old), Member: strconv.Itoa(n)})
		if n%10_000 == 9_999 {
			if _, err := pipe.Exec(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}
