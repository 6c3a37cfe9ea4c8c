package redisstore_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/redisstore"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// documentedKeys reads the table of keys from the package's documentation: a pattern of
// the whole key, and its type.
func documentedKeys(t *testing.T) map[*regexp.Regexp]string {
	t.Helper()
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	table := map[*regexp.Regexp]string{}
	const where = "([A-Za-z0-9_-]{8}|1[0-9]{3}|all)"
	for _, row := range regexp.MustCompile(`(?m)^//\t(\w\{\S+) +(string|hash|zset|list) `).FindAllStringSubmatch(string(doc), -1) {
		pattern := regexp.MustCompile("<(op|id)>").ReplaceAllString(regexp.QuoteMeta(row[1]), "[A-Za-z0-9_-]{11}")
		pattern = strings.ReplaceAll(pattern, "<tag>", "[A-Za-z0-9_-]{3}")
		pattern = strings.ReplaceAll(pattern, "<where>", where)
		pattern = regexp.MustCompile("<[a-z]+>").ReplaceAllString(pattern, "[A-Za-z0-9_-]{14}")
		table[regexp.MustCompile("^"+pattern+"$")] = row[2]
	}
	if len(table) < 5 {
		t.Fatalf("%d rows found in doc.go", len(table))
	}
	return table
}

