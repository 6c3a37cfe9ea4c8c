package redisstore_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// TestOutOfMemory: a Redis that refuses writes compares no code without counting it. It
// still removes entries.
func TestOutOfMemory(t *testing.T) {
	t.Parallel()
	instance := redistest.Server(t, "maxmemory-policy noeviction")
	store, _ := openPrepared(t, instance)
	entry, last, dropped, over := newReservation(3), newReservation(1), newReservation(3), withLifetime(newReservation(3), time.Second)
	for _, r := range []codes.Reservation{entry, last, dropped, over} {
		mustReserve(t, store, r)
	}
	instance.Advance(over.Entry.Lifetime)
	limited := newReservation(3, sends(t, "1/1h"), guesses(t, "1/1h"), total(t, "1/1h"))
	limited.Pace = codes.Pace{Rate: 1, MaxWait: time.Minute}
	guess := func(r codes.Reservation, code codes.Digest) error {
		_, err := store.Check(t.Context(), guessOf(r, code, limited.Limits[1].Windows))
		return err
	}
	reserve := func(r codes.Reservation) error { _, err := store.Reserve(t.Context(), r); return err }
	claim := codes.Claim{Op: codes.NewOp()}
	message := codes.SentMessage{Message: codestest.Fresh(), Keep: time.Hour}
	rejected := receiptOf(message, codes.StageFailed)
	refused := []func() error{
		func() error { return guess(entry, entry.Entry.Code) },
		func() error { return guess(entry, codestest.Fresh()) },
		func() error { return guess(last, codestest.Fresh()) },
		func() error { return guess(over, over.Entry.Code) },
		func() error { return reserve(again(entry)) },
		func() error { return reserve(again(limited)) },
		func() error { _, err := store.NextTurn(t.Context(), newTurn()); return err },
		func() error { _, _, err := store.Claim(t.Context(), claim); return err },
		func() error { _, err := store.Receive(t.Context(), rejected); return err },
		func() error { _, err := store.RecordSent(t.Context(), message); return err },
	}

	free := fillUp(t, instance)
	together(refused, func(call func() error) {
		if err := call(); !errors.Is(err, codes.ErrUnavailable) || !strings.Contains(err.Error(), "OOM") {
			t.Errorf("%v, want out of memory", err)
		}
	})
	if ttl, err := store.Cancel(t.Context(), codes.Cancel{Name: dropped.Entry.Name, Op: codes.NewOp()}); err != nil || ttl == 0 {
		t.Errorf("Cancel = %v, %v", ttl, err)
	}
	free()
	if err := instance.Client().ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}

	expect(t, store, entry, codestest.Fresh(), wrongLeft(entry, 2))
	expect(t, store, entry, entry.Entry.Code, right)
	expect(t, store, last, last.Entry.Code, right)
	expect(t, store, over, over.Entry.Code, expired)
	expect(t, store, dropped, dropped.Entry.Code, unknown)
	if reserved := mustReserve(t, store, limited); time.Until(reserved.Turn.Begin) > 0 { // no message, turn or guess was counted before
		t.Errorf("the turn is %v off", time.Until(reserved.Turn.Begin))
	}
	if _, op, err := store.Claim(t.Context(), claim); err != nil || op != claim.Op {
		t.Errorf("Claim = %v, %v", op, err)
	}
	if events, err := store.RecordSent(t.Context(), message); err != nil || events.Failed {
		t.Errorf("RecordSent = %+v, %v", events, err)
	}
}

// fillUp makes the server refuse all writes that need memory, until free is called.
func fillUp(t *testing.T, i *redistest.Instance) (free func()) {
	t.Helper()
	const megabyte = 1 << 20
	used := info(t, i.Nodes[0], "memory", `used_memory:(\d+)`)
	c := i.Client()
	if err := c.ConfigSet(t.Context(), "maxmemory", strconv.Itoa(used+megabyte)).Err(); err != nil {
		t.Fatal(err)
	}
	// Far more than what closed connections may free.
	if err := c.SetRange(t.Context(), "filler", 8*megabyte, "x").Err(); err != nil {
		t.Fatal(err)
	}
	if err := c.Set(t.Context(), "more", "x", 0).Err(); err == nil || !strings.HasPrefix(err.Error(), "OOM") {
		t.Fatalf("SET = %v, want out of memory", err)
	}
	return func() {
		t.Helper()
		if err := c.Del(t.Context(), "filler").Err(); err != nil {
			t.Fatal(err)
		}
	}
}
