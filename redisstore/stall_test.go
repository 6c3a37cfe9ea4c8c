package redisstore_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/redisstore"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// backAfter is how soon requests pass again once Redis is back.
const backAfter = 2 * time.Second

// TestStalledRedis: a call that a stalled Redis runs only after its caller has given up
// has no effect.
func TestStalledRedis(t *testing.T) {
	instance := redistest.Server(t)
	prefix := freshPrefix()
	// A replica has an open connection, on which it sends its next call at once.
	replica := func() *redisstore.Store {
		s := openStore(t, instance, prefix)
		prepare(t, s)
		return s
	}
	store := replica()
	const tries, each = 12, 4 // wrong codes; of each other operation
	tried := newReservation(tries+2, guesses(t, "1/1h"))
	used, kept, released := newReservation(3), newReservation(3), newReservation(3)
	for _, r := range []codes.Reservation{tried, used, kept, released} {
		mustReserve(t, store, r)
	}
	limited := newReservation(3, sends(t, "1/1h"), total(t, "1/1h"))
	claim := codes.Claim{Key: codestest.Fresh(), Lease: time.Hour}
	message := codes.SentMessage{Message: codestest.Fresh(), Op: codes.NewOp(), Keep: time.Hour}
	receipt := receiptOf(message, codes.StageFailed)
	var calls []func() error
	late := func(call func(*redisstore.Store) error) {
		s := replica()
		calls = append(calls, func() error { return call(s) })
	}
	guess := func(s *redisstore.Store) error {
		_, err := s.Check(t.Context(), guessOf(tried, codestest.Fresh(), tried.Limits[0].Windows))
		return err
	}
	for range tries {
		late(guess)
	}
	for range each {
		late(func(s *redisstore.Store) error { _, err := s.Reserve(t.Context(), again(limited)); return err })
		late(func(s *redisstore.Store) error { _, err := s.Release(t.Context(), released); return err })
		late(func(s *redisstore.Store) error {
			_, err := s.Cancel(t.Context(), codes.Cancel{Name: kept.Entry.Name, Op: codes.NewOp()})
			return err
		})
		late(func(s *redisstore.Store) error { _, err := s.NextTurn(t.Context(), newTurn()); return err })
		late(func(s *redisstore.Store) error {
			_, _, err := s.Claim(t.Context(), codes.Claim{Key: claim.Key, Op: codes.NewOp(), Lease: claim.Lease})
			return err
		})
		late(func(s *redisstore.Store) error { _, err := s.Receive(t.Context(), receipt); return err })
		late(func(s *redisstore.Store) error { _, err := s.RecordSent(t.Context(), message); return err })
		late(func(s *redisstore.Store) error { _, err := check(t.Context(), s, used); return err })
	}

	before := scriptCalls(t, instance)
	instance.Signal(syscall.SIGSTOP)
	together(calls, func(call func() error) {
		began := time.Now()
		err := call()
		if took := time.Since(began); !errors.Is(err, codes.ErrUnavailable) || took > 900*time.Millisecond {
			t.Errorf("%v after %v", err, took)
		}
	})
	instance.Signal(syscall.SIGCONT)
	back := time.Now()
	for scriptCalls(t, instance) < before+len(calls) { // each left at least one script in its socket
		if time.Since(back) > 5*time.Second {
			t.Fatalf("Redis ran %d scripts of %d", scriptCalls(t, instance)-before, len(calls))
		}
		time.Sleep(10 * time.Millisecond)
	}

	if _, err := store.Reserve(t.Context(), again(tried)); err != nil {
		t.Errorf("Reserve = %v: a guess was counted late", err)
	}
	expect(t, store, tried, tried.Entry.Code, right)
	if took := time.Since(back); took > backAfter {
		t.Errorf("a right code works %v after Redis is back", took)
	}
	for _, r := range []codes.Reservation{used, kept, released} {
		expect(t, store, r, r.Entry.Code, right)
	}
	expect(t, store, limited, limited.Entry.Code, unknown)
	if _, err := store.Reserve(t.Context(), again(limited)); err != nil {
		t.Errorf("Reserve = %v: a message was counted late", err)
	}
	if turn, err := store.NextTurn(t.Context(), newTurn()); err != nil || time.Until(turn.Begin) > 0 {
		t.Errorf("NextTurn = %+v, %v: a turn was reserved late", turn, err)
	}
	claim.Op = codes.NewOp()
	if _, op, err := store.Claim(t.Context(), claim); err != nil || op != claim.Op {
		t.Errorf("Claim = %v: claimed late", err)
	}
	receipt.Op = codes.NewOp()
	if got, err := store.Receive(t.Context(), receipt); err != nil || got.Result != codes.Early {
		t.Errorf("Receive = %+v, %v: recorded late", got, err)
	}
	if events, err := store.RecordSent(t.Context(), message); err != nil || !events.Failed {
		t.Errorf("RecordSent = %+v, %v: recorded late", events, err)
	}
}

