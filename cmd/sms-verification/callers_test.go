package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// keysOf is the setting API_KEYS for callers whose key is their name. The caller
// shop has a second key, shop+2.
func keysOf(names ...string) string {
	var list []string
	for _, name := range append(names, "shop+2") {
		list = append(list, fmt.Sprintf("%s:%x", name[:4], sha256.Sum256([]byte(name))))
	}
	return "API_KEYS=" + strings.Join(list, ",")
}

// as is the header that authenticates a caller.
func as(key string) string { return "Authorization: Bearer " + key }

// TestCallersApart: no caller can read, replace, guess or delete an entry of
// another, on any replica. Two keys of one name are one caller.
func TestCallersApart(t *testing.T) {
	fleet, sim := services(t, 3, keysOf("shop", "bank"))
	const id, owner, attacker, key = "signup-1", "12065550111", "12065550122", "Idempotency-Key: k"
	status := func(p *process, caller string) *answer {
		return do(t, http.MethodGet, p.URL+"/status?auth_id="+id, "", as(caller))
	}
	code := sendCode(t, sim, fleet[0].URL, id, owner, as("shop"), key)

	attackers := sendCode(t, sim, fleet[1].URL, id, attacker, as("bank"), key)
	verify(t, fleet[2].URL, id, attackers, as("shop")).want(t, 400, "InvalidAuthCode")
	do(t, http.MethodDelete, fleet[0].URL+"/?auth_id="+id, "", as("bank"))
	status(fleet[0], "bank").want(t, 400, "UnknownAuthId")
	for range 5 {
		verify(t, fleet[0].URL, id, "000000000", as("bank")).want(t, 400, "UnknownAuthId")
	}
	status(fleet[1], "shop+2").want(t, 200, "").wantLeft(t, 2)
	verify(t, fleet[2].URL, id, code, as("shop+2")).want(t, 200, "")
}

// TestSharedIDs: with CALLER_IDS=shared all callers share their auth_ids.
func TestSharedIDs(t *testing.T) {
	p, sim := service(t, keysOf("shop", "bank"), "CALLER_IDS=shared")
	code := sendCode(t, sim, p.URL, "a", anyone, as("shop"))
	verify(t, p.URL, "a", code, as("bank")).want(t, 200, "")
}

// TestSessionSwap: the code that was sent to an attacker's phone does not verify the
// number that the attacker's session has changed to, when that number gets no message.
func TestSessionSwap(t *testing.T) {
	p, sim := service(t, "SEND_LIMITS=1/1h")
	const session, attacker, victim = "session-1", "12065550133", "12065550144"
	create(t, p.URL, "another", victim) // uses up the limit of the victim
	code := sendCode(t, sim, p.URL, session, attacker)
	create(t, p.URL, session, victim).want(t, 429, "RateLimited")
	body := `{"auth_id":"` + session + `","code":"` + code + `","recipient":"`
	do(t, http.MethodPost, p.URL+"/verify", body+victim+`"}`).want(t, 400, "UnknownAuthId")
	do(t, http.MethodPost, p.URL+"/verify", body+attacker+`"}`).want(t, 200, "")
}

// TestFairTurns: while one caller asks for ten times the rate, another that asks
// for a message a second is served.
func TestFairTurns(t *testing.T) {
	fleet, sim := services(t, 3, keysOf("shop", "bank"), "FLOWROUTE_RATE=5")
	ctx, stop := context.WithCancel(t.Context())
	var flood sync.WaitGroup
	flood.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			body := fmt.Sprintf(`{"auth_id":"flood-%d","recipient":"1425555%04d"}`, i, i)
			flood.Go(func() { _, _ = request(http.MethodPost, fleet[i%3].URL+"/", body, as("shop")) })
			time.Sleep(20 * time.Millisecond) // 50 a second
		}
	})
	time.Sleep(time.Second)
	served := 0
	for i := range 12 {
		began := time.Now()
		if create(t, fleet[i%3].URL, fmt.Sprint("quiet-", i), "12065550155", as("bank")).status == http.StatusOK {
			served++
		}
		time.Sleep(time.Until(began.Add(time.Second)))
	}
	stop()
	flood.Wait()
	if served < 11 {
		t.Errorf("%d of 12 messages of the quiet caller were sent", served)
	}
	var arrivals []time.Time
	for _, m := range sim.Messages() {
		arrivals = append(arrivals, m.At)
	}
	if most := mostWithin(arrivals, time.Second); most > 5 {
		t.Errorf("%d messages in a second", most)
	}
}