// runKeys: all keys of the service have documented names and types, and hold nothing
// that identifies a person or a number.
func runKeys(t *testing.T, _ string, instance *redistest.Instance) {
	store, prefix := openPrepared(t, instance)
	secrets := useService(t, store)

	dump := instance.Dump(t, prefix)
	for _, s := range secrets {
		if strings.Contains(dump, s) {
			t.Errorf("%q is stored in clear text", s)
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
		elsewhere := `^r\{`
		if store.Split() {
			elsewhere = `^y\{`
		}
		if !seen[pattern] && !strings.HasPrefix(pattern.String(), elsewhere) {
			t.Errorf("no key is like %s in the documentation", pattern)
		}
	}
}

// useService does everything once, and returns the texts that Redis must not hold.
func useService(t *testing.T, store *redisstore.Store) (secrets []string) {
	t.Helper()
	const (
		id      = "alice@example.com"
		caller  = "caller-name"
		phone   = "12065551234"
		address = "203.0.113.77"
		behind  = "198.51.100.88"
		key     = "idempotency-key-1"
	)
	unverified, err := codes.ParseUnverified([]string{"exchange:9/1h", "area:9/1h+50%", "all:9/1h"})
	if err != nil {
		t.Fatal(err)
	}
	unverified.Mode = codes.UnverifiedShadow
	many := codestest.Windows(t, "99/1h")
	sender := &codestest.Sender{}
	service := newService(t, store, sender, codes.Limits{
		Sends: many, Guesses: many, Total: many, Callers: map[string][]codes.Window{"*": many}, Clients: many, Profile: many,
		Unverified: unverified, Pace: codes.Pace{Rate: 9, MaxWait: time.Second, Fair: true},
	})
	create := func(r codes.CreateRequest) codes.Code {
		t.Helper()
		if _, err := service.Create(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		m := sender.Messages()
		return codes.Code(m[len(m)-1].Text)
	}
	check := func(r codes.CheckRequest, want codes.Status) {
		t.Helper()
		if got, err := service.Check(t.Context(), r); err != nil || got.Status != want {
			t.Fatalf("Check = %v, %v", got, err)
		}
	}

	first := create(codes.CreateRequest{ID: id, Recipient: phone, Caller: caller, Client: behind, Key: codes.IdempotencyKey{Route: "POST /", Value: key}})
	for _, stage := range []codes.Stage{codes.StageDelivered, codes.StageFailed} {
		receipt := codes.Receipt{MessageID: codestest.MessageID(1), Content: fmt.Sprint("2:", stage), Stage: stage, Failure: codes.ByPhone}
		if result, err := service.Receive(t.Context(), receipt); err != nil || result != codes.Joined {
			t.Fatalf("Receive = %v, %v", result, err)
		}
	}
	wrong := codes.CheckRequest{ID: id, Code: "000000000001", Caller: caller, Key: codes.IdempotencyKey{Route: "POST /verify", Value: key}}
	check(wrong, codes.Wrong)
	wrong.Key = codes.IdempotencyKey{}
	check(wrong, codes.Wrong)

	second := create(codes.CreateRequest{ID: "other", Recipient: phone})
	if create(codes.CreateRequest{ID: "other", Recipient: phone}) != second {
		t.Fatal("the code was not sent again")
	}
	third := create(codes.CreateRequest{ID: "other", Recipient: "12065551235"}) // with a predecessor
	check(codes.CheckRequest{ID: "other", Code: third}, codes.Right)
	fourth := create(codes.CreateRequest{ID: "next", Recipient: phone}) // counts the code that was entered
	check(codes.CheckRequest{ID: "next", Code: fourth}, codes.Right)

	if err := store.CountFailure(t.Context(), service.Secret.Address(address), many[0]); err != nil {
		t.Fatal(err)
	}
	secrets = []string{id, "alice", phone, phone[1:], phone[:7], address, behind, key, codestest.MessageID(1)}
	for _, code := range []codes.Code{first, second} {
		secrets = append(secrets, string(code), strings.TrimLeft(string(code), "0"))
	}
	return secrets
}

// newService returns a service whose codes are too long to be a part of something else
// by chance.
func newService(t *testing.T, store *redisstore.Store, sender codes.Sender, limits codes.Limits) *codes.Service {
	t.Helper()
	return codes.NewService(codes.Options{
		Policy: codes.Policy{
			CodeLength: 12, Lifetime: time.Minute, Notice: time.Minute, Attempts: 5, Message: codestest.Template(t, "{code}"), SameCode: true,
			Limits: limits,
		},
		Secret: codes.NewHasher([]byte("secret")), Store: store, Sender: sender, SendTimeout: time.Minute, TrackReceipts: true,
	})
}

// runEntry: a live entry is one hash, whose TTL is its lifetime.
func runEntry(t *testing.T, name string, instance *redistest.Instance) {
	store, prefix := openPrepared(t, instance)
	r := withLifetime(newReservation(3), time.Hour)
	r.Entry.Notice = 0
	key := entryKey(prefix, r)
	var made time.Time // at the latest
	alive := func() {
		t.Helper()
		left, err := instance.Client().PTTL(t.Context(), key).Result()
		if least := r.Entry.Lifetime - time.Since(made) - 10*time.Millisecond; err != nil || left > r.Entry.Lifetime || left < least {
			t.Errorf("PTTL = %v, %v; want %v to %v", left, err, least, r.Entry.Lifetime)
		}
	}
	reserve := func() {
		t.Helper()
		r, made = again(r), time.Now()
		mustReserve(t, store, r)
	}
	reserve()
	alive()
	if name == "standalone" {
		t.Logf("an entry takes %d bytes", instance.Client().MemoryUsage(t.Context(), key).Val())
	}
	expect(t, store, r, codestest.Fresh(), wrongLeft(r, 2))
	alive() // spending an attempt does not extend it
	reserve()
	alive()
	instance.Advance(2100 * time.Millisecond) // the saved replies are gone
	keys := slices.DeleteFunc(instance.Keys(t, prefix), func(key string) bool { return strings.HasPrefix(key, prefix+"probe-") })
	if len(keys) != 1 || keys[0] != key {
		t.Errorf("keys %q, want the entry alone", keys)
	}
}

// entryKey returns the key of an entry.
func entryKey(prefix string, r codes.Reservation) string {
	id := r.Entry.Name.Current
	return prefix + "c{" + base64.RawURLEncoding.EncodeToString(id[:2]) + "}" + base64.RawURLEncoding.EncodeToString(id[2:])
}

// runNotices: old notices are removed.
func runNotices(t *testing.T, _ string, instance *redistest.Instance) {
	store, prefix := openPrepared(t, instance)
	long, short, last := newReservation(1), newReservation(1), newReservation(1)
	short.Entry.Lifetime, short.Entry.Notice = time.Second, time.Second
	// The names differ at their end only, so they have the same hash tag.
	short.Entry.Name, last.Entry.Name = long.Entry.Name, long.Entry.Name
	short.Entry.Name.Current[9]++
	last.Entry.Name.Current[9] += 2
	mustReserve(t, store, long)
	mustReserve(t, store, short)
	instance.Advance(2100 * time.Millisecond)
	last.Entry.Lifetime += 3 * time.Minute // so that the set needs a longer TTL
	mustReserve(t, store, last)
	id := last.Entry.Name.Current
	set := prefix + "x{" + base64.RawURLEncoding.EncodeToString(id[:2]) + "}"
	if n, err := instance.Client().ZCard(t.Context(), set).Result(); err != nil || n != 2 {
		t.Errorf("%d notices, %v; want the two that have not expired", n, err)
	}
	expect(t, store, last, last.Entry.Code, right)
	left, err := instance.Client().PTTL(t.Context(), entryKey(prefix, last)).Result()
	if err != nil || left <= 0 || left > 2*time.Second {
		t.Errorf("the saved replies of a used entry live for %v, %v; want 2s", left, err)
	}
}

// runReplies: old saved replies are removed, however often an entry is checked.
func runReplies(t *testing.T, backend string, instance *redistest.Instance) {
	if backend != "miniredis" {
		return // none of the hundreds of calls may be late, so it runs where nothing else does
	}
	store, prefix := openPrepared(t, instance)
	r := newReservation(3000)
	mustReserve(t, store, r)
	left := r.Entry.Attempts
	guess := func(times int) (fields int64) {
		t.Helper()
		for range times {
			left--
			expect(t, store, r, codestest.Fresh(), wrongLeft(r, left))
		}
		fields, err := instance.Client().HLen(t.Context(), entryKey(prefix, r)).Result()
		if err != nil {
			t.Fatal(err)
		}
		return fields
	}
	if n := guess(20); n != 21 {
		t.Errorf("%d fields after 20 wrong codes, want a reply for each", n)
	}
	c := checkOf(r, codestest.Fresh())
	left--
	for range 2 {
		if got, err := store.Check(t.Context(), c); err != nil || got.Outcome != wrongLeft(r, left) {
			t.Errorf("Check = %+v, %v", got, err)
		}
	}
	guess(600)
	instance.Advance(3100 * time.Millisecond)
	if n := guess(1200); n > 1300 {
		t.Errorf("%d fields after 1200 wrong codes in 2 s and 621 before: old replies are not removed", n)
	}
}

// runTotal: messages that have left all windows of the service's limits are removed.
func runTotal(t *testing.T, _ string, instance *redistest.Instance) {
	const places = 20
	store, prefix := openPrepared(t, instance)
	reserve := func(times int) {
		t.Helper()
		for range times {
			mustReserve(t, store, newReservation(1, total(t, "99/1s")))
		}
	}
	reserve(places)
	instance.Advance(600 * time.Millisecond)
	reserve(1) // or the set would expire
	instance.Advance(600 * time.Millisecond)
	reserve(places)
	if n, err := instance.Client().ZCard(t.Context(), prefix+"a{all}").Result(); err != nil || n > places+2 {
		t.Errorf("%d messages are kept, %v; want at most %d and the bound", n, err, places+1)
	}
}
