package main

import (
	"crypto/rand"
	"net/http"
	"strconv"
	"testing"
	"time"
)

func keyHeader(key string) string { return "Idempotency-Key: " + key }

// sameAnswer returns the answer that each request got that did not get 409.
func sameAnswer(t *testing.T, answers []*answer) (same *answer) {
	t.Helper()
	for _, a := range answers {
		switch {
		case a.status == http.StatusConflict && a.body.Reason == "IdempotencyConflict" && a.header.Get("Retry-After") != "":
		case same == nil:
			same = a
		case a.status != same.status || a.raw != same.raw:
			t.Errorf("answer %d %s, another %d %s", a.status, a.raw, same.status, same.raw)
		}
	}
	if same == nil {
		t.Fatal("nobody got the answer")
	}
	return same
}

// TestSameCreateOverReplicas: of many creates at once with one key one message is
// sent, and all get its answer or 409.
func TestSameCreateOverReplicas(t *testing.T) {
	fleet, sim := services(t, 3)
	for round := range 3 {
		id, key := "id-"+strconv.Itoa(round), keyHeader(rand.Text())
		answers := inParallel(50, func(i int) *answer { return create(t, fleet[i%3].URL, id, anyone, key) })
		sameAnswer(t, append(answers, create(t, fleet[round].URL, id, anyone, key).want(t, 200, "")))
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
	fifty := func(key, code string) *answer {
		t.Helper()
		return sameAnswer(t, inParallel(50, func(i int) *answer { return verify(t, fleet[i%3].URL, "id", code, keyHeader(key)) }))
	}
	fifty("wrong", otherCode(code)).want(t, 400, "InvalidAuthCode").wantLeft(t, 2)
	create(t, fleet[0].URL, "second", anyone).want(t, 200, "")    // the fifty counted as one of two guesses
	verify(t, fleet[0].URL, "id", otherCode(code)).wantLeft(t, 1) // and as one of three attempts
	create(t, fleet[0].URL, "third", anyone).want(t, 429, "RateLimited")
	fifty("right", code).want(t, 200, "")
	verify(t, fleet[0].URL, "id", code).want(t, 400, "UnknownAuthId")
	time.Sleep(2500 * time.Millisecond) // longer than a check without a key is remembered
	fifty("right", code).want(t, 200, "")
	fifty("wrong", otherCode(code)).want(t, 400, "InvalidAuthCode").wantLeft(t, 2)
}
