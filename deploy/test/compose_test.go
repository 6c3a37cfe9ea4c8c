package deploytest

import (
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes/codestest"
)

// TestRoll: no request fails while all replicas are replaced under load.
func TestRoll(t *testing.T) {
	d := openDeployment(t)
	before := d.containers(t, "sms-verification")
	l := startLoad(t, d)
	run(t, "./roll.sh")
	for _, a := range l.finish(t) {
		t.Errorf("failed: %v", a)
	}
	after := d.containers(t, "sms-verification")
	if len(after) != len(before) {
		t.Errorf("%d replicas have become %d", len(before), len(after))
	}
	for _, c := range after {
		if slices.Contains(before, c) {
			t.Errorf("%s was not replaced", c)
		}
	}
}

// TestScale: no request fails while replicas are added and removed under load.
func TestScale(t *testing.T) {
	d := openDeployment(t)
	before := len(d.containers(t, "sms-verification"))
	l := startLoad(t, d)
	for _, n := range []int{before + 2, before} {
		d.scale(t, n)
		containers := d.containers(t, "sms-verification")
		if len(containers) != n {
			t.Errorf("%d replicas, not %d", len(containers), n)
		}
		for _, c := range containers {
			d.healthy(t, c)
		}
	}
	for _, a := range l.finish(t) {
		t.Errorf("failed: %v", a)
	}
}

// TestKill: when a replica is killed, only requests in progress on it fail, with an
// answer: without one, clients might retry.
func TestKill(t *testing.T) {
	d := openDeployment(t)
	d.slowMessages(t)
	l := startLoad(t, d)
	victim := d.containers(t, "sms-verification")[0]
	begun := time.Now()
	run(t, "docker", "kill", victim)
	ended := time.Now()
	codestest.Await(t, 30*time.Second, "the load goes on without it", passes(l, 10*workers))
	run(t, "docker", "start", victim)
	d.healthy(t, victim)
	lost := slices.DeleteFunc(l.finish(t), (*answer).refused)
	if len(lost) > workers {
		t.Errorf("%d requests were lost, more than there were at a time", len(lost))
	}
	for _, a := range lost {
		t.Logf("lost: %v", a)
		if a.status != http.StatusBadGateway || a.body.Reason != "InternalError" {
			t.Errorf("lost, but not answered 502 InternalError: %v", a)
		}
		if a.begun.After(ended) || a.ended.Before(begun) {
			t.Errorf("lost, though it was not in flight: %v", a)
		}
	}
}

// slowMessages makes Flowroute slow, so that requests are always in flight.
func (d *deployment) slowMessages(t *testing.T) {
	t.Helper()
	fault := func(method, body string) {
		request, err := http.NewRequest(method, d.simulator+"/_sim/faults/default", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		response, err := httpClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		if _ = response.Body.Close(); response.StatusCode != http.StatusNoContent {
			t.Fatal(response.Status)
		}
	}
	fault(http.MethodPut, `{"kind":"slow","delay":"300ms"}`)
	t.Cleanup(func() { fault(http.MethodDelete, "") })
}

// TestRedisRestart: without Redis all answers are documented ones, requests succeed
// soon after its restart, and no entry is lost.
func TestRedisRestart(t *testing.T) {
	d := openDeployment(t)
	live := newEntry()
	if a := d.create(live); a.status != 200 {
		t.Fatal(a)
	}
	code, err := d.codeOf(live)
	if err != nil {
		t.Fatal(err)
	}
	l := startLoad(t, d)
	redis := d.containers(t, "redis")[0]
	run(t, "docker", "stop", "-t", "25", redis)
	time.Sleep(2 * time.Second) // a while without it
	run(t, "docker", "start", redis)
	codestest.Await(t, time.Minute, "Redis has loaded its file", func() bool {
		pong, err := exec.Command("docker", "exec", redis, "redis-cli", "--user", "health", "--pass", "any", "ping").Output()
		return err == nil && string(pong) == "PONG\n"
	})
	codestest.Await(t, 2*time.Second, "requests pass again", passes(l, 1))
	codestest.Await(t, 30*time.Second, "the load goes on", passes(l, 20*workers))
	failures := l.finish(t)
	if a := d.check(live, code); a.status != 200 {
		t.Errorf("a code from before: %v", a)
	}
	if len(failures) == 0 {
		t.Error("nothing failed: Redis was there all the time")
	}
	for _, a := range failures {
		if !a.refused() {
			t.Errorf("not a documented answer: %v", a)
		}
	}
}

// passes returns a condition: n more codes were used than now.
func passes(l *load, more int) func() bool {
	count := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.used)
	}
	before := count()
	return func() bool { return count() >= before+more }
}
