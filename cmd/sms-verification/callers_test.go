package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// keysOf is the setting API_KEYS for callers whose key is their name, and for
// shop a second one.
func keysOf(names ...string) string {
	list := ""
	for _, name := range append(names, "shop+2") {
		hash := sha256.Sum256([]byte(name))
		list += "," + name[:4] + ":" + hex.EncodeToString(hash[:])
	}
	return "API_KEYS=" + list[1:]
}

// as is the header of a caller.
func as(key string) string { return "Authorization: Bearer " + key }

// TestCallersApart: nothing of one caller can be seen, used up, replaced or
// deleted by another, over replicas. Several keys of one name are one caller.
func TestCallersApart(t *testing.T) {
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	fleet := replicas(t, environment(redis, sim, keysOf("shop", "bank")))
	const id, owner, attacker = "signup-1", "12065550111", "12065550122"
	create(t, fleet[0].URL, id, owner, as("shop"), "Idempotency-Key: k")
	code := codeSent(t, sim, owner)

	// The attacker makes an entry of the same id with a phone of his own.
	if a := create(t, fleet[1].URL, id, attacker, as("bank"), "Idempotency-Key: k"); a.status != http.StatusOK {
		t.Errorf("the same Idempotency-Key of another caller: %d %s", a.status, a.raw)
	}
	if a := verify(t, fleet[2].URL, id, codeSent(t, sim, attacker), as("shop")); a.body.Reason != "InvalidAuthCode" {
		t.Errorf("the code of the attacker's phone in the form of the other: %d %s", a.status, a.raw)
	}
	do(t, http.MethodDelete, fleet[0].URL+"/?auth_id="+id, "", as("bank"))
	if a := do(t, http.MethodGet, fleet[0].URL+"/status?auth_id="+id, "", as("bank")); a.body.Reason != "UnknownAuthId" {
		t.Errorf("status of another caller's entry: %d %s", a.status, a.raw)
	}
	for range 5 {
		if a := verify(t, fleet[0].URL, id, "000000000", as("bank")); a.body.Reason != "UnknownAuthId" {
			t.Errorf("a guess at another caller's entry: %d %s", a.status, a.raw)
		}
	}
	a := do(t, http.MethodGet, fleet[1].URL+"/status?auth_id="+id, "", as("shop+2"))
	if a.status != http.StatusOK || *a.body.AttemptsLeft != 2 {
		t.Errorf("status: %d %s, want 2 attempts left", a.status, a.raw)
	}
	if a := verify(t, fleet[2].URL, id, code, as("shop+2")); !a.body.Authenticated {
		t.Errorf("the right code with another key of the same name: %d %s", a.status, a.raw)
	}
}

// TestSharedIDs: with CALLER_IDS=shared all callers have one space of ids.
func TestSharedIDs(t *testing.T) {
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	p := serveReady(t, environment(redis, sim, keysOf("shop", "bank"), "CALLER_IDS=shared"))
	create(t, p.URL, "a", anyone, as("shop"))
	if a := verify(t, p.URL, "a", codeSent(t, sim, anyone), as("bank")); !a.body.Authenticated {
		t.Errorf("%d %s", a.status, a.raw)
	}
}

// TestSessionSwap: a code that was sent to the attacker's phone does not verify
// the number that his session has changed to.
func TestSessionSwap(t *testing.T) {
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	p := serveReady(t, environment(redis, sim, "SEND_LIMITS=1/1h"))
	const session, attacker, victim = "session-1", "12065550133", "12065550144"
	create(t, p.URL, "another", victim) // uses up the limit of the victim
	create(t, p.URL, session, attacker)
	if a := create(t, p.URL, session, victim); a.status != http.StatusTooManyRequests {
		t.Fatalf("%d %s", a.status, a.raw)
	}
	code := codeSent(t, sim, attacker)
	demand := func(recipient string) *answer {
		return do(t, http.MethodPost, p.URL+"/verify", fmt.Sprintf(`{"auth_id":%q,"code":%q,"recipient":%q}`, session, code, recipient))
	}
	if a := demand(victim); a.body.Reason != "UnknownAuthId" {
		t.Errorf("the attacker's code for the victim's number: %d %s", a.status, a.raw)
	}
	if a := demand(attacker); !a.body.Authenticated {
		t.Errorf("the code for its own number: %d %s", a.status, a.raw)
	}
}

