package redisstore_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/redisstore"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// documentedKeys reads the table of keys out of the package's documentation:
// a pattern of the whole key, and its type.
func documentedKeys(t *testing.T) map[*regexp.Regexp]string {
	t.Helper()
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	table := map[*regexp.Regexp]string{}
	for _, row := range regexp.MustCompile(`(?m)^//\t(\w\{\S+) +(string|hash|zset) `).FindAllStringSubmatch(string(doc), -1) {
		pattern := regexp.MustCompile("<(op|id)>").ReplaceAllString(regexp.QuoteMeta(row[1]), "[A-Za-z0-9_-]{11}")
		pattern = strings.ReplaceAll(pattern, "<tag>", "[A-Za-z0-9_-]{3}")
		pattern = regexp.MustCompile("<[a-z]+>").ReplaceAllString(pattern, "[A-Za-z0-9_-]{14}")
		table[regexp.MustCompile("^"+pattern+"$")] = row[2]
	}
	if len(table) < 5 {
		t.Fatalf("%d rows found in doc.go", len(table))
	}
	return table
}

// runKeys: whatever the service does, it leaves keys of the documented names,
// and nothing in them that a person or a number could be known by.
func runKeys(t *testing.T, _ string, instance *redistest.Instance) {
	prefix := freshPrefix()
	store := openURL(t, instance.URL, instance.Mode, prefix, codes.Limits{
		Sends: codestest.Windows(t, "9/1h"), Guesses: codestest.Windows(t, "9/1h"), Total: codestest.Windows(t, "99/1h"), Rate: 9,
	})
	prepare(t, store)
	secrets := useService(t, store)

	dump := instance.Dump(t, prefix)
	for _, s := range secrets {
		if strings.Contains(dump, s) {
			t.Errorf("%q is stored in the clear", s)
		}
	}
	instance.NoKeyWithoutTTL(t, prefix)
	table := documentedKeys(t)
	seen := map[*regexp.Regexp]bool{}
	for _, key := range instance.Keys(t, prefix) {
		if strings.HasPrefix(key, prefix+"probe-") {
			continue
		}
		kind, err := instance.Client().Type(t.Context(), key).Result()
		if err != nil {
			t.Fatal(err)
		}
		known := false
		for pattern, want := range table {
			if pattern.MatchString(strings.TrimPrefix(key, prefix)) && (kind == want || kind == "none") {
				seen[pattern], known = true, true
			}
		}
		if !known {
			t.Errorf("%s (%s) is not in the documentation", key, kind)
		}
	}
	for pattern := range table {
		if !seen[pattern] {
			t.Errorf("no key is like %s in the documentation", pattern)
		}
	}
}

