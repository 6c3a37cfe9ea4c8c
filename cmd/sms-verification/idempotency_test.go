package main

import (
	"crypto/rand"
	"net/http"
	"strconv"
	"testing"
	"time"
)

func keyHeader(key string) string { return "Idempotency-Key: " + key }

// TestSameCreateOverReplicas: of many creates at once with one key one message is
// sent, and all get its answer or 409.
func TestSameCreateOverReplicas(t *testing.T) {
	fleet, sim := services(t, 3)
	for round := range 3 {
		id, key := "id-"+strconv.Itoa(round), keyHeader(rand.Text())
		answers := inParallel(50, func(i int) *answer { return create(t, fleet[i%3].URL, id, anyone, key) })
		same := create(t, fleet[round].URL, id, anyone, key).want(t, 200, "")
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
		create(t, fleet[0].URL, "other", anyone, key).want(t, 422, "IdempotencyConflict")
		verify(t, fleet[1].URL, id, codeSent(t, sim, anyone)).want(t, 200, "")
	}
}

// TestSameCheckOverReplicas: many checks at once with one key spend one attempt,
// and later ones get the same answer, whatever has become of the entry.
func TestSameCheckOverReplicas(t *testing.T) {
	fleet, sim := services(t, 3, "CODE_LENGTH=12", "GUESS_LIMITS=2/1h")
	code := sendCode(t, sim, fleet[0].URL, "id", anyone)
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
	fifty("wrong", otherCode(code), http.StatusBadRequest)
	create(t, fleet[0].URL, "second", anyone).want(t, 200, "")    // the fifty counted as one of two guesses
	verify(t, fleet[0].URL, "id", otherCode(code)).wantLeft(t, 1) // and as one of three attempts
	create(t, fleet[0].URL, "third", anyone).want(t, 429, "RateLimited")
	fifty("right", code, http.StatusOK)
	verify(t, fleet[0].URL, "id", code).want(t, 400, "UnknownAuthId")
	time.Sleep(2500 * time.Millisecond) // longer than a check without a key is remembered
	fifty("right", code, http.StatusOK)
	fifty("wrong", otherCode(code), http.StatusBadRequest)
}
