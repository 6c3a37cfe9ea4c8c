package main

import (
	"strconv"
	"testing"
)

// TestRaceOverReplicas: three replicas over one Redis act as one.
func TestRaceOverReplicas(t *testing.T) {
	fleet, sim := services(t, 3)
	for round := range 5 {
		id := "wrong-" + strconv.Itoa(round)
		wrong := otherCode(sendCode(t, sim, fleet[0].URL, id, anyone))
		answers := inParallel(100, func(i int) *answer { return verify(t, fleet[i%3].URL, id, wrong) })
		if compared, unknown := count(answers, "InvalidAuthCode"), count(answers, "UnknownAuthId"); compared != 3 || unknown != 97 {
			t.Errorf("of 100 parallel wrong codes at RETRIES_ALLOWED=3 %d compared, %d unknown", compared, unknown)
		}

		id = "right-" + strconv.Itoa(round)
		right := sendCode(t, sim, fleet[1].URL, id, anyone)
		if n := count(inParallel(50, func(i int) *answer { return verify(t, fleet[i%3].URL, id, right) }), ""); n != 1 {
			t.Errorf("50 parallel right codes: %d accepted", n)
		}
	}
}