// useService does everything once, and returns what must not be seen.
func useService(t *testing.T, store *redisstore.Store) (secrets []string) {
	t.Helper()
	const (
		id      = "alice@example.com"
		phone   = "12065551234"
		address = "203.0.113.77"
		key     = "idempotency-key-1"
		code    = 12 // digits: more than a time or a score has by chance
	)
	message, err := codes.ParseTemplate("{code}")
	if err != nil {
		t.Fatal(err)
	}
	hasher, sender := codes.NewHasher([]byte("secret")), &codestest.Sender{}
	service := codes.NewOnce(codes.NewService(codes.Rules{
		CodeLength: code, Expiration: time.Minute, Notice: time.Minute, Attempts: 5, Message: message,
	}, hasher, nil, store, store, sender).WithReceipts(store), store, time.Minute)
	request := codes.Key{Caller: "caller-name", Route: "POST /", Value: key}
	if _, err := service.CreateOnce(t.Context(), request, id, phone); err != nil {
		t.Fatal(err)
	}
	for _, stage := range []codes.Stage{codes.Delivered, codes.Failed} {
		received, err := service.Receive(t.Context(), codes.Receipt{
			MessageID: codestest.MessageID(1), Content: fmt.Sprint("2:", stage), Stage: stage, Failure: codes.ByPhone,
		})
		if err != nil || !received.Known {
			t.Fatalf("Receive = %+v, %v", received, err)
		}
	}
	if _, err := service.Create(t.Context(), "other", phone); err != nil { // the place of the first is given back
		t.Fatal(err)
	}
	if got, err := service.Progress(t.Context(), id); err != nil || got.Stage != codes.Failed {
		t.Fatalf("Progress = %+v, %v", got, err)
	}
	sent := string(sender.Messages()[0].Text)
	request.Route = "POST /verify"
	if got, err := service.VerifyOnce(t.Context(), request, id, "000000000001"); err != nil || got.Status != codes.Wrong {
		t.Fatalf("VerifyOnce = %v, %v", got, err)
	}
	if got, err := service.Verify(t.Context(), id, "000000000001"); err != nil || got.Status != codes.Wrong {
		t.Fatalf("Verify = %v, %v", got, err)
	}
	if rest, err := service.Cancel(t.Context(), "other"); err != nil || rest == 0 {
		t.Fatalf("Cancel = %v, %v", rest, err)
	}
	window := codestest.Windows(t, "1/1m")[0]
	if err := store.TakeFailure(t.Context(), hasher.Address(address), window); err != nil {
		t.Fatal(err)
	}
	var full *codes.LimitError
	if err := store.TakeFailure(t.Context(), hasher.Address(address), window); !errors.As(err, &full) {
		t.Fatalf("TakeFailure = %v", err)
	}
	return []string{id, "alice", phone, phone[1:], address, key, "caller-name", codestest.MessageID(1), sent, strings.TrimLeft(sent, "0")}
}

