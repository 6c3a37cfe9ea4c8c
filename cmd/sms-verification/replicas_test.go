package main

import (
	"net/http"
	"strconv"
	"sync"
	"testing"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// TestRaceOverReplicas: three replicas of the program behind one Redis act as one.
func TestRaceOverReplicas(t *testing.T) {
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	env := environment(redis, sim)
	replicas := []*process{serveReady(t, env), serveReady(t, env), serveReady(t, env)}
	const recipient = "12065550142"

	for round := range 5 {
		id := "wrong-" + strconv.Itoa(round)
		create(t, replicas[0].URL, id, recipient)
		right := codeSent(t, sim, recipient)
		answers := inParallel(100, func(i int) *answer {
			return verify(t, replicas[i%3].URL, id, otherCode(right))
		})
		if n := count(answers, "InvalidAuthCode"); n != 3 {
			t.Errorf("100 parallel wrong codes at RETRIES_ALLOWED=3: %d compared", n)
		}
		if n := count(answers, "UnknownAuthId"); n != 97 {
			t.Errorf("100 parallel wrong codes: %d unknown, want 97", n)
		}

		id = "right-" + strconv.Itoa(round)
		create(t, replicas[1].URL, id, recipient)
		right = codeSent(t, sim, recipient)
		answers = inParallel(50, func(i int) *answer { return verify(t, replicas[i%3].URL, id, right) })
		accepted := 0
		for _, a := range answers {
			if a.status == http.StatusOK {
				accepted++
			}
		}
		if accepted != 1 {
			t.Errorf("50 parallel right codes: %d accepted", accepted)
		}
	}
}

func inParallel(n int, do func(i int) *answer) []*answer {
	answers := make([]*answer, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Add(1)
		go func() {
			defer wg.Done()
			<-start
			answers[i] = do(i)
		}()
	}
	close(start)
	wg.Wait()
	return answers
}

func count(answers []*answer, reason string) (n int) {
	for _, a := range answers {
		if a.body.Reason == reason {
			n++
		}
	}
	return n
}
