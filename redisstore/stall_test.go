package redisstore_test

import (
	"context"
	"errors"
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

// TestStalledRedis: what a stalled Redis runs only after its caller was
// answered has no effect.
func TestStalledRedis(t *testing.T) {
	instance := redistest.Server(t)
	prefix := freshPrefix()
	// replica has a connection, on which its next call is sent at once.
	replica := func(l codes.Limits) *redisstore.Store {
		s := openURL(t, instance.URL, instance.Mode, prefix, l)
		prepare(t, s)
		return s
	}
	number := codes.Limits{Sends: codestest.Windows(t, "1/1h"), Guesses: codestest.Windows(t, "1/1h")}
	total := codes.Limits{Total: codestest.Windows(t, "1/1h"), Rate: 1}
	store, service := replica(number), replica(total)
	const tries, each = 12, 4 // wrong codes; of each other operation
	tried, used, kept := newEntry(tries+2), newEntry(3), newEntry(3)
	for _, e := range []codes.Entry{tried, used, kept} {
		if _, err := store.Put(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	take := func(s *redisstore.Store) error {
		_, err := s.Take(t.Context(), codes.Place{Recipient: tried.Recipient, Op: codes.NewOp()})
		return err
	}
	claim := codes.Claim{Key: codestest.Fresh(), Lease: time.Hour}
	message := codes.SentMessage{Message: codestest.Fresh(), Place: codes.Place{Op: codes.NewOp()}, Keep: time.Hour}
	receipt := codes.Note{
		Receipt: codes.Receipt{Content: "2:failed:", Stage: codes.Failed}, Message: message.Message, Op: codes.NewOp(), Keep: time.Hour,
	}
	var put []codes.Entry
	var calls []func() error
	late := func(call func(*redisstore.Store) error) {
		s := replica(number)
		calls = append(calls, func() error { return call(s) })
	}
	for range tries {
		late(func(s *redisstore.Store) error {
			_, err := s.Try(t.Context(), codes.Try{ID: tried.ID, Code: codestest.Fresh(), Op: codes.NewOp()})
			return err
		})
	}
	for range each {
		e := newEntry(3)
		put = append(put, e)
		late(func(s *redisstore.Store) error { _, err := s.Put(t.Context(), e); return err })
		late(func(s *redisstore.Store) error {
			_, err := s.Delete(t.Context(), codes.Deletion{ID: kept.ID, Op: codes.NewOp()})
			return err
		})
		late(take)
		other := replica(total)
		calls = append(calls, func() error { return take(other) })
		late(func(s *redisstore.Store) error {
			return s.CountWrong(t.Context(), codes.Place{Recipient: tried.Recipient, Op: codes.NewOp()})
		})
		late(func(s *redisstore.Store) error {
			_, _, err := s.Claim(t.Context(), codes.Claim{Key: claim.Key, Op: codes.NewOp(), Lease: claim.Lease})
			return err
		})
		late(func(s *redisstore.Store) error { _, err := s.Receive(t.Context(), receipt); return err })
		late(func(s *redisstore.Store) error { _, err := s.Sent(t.Context(), message); return err })
		late(func(s *redisstore.Store) error {
			_, err := s.Try(t.Context(), codes.Try{ID: used.ID, Code: used.Code, Op: codes.NewOp()})
			return err
		})
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

	expect := func(e codes.Entry, code codes.Digest, want codes.Outcome) {
		t.Helper()
		got, err := store.Try(t.Context(), codes.Try{ID: e.ID, Code: code, Op: codes.NewOp()})
		if err != nil || codestest.Answer(got) != want {
			t.Errorf("Try = %+v, %v; want %+v", got, err, want)
		}
	}
	expect(tried, codestest.Fresh(), wrongLeft(tried, tries+1)) // this one, and none of those
	expect(tried, tried.Code, right)
	if took := time.Since(back); took > backAfter {
		t.Errorf("a right code works %v after Redis is back", took)
	}
	expect(used, used.Code, right)
	expect(kept, kept.Code, right)
	for _, e := range put {
		expect(e, e.Code, codes.Outcome{Status: codes.Unknown})
	}
	for _, s := range []*redisstore.Store{store, service} {
		if err := take(s); err != nil {
			t.Errorf("Take = %v: a place was taken late", err)
		}
	}
	claim.Op = codes.NewOp()
	if _, op, err := store.Claim(t.Context(), claim); err != nil || op != claim.Op {
		t.Errorf("Claim = %v: claimed late", err)
	}
	receipt.Op = codes.NewOp()
	if got, err := store.Receive(t.Context(), receipt); err != nil || got.Result != codes.Early {
		t.Errorf("Receive = %+v, %v: noted late", got, err)
	}
	if news, err := store.Sent(t.Context(), message); err != nil || !news.Failed {
		t.Errorf("Sent = %+v, %v: noted late", news, err)
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

// lanes is how many round trips are under way at a time.
const lanes = 2

// connect makes calls that are in flight at the same time, so that afterwards
// so many connections are open: one that must be opened first would not get
// as far as to send a script to a stalled Redis.
func connect(t *testing.T, i *redistest.Instance, connections int, calls []func() error) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		i.Signal(syscall.SIGSTOP)
		var made sync.WaitGroup
		made.Go(func() { together(calls, func(call func() error) { _ = call() }) })
		time.Sleep(100 * time.Millisecond)
		i.Signal(syscall.SIGCONT)
		made.Wait()
		clients := info(t, i, "clients", `connected_clients:(\d+)`)
		if clients > connections { // and the one that asks
			for _, call := range calls { // one quick trip after the other closes further lanes
				_ = call()
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d connections, want more than %d", clients, connections)
		}
	}
}

func scriptCalls(t *testing.T, i *redistest.Instance) int {
	t.Helper()
	return info(t, i, "commandstats", `cmdstat_evalsha:calls=(\d+)`)
}

// info returns a number from a section of INFO, 0 if it is not there.
func info(t *testing.T, i *redistest.Instance, section, pattern string) int {
	t.Helper()
	text, err := i.Client().Info(context.Background(), section).Result()
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if found == nil {
		return 0
	}
	n, err := strconv.Atoi(found[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestKilledRedis: a Redis that is killed and started again is used again.
func TestKilledRedis(t *testing.T) {
	instance := redistest.Server(t)
	store := openURL(t, instance.URL, instance.Mode, freshPrefix(), codes.Limits{})
	put := func() error { _, err := store.Put(t.Context(), newEntry(3)); return err }
	connect(t, instance, lanes, slices.Repeat([]func() error{put}, 20))
	instance.Signal(syscall.SIGKILL)
	// So many that the library's pool stops dialling but for once a second.
	together([]func() error{put, put, put, put, put}, func(put func() error) {
		began := time.Now()
		err := put()
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
		e := newEntry(3)
		_, err := store.Put(t.Context(), e)
		if err == nil {
			var got codes.Outcome
			got, err = store.Try(t.Context(), codes.Try{ID: e.ID, Code: e.Code, Op: codes.NewOp()})
			if err == nil && got.Status == codes.Right {
				return
			}
		}
		if time.Since(back) > backAfter {
			t.Fatalf("not served %v after Redis is back: %v", backAfter, err)
		}
	}
}

// TestAbsentRedis is not parallel: other tests' goroutines would count as its own.
func TestAbsentRedis(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	for _, test := range []struct{ name, url, mode string }{
		{"standalone", "redis://127.0.0.1:1/0", redisstore.Standalone},
		{"sentinel", "redis://127.0.0.1:1?master_name=absent", redisstore.Sentinel},
		{"cluster", "redis://127.0.0.1:1", redisstore.Cluster},
	} {
		t.Run(test.name, func(t *testing.T) {
			store := openURL(t, test.url, test.mode, freshPrefix(), codes.Limits{Sends: codestest.Windows(t, "1/1h")})
			together([]func() error{
				func() error { _, err := store.Put(t.Context(), newEntry(3)); return err },
				func() error {
					_, err := store.Try(t.Context(), codes.Try{Op: codes.NewOp()})
					return err
				},
				func() error {
					_, err := store.Take(t.Context(), codes.Place{Op: codes.NewOp()})
					return err
				},
				func() error { return store.Prepare(t.Context()) },
			}, func(call func() error) {
				began := time.Now()
				err := call()
				if took := time.Since(began); !errors.Is(err, codes.ErrUnavailable) || took > opTimeout+slack {
					t.Errorf("%v after %v", err, took)
				}
			})
		})
	}
	// A pool that dials once a second notices its end as late.
	leak := goleak.Find(ignore)
	for closed := time.Now(); leak != nil && time.Since(closed) < 3*time.Second; {
		leak = goleak.Find(ignore)
	}
	if leak != nil {
		t.Error(leak)
	}
}