// together runs all calls at the same time.
func together(calls []func() error, run func(func() error)) {
	var wg sync.WaitGroup
	for _, call := range calls {
		wg.Go(func() { run(call) })
	}
	wg.Wait()
}

// scriptCalls returns how many scripts all nodes ran.
func scriptCalls(t *testing.T, i *redistest.Instance) (calls int) {
	t.Helper()
	for _, n := range i.Nodes {
		calls += info(t, n, "commandstats", `cmdstat_evalsha:calls=(\d+)`)
	}
	return calls
}

// info returns a number from a section of INFO, 0 if it is not there.
func info(t *testing.T, n *redistest.Node, section, pattern string) int {
	t.Helper()
	c := n.Client()
	defer func() { _ = c.Close() }()
	text, err := c.Info(t.Context(), section).Result()
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if found == nil {
		return 0
	}
	number, err := strconv.Atoi(found[1])
	if err != nil {
		t.Fatal(err)
	}
	return number
}

// TestKilledRedis: a Redis that is killed and started again is used again.
func TestKilledRedis(t *testing.T) {
	instance := redistest.Server(t)
	store := openStore(t, instance, freshPrefix())
	reserve := func() error { _, err := store.Reserve(t.Context(), newReservation(3)); return err }
	together(slices.Repeat([]func() error{reserve}, 20), func(reserve func() error) { _ = reserve() }) // opens connections
	instance.Signal(syscall.SIGKILL)
	// So many that the library's pool dials only once a second from now on.
	together(slices.Repeat([]func() error{reserve}, 5), func(reserve func() error) {
		began := time.Now()
		err := reserve()
		if took := time.Since(began); !errors.Is(err, codes.ErrUnavailable) || took > opTimeout+slack {
			t.Errorf("%v after %v", err, took)
		}
	})
	instance.Restart()
	servedSoon(t, store)
}

// servedSoon checks that a Redis which has just come back is used again in time.
func servedSoon(t *testing.T, store *redisstore.Store) {
	t.Helper()
	back := time.Now()
	for {
		r := newReservation(3)
		_, err := store.Reserve(t.Context(), r)
		if err == nil {
			var got codes.Outcome
			got, err = check(t.Context(), store, r)
			if err == nil && got.Status == codes.Right {
				return
			}
		}
		if time.Since(back) > backAfter {
			t.Fatalf("not served %v after Redis is back: %v", backAfter, err)
		}
	}
}

// noAnswer returns the error of a call that must not return anything else.
func noAnswer[T any](answer []T, err error) error {
	if answer != nil {
		return fmt.Errorf("%v without Redis", answer)
	}
	return err
}

// TestAbsentRedis: without Redis every call fails in time, and leaves no goroutine. It
// is not parallel, because goroutines of other tests would count too.
func TestAbsentRedis(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	for _, test := range []struct{ name, url, mode string }{
		{"standalone", "redis://127.0.0.1:1/0", redisstore.Standalone},
		{"sentinel", "redis://127.0.0.1:1?master_name=absent", redisstore.Sentinel},
		{"cluster", "redis://127.0.0.1:1", redisstore.Cluster},
	} {
		t.Run(test.name, func(t *testing.T) {
			store := openURL(t, test.url, test.mode, redisstore.Options{Prefix: freshPrefix()})
			together([]func() error{
				func() error { _, err := store.Reserve(t.Context(), newReservation(3, sends(t, "1/1h"))); return err },
				func() error { _, err := check(t.Context(), store, newReservation(3)); return err },
				func() error { return store.Prepare(t.Context()) },
				func() error { return noAnswer(store.Used(t.Context(), codestest.Windows(t, "1/1h"))) },
				func() error {
					return noAnswer(store.Standings(t.Context(), newReservation(3, sends(t, "1/1h")).Limits))
				},
				func() error {
					return noAnswer(store.Unverified(t.Context(), unverified(t, "12065551234", "all:1/1m").Limits))
				},
				func() error { _, err := store.ClearLimits(t.Context(), codestest.Fresh()); return err },
			}, func(call func() error) {
				began := time.Now()
				err := call()
				if took := time.Since(began); !errors.Is(err, codes.ErrUnavailable) || took > opTimeout+slack {
					t.Errorf("%v after %v", err, took)
				}
			})
		})
	}
	// A pool that dials once a second notices that late that it was closed.
	leak := goleak.Find(ignore)
	for closed := time.Now(); leak != nil && time.Since(closed) < 3*time.Second; {
		leak = goleak.Find(ignore)
	}
	if leak != nil {
		t.Error(leak)
	}
}
