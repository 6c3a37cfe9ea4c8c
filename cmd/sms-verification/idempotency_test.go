package main

import (
	"crypto/rand"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

func keyHeader(key string) string { return "Idempotency-Key: " + key }

// TestSameCreateOverReplicas: one key, many requests at once, one message.
func TestSameCreateOverReplicas(t *testing.T) {
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	fleet := replicas(t, environment(redis, sim))
	for round := range 3 {
		id, key := "id-"+strconv.Itoa(round), keyHeader(rand.Text())
		answers := inParallel(50, func(i int) *answer { return create(t, fleet[i%3].URL, id, anyone, key) })
		same := create(t, fleet[round].URL, id, anyone, key) // now it is over
		if same.status != http.StatusOK {
			t.Errorf("asked again: %d %s", same.status, same.raw)
		}
		for _, a := range answers {
			switch {
			case a.status == http.StatusOK && a.raw == same.raw:
			case a.status == http.StatusConflict && a.body.Reason == "IdempotencyConflict" && a.header.Get("Retry-After") != "":
			default:
				t.Errorf("answer %d %s", a.status, a.raw)
			}
		}
		if n := len(sim.Messages()); n != round+1 {
			t.Errorf("%d messages after %d requests", n, round+1)
		}
		if a := create(t, fleet[0].URL, "other", anyone, key); a.status != http.StatusUnprocessableEntity || a.body.Reason != "IdempotencyConflict" {
			t.Errorf("with other arguments: %d %s", a.status, a.raw)
		}
		if a := verify(t, fleet[1].URL, id, codeSent(t, sim, anyone)); a.status != http.StatusOK {
			t.Errorf("the code that was sent: %d %s", a.status, a.raw)
		}
	}
}

// TestSameCheckOverReplicas: one key, many checks at once, one attempt; and
// the same answer later on, whatever has become of the entry.
func TestSameCheckOverReplicas(t *testing.T) {
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	fleet := replicas(t, environment(redis, sim, "CODE_LENGTH=12", "GUESS_LIMITS=2/1h"))
	create(t, fleet[0].URL, "id", anyone)
	code := codeSent(t, sim, anyone)
	fifty := func(key, code string, status int) {
		t.Helper()
		var first *answer
		for _, a := range inParallel(50, func(i int) *answer { return verify(t, fleet[i%3].URL, "id", code, keyHeader(key)) }) {
			if a.status == http.StatusConflict && a.body.Reason == "IdempotencyConflict" {
				continue
			}
			if first == nil {
				first = a
			}
			if a.status != status || a.raw != first.raw {
				t.Errorf("answer %d %s, the first %s", a.status, a.raw, first.raw)
			}
		}
		if first == nil {
			t.Error("nobody got the answer")
		}
	}
	left := func(want int64) {
		t.Helper()
		if a := verify(t, fleet[0].URL, "id", otherCode(code)); a.body.AttemptsLeft == nil || *a.body.AttemptsLeft != want {
			t.Errorf("attempts left: %s, want %d", a.raw, want)
		}
	}
	fifty("wrong", otherCode(code), http.StatusBadRequest)
	create(t, fleet[0].URL, "second", anyone) // the fifty counted as one of two guesses
	if n := len(sim.Messages()); n != 2 {
		t.Errorf("%d messages", n)
	}
	left(1) // of three
	if a := create(t, fleet[0].URL, "third", anyone); a.body.Reason != "RateLimited" {
		t.Errorf("two guesses counted: %d %s", a.status, a.raw)
	}
	fifty("right", code, http.StatusOK)
	if a := verify(t, fleet[0].URL, "id", code); a.body.Reason != "UnknownAuthId" {
		t.Errorf("used twice: %d %s", a.status, a.raw)
	}
	time.Sleep(2500 * time.Millisecond) // longer than an op without a key is known
	fifty("right", code, http.StatusOK)
	fifty("wrong", otherCode(code), http.StatusBadRequest)
}

// TestSameCheckCountsOnce: a wrong code that comes again after the window of
// GUESS_LIMITS has forgotten it does not count anew.
func TestSameCheckCountsOnce(t *testing.T) {
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	p := serveReady(t, environment(redis, sim, "GUESS_LIMITS=1/1s"))
	create(t, p.URL, "id", anyone)
	wrong := otherCode(codeSent(t, sim, anyone))
	first := verify(t, p.URL, "id", wrong, keyHeader("k"))
	if a := create(t, p.URL, "second", anyone); a.body.Reason != "RateLimited" {
		t.Errorf("counted: %d %s", a.status, a.raw)
	}
	time.Sleep(1100 * time.Millisecond)
	if again := verify(t, p.URL, "id", wrong, keyHeader("k")); again.raw != first.raw {
		t.Errorf("first %s, then %s", first.raw, again.raw)
	}
	if a := create(t, p.URL, "second", anyone); a.status != http.StatusOK {
		t.Errorf("counted again: %d %s", a.status, a.raw)
	}
}

// TestKilledDuringCreate: what a replica that was killed had begun is in
// progress until its time is over, and is then run afresh, by another.
func TestKilledDuringCreate(t *testing.T) {
	const lease = time.Second // FLOWROUTE_TIMEOUT and FLOWROUTE_MAX_WAIT
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	fleet := replicas(t, environment(redis, sim, "FLOWROUTE_TIMEOUT=1s", "FLOWROUTE_MAX_WAIT=0s"))
	key := keyHeader(rand.Text())
	if err := sim.Fail(anyone, flowroutetest.Fault{Kind: flowroutetest.Hang, Times: 1}); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	lost := make(chan error, 1)
	go func() {
		_, err := request(http.MethodPost, fleet[0].URL+"/", `{"auth_id":"id","recipient":"`+anyone+`"}`, key)
		lost <- err
	}()
	eventually(t, 5*time.Second, "the message is on its way", func() bool { return sim.Requests().Requests == 1 })
	reached := time.Now()
	fleet[0].signal(syscall.SIGKILL)
	fleet[0].exit(t, 5*time.Second)
	if err := <-lost; err == nil {
		t.Fatal("the killed replica answered")
	}
	conflicts := 0
	for i := 1; ; i++ {
		asked := time.Now()
		a := create(t, fleet[1+i%2].URL, "id", anyone, key)
		if a.status == http.StatusOK {
			if over := time.Since(begun); over < lease {
				t.Errorf("run afresh after %v, the first may take %v", over, lease)
			}
			break
		}
		seconds, err := strconv.Atoi(a.header.Get("Retry-After"))
		if a.status != http.StatusConflict || a.body.Reason != "IdempotencyConflict" || err != nil || int64(seconds) != a.body.RetryAfter {
			t.Fatalf("answer %d %s", a.status, a.raw)
		}
		// It began before its message arrived, so its time is over before then.
		wait := time.Duration(seconds) * time.Second
		if latest := reached.Add(lease); asked.Add(wait).After(latest.Add(time.Second)) || asked.After(latest) {
			t.Fatalf("%v after the first began: come back in %v", asked.Sub(begun), wait)
		}
		if other := create(t, fleet[1].URL, "other", anyone, key); other.status != http.StatusUnprocessableEntity {
			t.Errorf("with other arguments: %d %s", other.status, other.raw)
		}
		conflicts++
		time.Sleep(wait)
	}
	if conflicts == 0 {
		t.Error("never in progress")
	}
	for i := range 4 {
		if a := create(t, fleet[1+i%2].URL, "id", anyone, key); a.status != http.StatusOK {
			t.Errorf("asked again: %d %s", a.status, a.raw)
		}
	}
	if n := len(sim.Messages()); n != 1 {
		t.Errorf("%d messages", n)
	}
	if a := verify(t, fleet[2].URL, "id", codeSent(t, sim, anyone)); a.status != http.StatusOK {
		t.Errorf("the fresh code: %d %s", a.status, a.raw)
	}
}

// TestKeysAtRest: neither a key nor what came with it can be read in Redis,
// and nothing of it stays.
func TestKeysAtRest(t *testing.T) {
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	const prefix, authID, key = "rest:", "id-of-alice@example.com", "a-key-to-be-found"
	p := serveReady(t, environment(redis, sim, "REDIS_KEY_PREFIX="+prefix, "CODE_LENGTH=12", "SEND_LIMITS=9/1h", "GUESS_LIMITS=9/1h", keyLine))
	headers := []string{keyHeader(key), "Authorization: Bearer test key"}
	const refused = "15005550422"
	create(t, p.URL, authID, anyone, headers...)
	code := codeSent(t, sim, anyone)
	verify(t, p.URL, authID, otherCode(code), headers...)
	get := do(t, http.MethodGet, p.URL+"/?auth_id="+authID+"&code="+code, "", headers...)
	if get.status != http.StatusOK {
		t.Fatalf("check: %d %s", get.status, get.raw)
	}
	verify(t, p.URL, "nobody-knows-"+authID, code, keyHeader(key+"-2"), headers[1])
	create(t, p.URL, authID, refused, keyHeader(key+"-3"), headers[1])
	dump := redis.Dump(t, prefix)
	for what, secret := range map[string]string{
		"key": key, "auth_id": authID, "number": anyone, "national number": anyone[1:], "number refused": refused,
		"code": code, "code without zeros": strings.TrimLeft(code, "0"), "wrong code": otherCode(code), "caller": "shop", "route": "POST /",
	} {
		if strings.Contains(dump, secret) {
			t.Errorf("%s in Redis", what)
		}
	}
	redis.NoKeyWithoutTTL(t, prefix)
	requests := 0
	for _, name := range redis.Keys(t, prefix) {
		switch kind, _, _ := strings.Cut(strings.TrimPrefix(name, prefix), "{"); kind {
		case "r":
			t.Errorf("a key for a saved reply: %s", name)
		case "i":
			requests++
			if ttl, err := redis.Client().PTTL(t.Context(), name).Result(); err != nil || ttl > 600*time.Second {
				t.Errorf("%s lives for %v, %v", name, ttl, err)
			}
		}
	}
	if requests != 5 {
		t.Errorf("%d requests are saved, want 5:\n%q", requests, dump)
	}
}
