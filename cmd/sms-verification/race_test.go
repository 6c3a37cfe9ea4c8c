package main

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// broken is a store that answers some checks wrongly.
type broken struct {
	*codestest.Model
	answer func(call int64, checked codes.Checked, err error) (codes.Checked, error)
	calls  atomic.Int64
	stored atomic.Int64 // entries that a race may store
}

func (b *broken) Reserve(ctx context.Context, r codes.Reservation) (codes.Reserved, error) {
	if len(r.Limits) == 0 && r.Pace.Rate == 0 && r.Entry.Lifetime <= raceLifetime && r.Entry.Notice == 0 {
		b.stored.Add(1)
	}
	return b.Model.Reserve(ctx, r)
}

func (b *broken) Check(ctx context.Context, c codes.Check) (codes.Checked, error) {
	checked, err := b.Model.Check(ctx, c)
	return b.answer(b.calls.Add(1), checked, err)
}

// TestRaceNotices: race reports each fault of a store, and none of a sound one.
func TestRaceNotices(t *testing.T) {
	t.Parallel()
	instead := func(of, by codes.Status) func(int64, codes.Checked, error) (codes.Checked, error) {
		return func(_ int64, c codes.Checked, err error) (codes.Checked, error) {
			if c.Status == of {
				c.Status = by
			}
			return c, err
		}
	}
	for _, c := range []struct {
		name   string
		answer func(int64, codes.Checked, error) (codes.Checked, error)
		want   raceReport // of the entries, at least so many
		found  string
	}{
		{"sound", instead(codes.Right, codes.Right), raceReport{Entries: 30}, ""},
		{"accepts twice", instead(codes.Unknown, codes.Right), raceReport{Entries: 30, AcceptedTwice: 10}, "accepted twice"},
		{"compares too often", instead(codes.Unknown, codes.Wrong), raceReport{Entries: 30, ComparedTooOften: 10}, "compared too often"},
		{"accepts none", instead(codes.Right, codes.Unknown), raceReport{Entries: 30, Lost: 10}, "lost"},
		{"fails now and then", func(n int64, c codes.Checked, err error) (codes.Checked, error) {
			if n%40 == 0 {
				return codes.Checked{}, codes.ErrUnavailable
			}
			return c, err
		}, raceReport{Entries: 10, FailedCalls: 5}, ""},
	} {
		store := &broken{Model: codestest.NewModel(), answer: c.answer}
		got := race(t.Context(), []raceStore{store, store}, 30)
		if n := store.stored.Load(); n != 30 {
			t.Errorf("%s: %d entries of a short life, outside of every limit", c.name, n)
		}
		if got.Entries < c.want.Entries || got.AcceptedTwice < c.want.AcceptedTwice || got.ComparedTooOften < c.want.ComparedTooOften || got.Lost < c.want.Lost ||
			got.FailedCalls < c.want.FailedCalls || (got.found() == "") != (c.found == "") || !strings.Contains(got.found(), c.found) {
			t.Errorf("%s: %+v, %q", c.name, got, got.found())
		}
	}
}

// TestRaceEnds: race ends with its context.
func TestRaceEnds(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer stop()
	slow := func(_ int64, c codes.Checked, err error) (codes.Checked, error) {
		time.Sleep(20 * time.Millisecond)
		return c, errors.Join(err, ctx.Err())
	}
	store, began := &broken{Model: codestest.NewModel(), answer: slow}, time.Now()
	if got := race(ctx, []raceStore{store}, raceEntries); got.Entries == 0 || got.Entries == raceEntries || time.Since(began) > 2*time.Second {
		t.Errorf("%+v after %v", got, time.Since(began))
	}
}

// TestCheckRace: check --race finds nothing on a real Redis, and its keys expire. The
// documented permissions are enough for it, without a warning.
func TestCheckRace(t *testing.T) {
	t.Parallel()
	redis, sim := redistest.Server(t, documentedUser(t)), startSimulator(t, flowroutetest.Options{})
	env := environment(redis, sim, append(recommended(), asDocumentedUser(redis)...)...)
	began := time.Now()
	out := succeeds(t, env, "check", "--race", "--strict")
	if took := time.Since(began); took > raceTime+5*time.Second {
		t.Errorf("took %v", took)
	}
	contains(t, "check --race", out, "Note: the user of Redis may not read save", "Race: 600 codes with ", "none was accepted twice or compared too often")
	keys, err := redis.Client().Keys(t.Context(), "*").Result()
	if err != nil || len(keys) > raceKeys {
		t.Errorf("%d keys, %v", len(keys), err)
	}
	for _, key := range keys {
		longest := raceLifetime
		if strings.Contains(key, ":probe-") {
			longest += time.Minute // what Prepare leaves
		}
		if ttl, err := redis.Client().PTTL(t.Context(), key).Result(); err != nil || ttl == -1 || ttl > longest || !strings.HasPrefix(key, "smsv:") {
			t.Errorf("%s stays for %v, %v", key, ttl, err)
		}
	}

	contains(t, "a cluster", succeeds(t, environment(redistest.Cluster(t), sim), "check", "--race"), "none was accepted twice")

	var found report
	if err := json.Unmarshal([]byte(succeeds(t, debugEnvironment(), "check", "--race", "--json")), &found); err != nil ||
		!found.OK || found.Race == nil || found.Race.Entries < 100 || found.Race.found() != "" {
		t.Errorf("debug mode: %+v, %v", found, err)
	}
	out, _ = command(t, 1, complete("REDIS_URL=redis://127.0.0.1:1/0"), "check", "--race")
	lacks(t, "no Redis", out, "Race:")
}
