package main

import (
	"crypto/rand"
	"net/http"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
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

// TestKilledDuringCreate: the request of a replica that was killed stays in
// progress until its deadline. Then another replica runs it afresh.
func TestKilledDuringCreate(t *testing.T) {
	const lease = time.Second // FLOWROUTE_TIMEOUT and FLOWROUTE_MAX_WAIT
	fleet, sim := services(t, 3, "FLOWROUTE_TIMEOUT=1s", "FLOWROUTE_MAX_WAIT=0s")
	key := keyHeader(rand.Text())
	fail(t, sim, anyone, flowroutetest.Fault{Kind: flowroutetest.Hang, Times: 1})
	began := time.Now()
	lost := make(chan error, 1)
	go func() {
		_, err := request(http.MethodPost, fleet[0].URL+"/", `{"auth_id":"id","recipient":"`+anyone+`"}`, key)
		lost <- err
	}()
	eventually(t, 5*time.Second, "the request is at Flowroute", func() bool { return sim.Requests().Requests == 1 })
	latest := time.Now().Add(lease)
	fleet[0].signal(syscall.SIGKILL)
	if err := <-lost; err == nil {
		t.Fatal("the killed replica answered")
	}
	conflicts := 0
	for asked := time.Now(); ; asked = time.Now() {
		a := create(t, fleet[1].URL, "id", anyone, key)
		if a.status == http.StatusOK {
			break
		}
		wait := time.Duration(a.body.RetryAfter) * time.Second
		a.want(t, 409, "IdempotencyConflict")
		if a.header.Get("Retry-After") != strconv.FormatInt(a.body.RetryAfter, 10) || asked.Add(wait).After(latest.Add(time.Second)) || asked.After(latest) {
			t.Fatalf("after %v: retry in %v", asked.Sub(began), wait)
		}
		create(t, fleet[1].URL, "other", anyone, key).want(t, 422, "IdempotencyConflict")
		conflicts++
		time.Sleep(50 * time.Millisecond) // sooner than Retry-After says, to see when the lease ends
	}
	if took := time.Since(began); took < lease || conflicts == 0 {
		t.Errorf("run afresh after %v and %d conflicts; the first may take %v", took, conflicts, lease)
	}
	create(t, fleet[2].URL, "id", anyone, key).want(t, 200, "")
	if n := len(sim.Messages()); n != 1 {
		t.Errorf("%d messages", n)
	}
	verify(t, fleet[2].URL, "id", codeSent(t, sim, anyone)).want(t, 200, "")
}