// runEntry: a live entry is one hash that lives exactly as long as it is said to.
func runEntry(t *testing.T, name string, instance *redistest.Instance) {
	prefix := freshPrefix()
	store := openURL(t, instance.URL, instance.Mode, prefix, codes.Limits{})
	e := newEntry(3)
	e.Expiration, e.Notice = time.Hour, 0
	tag, rest := base64.RawURLEncoding.EncodeToString(e.ID[:2]), base64.RawURLEncoding.EncodeToString(e.ID[2:])
	key := prefix + "e{" + tag + "}" + rest
	var made time.Time // or a little before
	alive := func() {
		t.Helper()
		left, err := instance.Client().PTTL(t.Context(), key).Result()
		if least := e.Expiration - time.Since(made) - 10*time.Millisecond; err != nil || left > e.Expiration || left < least {
			t.Errorf("PTTL = %v, %v; want %v to %v", left, err, least, e.Expiration)
		}
	}
	put := func() {
		t.Helper()
		e.Op, made = codes.NewOp(), time.Now()
		if _, err := store.Put(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	put()
	alive()
	if _, err := store.Try(t.Context(), codes.Try{ID: e.ID, Code: codestest.Fresh(), Op: codes.NewOp()}); err != nil {
		t.Fatal(err)
	}
	alive() // spending an attempt does not prolong it
	e.Expiration = 10 * time.Minute
	put()
	alive()
	if keys := instance.Keys(t, prefix); len(keys) != 1 || keys[0] != key {
		t.Errorf("keys %q, want the entry alone", keys)
	}
	if name == "standalone" {
		t.Logf("an entry takes %d bytes", instance.Client().MemoryUsage(t.Context(), key).Val())
	}
}

// runNotices: what is kept beside entries does not pile up.
func runNotices(t *testing.T, _ string, instance *redistest.Instance) {
	prefix := freshPrefix()
	store := openURL(t, instance.URL, instance.Mode, prefix, codes.Limits{})
	long, short, last := newEntry(1), newEntry(1), newEntry(1)
	short.Expiration, short.Notice = time.Second, time.Second
	short.ID, last.ID = long.ID, long.ID // but for the end, so with the same hash tag
	short.ID[len(short.ID)-1]++
	last.ID[len(last.ID)-1] += 2
	put := func(e codes.Entry) {
		t.Helper()
		if _, err := store.Put(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	put(long)
	put(short)
	instance.Advance(2100 * time.Millisecond)
	last.Expiration = long.Expiration + 2*time.Minute // what is over goes when the life of the rest is prolonged
	put(last)
	tag, rest := base64.RawURLEncoding.EncodeToString(last.ID[:2]), base64.RawURLEncoding.EncodeToString(last.ID[2:])
	set := prefix + "x{" + tag + "}"
	if n, err := instance.Client().ZCard(t.Context(), set).Result(); err != nil || n != 2 {
		t.Errorf("%d notices, %v; want those that count", n, err)
	}
	short.Op = codes.NewOp()
	put(short)
	instance.Advance(2100 * time.Millisecond)
	short.ID[len(short.ID)-1] += 5
	put(short) // what is over goes also where others live for longer
	if n, err := instance.Client().ZCard(t.Context(), set).Result(); err != nil || n != 3 {
		t.Errorf("%d notices, %v; want those that count", n, err)
	}
	if got, err := store.Try(t.Context(), codes.Try{ID: last.ID, Code: last.Code, Op: codes.NewOp()}); err != nil || got.Status != codes.Right {
		t.Fatalf("Try = %+v, %v", got, err)
	}
	left, err := instance.Client().PTTL(t.Context(), prefix+"e{"+tag+"}"+rest).Result()
	if err != nil || left <= 0 || left > 2*time.Second {
		t.Errorf("the notes of a used entry live for %v, %v; want 2s", left, err)
	}
}

// runNotes: what operations came to is forgotten, also while their entry lives.
func runNotes(t *testing.T, _ string, instance *redistest.Instance) {
	prefix := freshPrefix()
	store := openURL(t, instance.URL, instance.Mode, prefix, codes.Limits{})
	e := newEntry(100)
	if _, err := store.Put(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	guess := func(times int) (fields int64) {
		t.Helper()
		for range times {
			if _, err := store.Try(t.Context(), codes.Try{ID: e.ID, Code: codestest.Fresh(), Op: codes.NewOp()}); err != nil {
				t.Fatal(err)
			}
		}
		tag, rest := base64.RawURLEncoding.EncodeToString(e.ID[:2]), base64.RawURLEncoding.EncodeToString(e.ID[2:])
		fields, err := instance.Client().HLen(t.Context(), prefix+"e{"+tag+"}"+rest).Result()
		if err != nil {
			t.Fatal(err)
		}
		return fields
	}
	if n := guess(20); n != 21 {
		t.Errorf("%d fields after 20 wrong codes, want a note of each", n)
	}
	instance.Advance(3100 * time.Millisecond)
	if n := guess(11); n != 12 { // at 32 fields the old ones go
		t.Errorf("%d fields after 11 more, want those of the last moments", n)
	}
}

// runTotal: messages that no limit of the service sees any more do not pile up.
func runTotal(t *testing.T, _ string, instance *redistest.Instance) {
	const takes = 20 // more than between two sweeps
	prefix := freshPrefix()
	store := openURL(t, instance.URL, instance.Mode, prefix, codes.Limits{Total: codestest.Windows(t, "99/1s")})
	take := func(times int) {
		t.Helper()
		for range times {
			if _, err := store.Take(t.Context(), codes.Place{Op: codes.NewOp()}); err != nil {
				t.Fatal(err)
			}
		}
	}
	take(takes)
	instance.Advance(600 * time.Millisecond)
	take(1) // or the log would be gone
	instance.Advance(600 * time.Millisecond)
	take(takes)
	if n, err := instance.Client().ZCard(t.Context(), prefix+"t{all}").Result(); err != nil || n > takes+1 {
		t.Errorf("%d messages are kept, %v; want at most %d", n, err, takes+1)
	}
}
