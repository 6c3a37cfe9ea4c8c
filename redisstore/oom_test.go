package redisstore_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/redisstore"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// TestOutOfMemory: a Redis that takes no more writes compares nothing for
// free. It may still remove.
func TestOutOfMemory(t *testing.T) {
	t.Parallel()
	instance := redistest.Server(t, "maxmemory-policy noeviction")
	prefix := freshPrefix()
	store := openURL(t, instance.URL, instance.Mode, prefix,
		codes.Limits{Sends: codestest.Windows(t, "1/1h"), Guesses: codestest.Windows(t, "1/1h")})
	service := openURL(t, instance.URL, instance.Mode, prefix, codes.Limits{Total: codestest.Windows(t, "1/1h"), Rate: 1})
	prepare(t, store)
	prepare(t, service)
	e, last, dropped, over := newEntry(3), newEntry(1), newEntry(3), newEntry(3)
	over.Expiration = time.Second
	for _, entry := range []codes.Entry{e, last, dropped, over} {
		if _, err := store.Put(t.Context(), entry); err != nil {
			t.Fatal(err)
		}
	}
	instance.Advance(over.Expiration)
	try := func(id, code codes.Digest) (codes.Outcome, error) {
		return store.Try(t.Context(), codes.Try{ID: id, Code: code, Op: codes.NewOp()})
	}
	take := func(s *redisstore.Store) error {
		_, err := s.Take(t.Context(), codes.Place{Recipient: e.Recipient, Op: codes.NewOp()})
		return err
	}
	replaced := newEntry(9)
	replaced.ID = e.ID
	claim := codes.Claim{Op: codes.NewOp()}
	message := codes.SentMessage{Message: codestest.Fresh(), Keep: time.Hour}
	rejected := codes.Note{
		Receipt: codes.Receipt{Content: "2:failed:", Stage: codes.Failed}, Message: message.Message, Op: codes.NewOp(), Keep: time.Hour,
	}
	refused := []func() error{
		func() error { _, err := try(e.ID, e.Code); return err },
		func() error { _, err := try(e.ID, codestest.Fresh()); return err },
		func() error { _, err := try(last.ID, codestest.Fresh()); return err },
		func() error { _, err := try(over.ID, over.Code); return err },
		func() error { _, err := store.Put(t.Context(), replaced); return err },
		func() error { return take(store) },
		func() error { return take(service) },
		func() error {
			return store.CountWrong(t.Context(), codes.Place{Recipient: e.Recipient, Op: codes.NewOp()})
		},
		func() error { _, _, err := store.Claim(t.Context(), claim); return err },
		func() error { _, err := store.Receive(t.Context(), rejected); return err },
		func() error { _, err := store.Sent(t.Context(), message); return err },
	}

	free := fillUp(t, instance)
	together(refused, func(call func() error) {
		if err := call(); !errors.Is(err, codes.ErrUnavailable) || !strings.Contains(err.Error(), "OOM") {
			t.Errorf("%v, want out of memory", err)
		}
	})
	if _, err := store.Delete(t.Context(), codes.Deletion{ID: dropped.ID, Op: codes.NewOp()}); err != nil {
		t.Errorf("Delete = %v", err)
	}
	free()
	if err := instance.Client().ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}

	for _, step := range []struct {
		id, code codes.Digest
		want     codes.Outcome
	}{
		{e.ID, codestest.Fresh(), wrongLeft(e, 2)},
		{e.ID, e.Code, right},
		{last.ID, last.Code, right},
		{over.ID, over.Code, expired},
		{dropped.ID, dropped.Code, unknown},
	} {
		if got, err := try(step.id, step.code); err != nil || codestest.Answer(got) != step.want {
			t.Errorf("Try = %+v, %v; want %+v", got, err, step.want)
		}
	}
	for _, s := range []*redisstore.Store{store, service} { // no place is taken, and no wrong code counted
		if err := take(s); err != nil {
			t.Errorf("Take = %v", err)
		}
	}
	if _, op, err := store.Claim(t.Context(), claim); err != nil || op != claim.Op {
		t.Errorf("Claim = %v, %v", op, err)
	}
	if news, err := store.Sent(t.Context(), message); err != nil || news.Failed {
		t.Errorf("Sent = %+v, %v", news, err)
	}
}

// fillUp makes the server refuse all writes that need memory. The function
// it returns ends that.
func fillUp(t *testing.T, i *redistest.Instance) (free func()) {
	t.Helper()
	const megabyte = 1 << 20
	used := info(t, i, "memory", `used_memory:(\d+)`)
	c := i.Client()
	if err := c.ConfigSet(t.Context(), "maxmemory", strconv.Itoa(used+megabyte)).Err(); err != nil {
		t.Fatal(err)
	}
	// Far more than what connections that come and go may set free.
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