// TestCallerLimits: a caller gets no more messages than its limit over all
// replicas, and another is not affected.
func TestCallerLimits(t *testing.T) {
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	fleet := replicas(t, environment(redis, sim, keysOf("shop", "bank", "club"), "CALLER_LIMITS=shop:3/1h,*:2/1h"))
	for key, want := range map[string]int{"shop": 3, "bank": 2, "club": 2} {
		answers := inParallel(20, func(i int) *answer {
			return create(t, fleet[i%3].URL, fmt.Sprint(key, i), fmt.Sprintf("1206%d55%04d", want, i), as(key))
		})
		passed := 0
		for _, a := range answers {
			if a.status == http.StatusOK {
				passed++
			} else if a.body.Limit != fmt.Sprintf("CALLER_LIMITS %d/1h", want) {
				t.Errorf("%s: %d %s", key, a.status, a.raw)
			}
		}
		if passed != want {
			t.Errorf("%d messages of %s, want %d", passed, key, want)
		}
	}
}

// TestClientLimits: a client gets no more messages than its limit over all
// replicas and numbers, and another client or caller is not affected.
func TestClientLimits(t *testing.T) {
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	env := environment(redis, sim, keysOf("shop", "bank"), "CLIENT_LIMITS=2/1h")
	fleet := []*process{serveReady(t, env), serveReady(t, env)}
	for n, of := range []struct{ caller, client string }{{"shop", "2001:db8::"}, {"shop", "2001:db8:0:1::"}, {"bank", "2001:db8::"}} {
		answers := inParallel(20, func(i int) *answer {
			client := fmt.Sprintf(`,"client":"%s%x"`, of.client, i+1) // all in one network
			return createUnder(t, fleet[i%2].URL, "", fmt.Sprint(n, i), fmt.Sprintf("1206%d55%04d", n+2, i), client, as(of.caller))
		})
		passed := 0
		for _, a := range answers {
			if a.status == http.StatusOK {
				passed++
			} else if a.status != http.StatusTooManyRequests || a.body.Limit != "CLIENT_LIMITS 2/1h" {
				t.Errorf("%v: %d %s", of, a.status, a.raw)
			}
		}
		if passed != 2 {
			t.Errorf("%d messages of %v, want 2", passed, of)
		}
	}
}

// TestFairTurns: while one caller asks for ten times the rate, another that asks
// for a message a second is served.
func TestFairTurns(t *testing.T) {
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	fleet := replicas(t, environment(redis, sim, keysOf("shop", "bank"), "FLOWROUTE_RATE=5"))
	stop, flooded := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(flooded)
		inParallel(10, func(w int) *answer {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return nil
				case <-time.After(200 * time.Millisecond): // 50 a second
					go func() {
						_, _ = request(http.MethodPost, fleet[(w+i)%3].URL+"/",
							fmt.Sprintf(`{"auth_id":"flood-%d-%d","recipient":"1425555%04d"}`, w, i, i), as("shop"))
					}()
				}
			}
		})
	}()
	time.Sleep(time.Second)
	served := 0
	for i := range 12 {
		begun := time.Now()
		if a := create(t, fleet[i%3].URL, fmt.Sprint("quiet-", i), "12065550155", as("bank")); a.status == http.StatusOK {
			served++
		}
		time.Sleep(time.Until(begun.Add(time.Second)))
	}
	close(stop)
	<-flooded
	if served < 11 {
		t.Errorf("%d of 12 messages of the quiet caller were sent", served)
	}
	if most := mostWithin(arrivals(sim), time.Second); most > 5 {
		t.Errorf("%d messages in a second", most)
	}
}

// arrivals are the times at which messages came.
func arrivals(sim *flowroutetest.Server) (times []time.Time) {
	for _, m := range sim.Messages() {
		times = append(times, m.At)
	}
	return times
}
