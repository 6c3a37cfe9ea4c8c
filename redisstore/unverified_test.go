package redisstore_test

import (
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/redisstore"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// unverified returns a reservation of a message to a number under limits.
func unverified(t *testing.T, number codes.Phone, limits ...string) codes.Reservation {
	t.Helper()
	u, err := codes.ParseUnverified(limits)
	if err != nil {
		t.Fatal(err)
	}
	u.Mode = codes.UnverifiedEnforce
	d := codes.NewHasher([]byte("secret")).Destination(number)
	r := newReservation(3, u.Limits(d)...)
	r.Entry.Destination = d
	return r
}

// expectUnverified compares what counts under the limits of a reservation, with waits
// rounded to seconds.
func expectUnverified(t *testing.T, store *redisstore.Store, r codes.Reservation, want ...redisstore.Standing) {
	t.Helper()
	got, err := store.Unverified(t.Context(), r.Limits)
	for i := range got {
		got[i].Window, got[i].Wait = codes.Window{}, got[i].Wait.Round(time.Second)
	}
	if err != nil || !slices.Equal(got, want) {
		t.Fatalf("Unverified = %+v, %v; want %+v", got, err, want)
	}
}

// TestUnverified: Unverified returns what Reserve counts for the exchange and the area
// code of a destination, and changes nothing.
func TestUnverified(t *testing.T) {
	everyBackend(t, func(t *testing.T, instance *redistest.Instance) {
		store, _ := openPrepared(t, instance)
		limits := []string{"exchange:2/1h", "area:9/1h+150%", "all:9/1h+100%"}
		first, second := unverified(t, "12065551234", limits...), unverified(t, "12065551235", limits...)
		elsewhere := unverified(t, "14255551234", limits...)
		for _, r := range []codes.Reservation{first, second, elsewhere} {
			mustReserve(t, store, r)
		}
		standing := func(kind codes.LimitKind, used, share int64, wait time.Duration) redisstore.Standing {
			return redisstore.Standing{Kind: kind, Used: used, Share: share, Wait: wait}
		}
		for range 2 {
			got, err := store.Unverified(t.Context(), first.Limits[:1])
			if err != nil || len(got) != 1 || got[0].Used != 2 || got[0].Wait < 59*time.Minute || got[0].Wait > time.Hour {
				t.Fatalf("Unverified = %+v, %v; want 2 messages and a wait of an hour", got, err)
			}
		}
		expectUnverified(t, store, elsewhere, standing(codes.ExchangeLimit, 1, 0, 0), standing(codes.AreaLimit, 1, 0, 0), standing(codes.AllLimit, 3, 0, 0))

		entered := codes.Check{Name: first.Entry.Name, Op: codes.NewOp(), Code: first.Entry.Code, CountVerified: true}
		if o, err := store.Check(t.Context(), entered); err != nil || o.Status != codes.Right {
			t.Fatalf("Check = %+v, %v", o, err)
		}
		expectUnverified(t, store, first, standing(codes.ExchangeLimit, 1, 0, 0), standing(codes.AreaLimit, 1, 1, 0), standing(codes.AllLimit, 2, 1, 0))
	})
}

// TestUnverifiedByTime: each window has its own count, and the wait is until the
// allowance, with its share of verified codes, has room.
func TestUnverifiedByTime(t *testing.T) {
	instance := redistest.Mini(t)
	store := openStore(t, instance, freshPrefix())
	wide := unverified(t, "12065551234", "exchange:9/1m", "area:9/1m", "all:9/1m")
	reserve := func() codes.Reservation {
		r := wide
		r.Op, r.Entry.Name.Current = codes.NewOp(), newReservation(3).Entry.Name.Current
		mustReserve(t, store, r)
		return r
	}
	entered := reserve()
	c := codes.Check{Name: entered.Entry.Name, Op: codes.NewOp(), Code: entered.Entry.Code, CountVerified: true}
	if _, err := store.Check(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	shown := unverified(t, "12065551234", "all:1/1m", "all:1/1h+100%")
	reserve()
	instance.Advance(20 * time.Second)
	reserve()
	expectUnverified(t, store, shown,
		redisstore.Standing{Kind: codes.AllLimit, Used: 2, Wait: time.Minute},
		redisstore.Standing{Kind: codes.AllLimit, Used: 2, Share: 1, Wait: time.Hour - 20*time.Second})
	instance.Advance(time.Minute)
	expectUnverified(t, store, shown,
		redisstore.Standing{Kind: codes.AllLimit},
		redisstore.Standing{Kind: codes.AllLimit, Used: 2, Share: 1, Wait: time.Hour - 80*time.Second})
	instance.Advance(24 * time.Hour)
	expectUnverified(t, store, shown, redisstore.Standing{Kind: codes.AllLimit}, redisstore.Standing{Kind: codes.AllLimit})
}

// TestUnverifiedLiveOn: messages count for a day, even in a set that stays of about the
// same size for days because others are removed from it.
func TestUnverifiedLiveOn(t *testing.T) {
	instance := redistest.Mini(t)
	store := openStore(t, instance, freshPrefix())
	reserve := func() codes.Reservation {
		r := unverified(t, "12065551234", "all:40/24h")
		mustReserve(t, store, r)
		return r
	}
	for range 17 {
		reserve()
	}
	for range 5 {
		instance.Advance(11 * time.Hour)
		entered := reserve()
		c := codes.Check{Name: entered.Entry.Name, Op: codes.NewOp(), Code: entered.Entry.Code, CountVerified: true}
		if _, err := store.Check(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		reserve()
	}
	expectUnverified(t, store, unverified(t, "12065551234", "all:40/24h"), redisstore.Standing{Kind: codes.AllLimit, Used: 3})
}

// TestUnverifiedInTheFuture: a message that is later than now, because the clock of Redis
// has stepped back, counts as now from its first sight, in shadow mode too.
func TestUnverifiedInTheFuture(t *testing.T) {
	for _, shadow := range []bool{false, true} {
		instance, prefix := redistest.Mini(t), freshPrefix()
		store := openStore(t, instance, prefix)
		r := unverified(t, "12065551234", "all:1/1m")
		mustReserve(t, store, r)
		key, day := prefix+"e{all}all", 24*time.Hour
		client := instance.Client()
		ahead := float64(time.Now().Add(day).UnixMilli())
		if err := client.ZAdd(t.Context(), key, redis.Z{Score: ahead, Member: string(r.Op[:])}).Err(); err != nil {
			t.Fatal(err)
		}
		second := unverified(t, "12065551235", "all:1/1m")
		second.Limits[0].Shadow = shadow
		_, _ = store.Reserve(t.Context(), second)
		if score := client.ZScore(t.Context(), key, string(r.Op[:])).Val(); score >= ahead {
			t.Errorf("shadow %v: the message is still a day ahead", shadow)
		}
	}
}
