package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// enforced starts three replicas that refuse what exceeds these limits on messages
// whose code is not entered.
func enforced(t *testing.T, redis *redistest.Instance, sim *flowroutetest.Server, limits string, extra ...string) []*process {
	t.Helper()
	return replicas(t, environment(redis, sim, append([]string{"UNVERIFIED_MODE=enforce", "UNVERIFIED_LIMITS=" + limits}, extra...)...))
}

// standaloneAndCluster runs a test on either.
func standaloneAndCluster(t *testing.T, run func(*testing.T, *redistest.Instance)) {
	t.Helper()
	for name, open := range map[string]func(testing.TB) *redistest.Instance{
		"standalone": func(t testing.TB) *redistest.Instance { return redistest.Server(t) },
		"cluster":    func(t testing.TB) *redistest.Instance { return redistest.Cluster(t) },
	} {
		t.Run(name, func(t *testing.T) { run(t, open(t)) })
	}
}

// inSeattle is the nth number of an exchange, 1206555.
func inSeattle(n int) string { return fmt.Sprintf("1206555%04d", n) }

// passed counts the creates that were answered 200.
func passed(answers []*answer) (n int) {
	for _, a := range answers {
		if a.status == http.StatusOK {
			n++
		}
	}
	return n
}

// mustCreate expects a message to be sent.
func mustCreate(t *testing.T, p *process, id, recipient string) {
	t.Helper()
	if a := create(t, p.URL, id, recipient); a.status != http.StatusOK {
		t.Fatalf("create %s: %d %s", id, a.status, a.raw)
	}
}

// mustExceed expects a message to be refused by a limit.
func mustExceed(t *testing.T, p *process, recipient, limit string) {
	t.Helper()
	if a := create(t, p.URL, "one-more", recipient); a.status != http.StatusTooManyRequests || a.body.Limit != "UNVERIFIED_LIMITS "+limit {
		t.Fatalf("one more: %d %s, want a refusal by %s", a.status, a.raw, limit)
	}
}

// mustVerify expects the last code that was sent to a number to be right.
func mustVerify(t *testing.T, p *process, sim *flowroutetest.Server, id, recipient string) {
	t.Helper()
	if a := verify(t, p.URL, id, codeSent(t, sim, recipient)); !a.body.Authenticated {
		t.Fatalf("verify %s: %d %s", id, a.status, a.raw)
	}
}

// TestUnverifiedInParallel: of parallel creates to one exchange exactly the allowed
// ones are sent, and a refused one leaves the number's own limit as it was.
func TestUnverifiedInParallel(t *testing.T) {
	standaloneAndCluster(t, func(t *testing.T, redis *redistest.Instance) {
		sim := startSimulator(t, flowroutetest.Options{})
		fleet := enforced(t, redis, sim, "exchange:7/1h", "SEND_LIMITS=1/1h")
		answers := inParallel(60, func(i int) *answer { return create(t, fleet[i%3].URL, fmt.Sprint(i), inSeattle(i)) })
		refused, sent := 0, 0
		for i, a := range answers {
			if a.status == http.StatusOK {
				sent = i
				continue
			}
			refused = i
			if a.status != http.StatusTooManyRequests || a.body.Reason != "RateLimited" || a.body.Limit != "UNVERIFIED_LIMITS exchange:7/1h" ||
				a.body.RetryAfter < 3500 || a.body.RetryAfter > 3600 || a.header.Get("Retry-After") != fmt.Sprint(a.body.RetryAfter) {
				t.Errorf("a refused create: %d %s", a.status, a.raw)
			}
		}
		if n := passed(answers); n != 7 || sim.Requests().Requests != 7 {
			t.Errorf("%d passed, %d requests to Flowroute; want 7", n, sim.Requests().Requests)
		}
		mustVerify(t, fleet[0], sim, fmt.Sprint(sent), inSeattle(sent))
		mustCreate(t, fleet[1], "later", inSeattle(refused))
		if modes := sum(t, fleet, "smsv_unverified_refusals_total", "mode"); modes["enforce"] != 53 || modes["shadow"] != 0 {
			t.Errorf("refusals by mode %v, want 53 under enforce", modes)
		}
	})
}

// TestUnverifiedVerifiedElsewhere: a right code makes room for as many messages as
// held it, whichever replicas sent and verify them.
func TestUnverifiedVerifiedElsewhere(t *testing.T) {
	standaloneAndCluster(t, func(t *testing.T, redis *redistest.Instance) {
		sim := startSimulator(t, flowroutetest.Options{})
		fleet := enforced(t, redis, sim, "exchange:3/1h", "RESEND=same")
		mustCreate(t, fleet[0], "a", inSeattle(1))
		mustCreate(t, fleet[1], "a", inSeattle(1)) // the same code again
		mustCreate(t, fleet[2], "b", inSeattle(2))
		mustExceed(t, fleet[0], inSeattle(3), "exchange:3/1h")
		mustVerify(t, fleet[2], sim, "a", inSeattle(1))
		mustCreate(t, fleet[0], "c", inSeattle(3))
		mustCreate(t, fleet[1], "d", inSeattle(4))
		mustExceed(t, fleet[2], inSeattle(5), "exchange:3/1h")
	})
}

// TestUnverifiedNotSent: a message that Flowroute refused does not count.
func TestUnverifiedNotSent(t *testing.T) {
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	fleet := enforced(t, redis, sim, "exchange:1/1h,area:1/1h,all:1/1h")
	for i, status := range []int{400, 422, 403} {
		if err := sim.Fail(inSeattle(i), flowroutetest.Fault{Kind: flowroutetest.Refuse, Status: status}); err != nil {
			t.Fatal(err)
		}
		if a := create(t, fleet[i].URL, "a", inSeattle(i)); a.status != http.StatusInternalServerError {
			t.Fatalf("Flowroute answers %d: %d %s", status, a.status, a.raw)
		}
	}
	mustCreate(t, fleet[0], "a", inSeattle(9))
	mustExceed(t, fleet[1], inSeattle(8), "exchange:1/1h")
}

// TestUnverifiedTestRecipients: their creates do not count.
func TestUnverifiedTestRecipients(t *testing.T) {
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	fleet := enforced(t, redis, sim, "exchange:1/1h,all:1/1h", "CODE_LENGTH=10", "TEST_RECIPIENTS="+inSeattle(1)+"=0077315024",
		"TEST_RECIPIENTS_UNTIL="+time.Now().Add(time.Hour).Format(time.RFC3339))
	for _, p := range fleet {
		mustCreate(t, p, "a", inSeattle(1))
	}
	mustCreate(t, fleet[0], "b", inSeattle(2))
	mustExceed(t, fleet[1], inSeattle(3), "exchange:1/1h")
	mustCreate(t, fleet[2], "a", inSeattle(1))
}

// rejecting is a simulator that rejects the messages to some numbers in receipts
// that come after a while.
func rejecting(t *testing.T, after time.Duration, numbers ...string) *flowroutetest.Server {
	t.Helper()
	sim := startSimulator(t, flowroutetest.Options{ReceiptDelay: after})
	for _, number := range numbers {
		if err := sim.Deliver(number, flowroutetest.Delivery{Outcome: flowroutetest.Unreachable, Twice: true}); err != nil {
			t.Fatal(err)
		}
	}
	return sim
}

// TestUnverifiedRejected: a message that a receipt rejects does not count.
func TestUnverifiedRejected(t *testing.T) {
	sim := rejecting(t, time.Millisecond, inSeattle(1))
	fleet := withReceipts(t, redistest.Server(t), sim, "UNVERIFIED_MODE=enforce", "UNVERIFIED_LIMITS=exchange:1/1h,area:1/1h,all:1/1h")
	mustCreate(t, fleet[0], "a", inSeattle(1))
	settled(t, sim)
	mustCreate(t, fleet[1], "b", inSeattle(2))
	settled(t, sim)
	mustExceed(t, fleet[0], inSeattle(3), "exchange:1/1h")
}

// TestUnverifiedRejectedAfterVerified: a receipt that rejects a message whose code
// was entered makes no room a second time.
func TestUnverifiedRejectedAfterVerified(t *testing.T) {
	sim := rejecting(t, time.Second, inSeattle(1))
	fleet := withReceipts(t, redistest.Server(t), sim, "UNVERIFIED_MODE=enforce", "UNVERIFIED_LIMITS=exchange:2/1h")
	mustCreate(t, fleet[0], "a", inSeattle(1))
	mustVerify(t, fleet[1], sim, "a", inSeattle(1))
	mustCreate(t, fleet[0], "b", inSeattle(2))
	mustCreate(t, fleet[1], "c", inSeattle(3))
	settled(t, sim)
	if n := sum(t, fleet, "smsv_codes_undelivered_total", "area"); total(n) != 1 {
		t.Fatalf("undelivered %v, want 1", n)
	}
	mustExceed(t, fleet[0], inSeattle(4), "exchange:2/1h")
}

// TestUnverifiedShadow: in shadow nothing is refused, every decision is counted, and
// each replica logs the exchange once, with nothing of a number or a request.
func TestUnverifiedShadow(t *testing.T) {
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	fleet := replicas(t, environment(redis, sim, "UNVERIFIED_MODE=shadow", "UNVERIFIED_LIMITS=exchange:7/1h", "LOG_LEVEL=debug"))
	answers := inParallel(60, func(i int) *answer { return create(t, fleet[i%3].URL, fmt.Sprint(i), inSeattle(i)) })
	if n := passed(answers); n != 60 || len(sim.Messages()) != 60 {
		t.Errorf("%d passed, %d messages; want 60", n, len(sim.Messages()))
	}
	kinds, modes := sum(t, fleet, "smsv_unverified_refusals_total", "kind"), sum(t, fleet, "smsv_unverified_refusals_total", "mode")
	if kinds["exchange"] != 53 || modes["shadow"] != 53 || total(kinds) != 53 {
		t.Errorf("decisions by kind %v, by mode %v; want 53 of an exchange in shadow", kinds, modes)
	}
	for i, p := range fleet {
		var about []string
		for line := range strings.Lines(p.stderr.String()) {
			if strings.Contains(line, "UNVERIFIED_LIMITS") {
				about = append(about, line)
			}
		}
		if len(about) != 1 {
			t.Fatalf("replica %d logs %d lines, want 1: %q", i, len(about), about)
		}
		contains(t, "the line", about[0], `"level":"WARN"`, `"exchange":"1206555"`, "exchange:7/1h", `"mode":"shadow"`)
		if strings.Contains(about[0], "request_id") || strings.Contains(about[0], "12065550") {
			t.Errorf("the line says too much: %s", about[0])
		}
	}
}

// TestUnverifiedFromShadowToEnforce: what shadow let pass counts as soon as the
// service is restarted with enforce.
func TestUnverifiedFromShadowToEnforce(t *testing.T) {
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	env := environment(redis, sim, "UNVERIFIED_LIMITS=exchange:2/1h")
	shadow := serveReady(t, append(env, "UNVERIFIED_MODE=shadow"))
	for i := range 4 {
		mustCreate(t, shadow, fmt.Sprint(i), inSeattle(i))
	}
	enforce := serveReady(t, append(env, "UNVERIFIED_MODE=enforce"))
	mustExceed(t, enforce, inSeattle(5), "exchange:2/1h")
	for i := range 3 { // 1 stands
		mustVerify(t, enforce, sim, fmt.Sprint(i), inSeattle(i))
	}
	mustCreate(t, enforce, "a", inSeattle(5))
}

// TestPumpingOneExchange: at the defaults, messages to an exchange that is attacked
// stop at the allowance, while people in other exchanges, of the same area code too,
// get their codes and enter them.
func TestPumpingOneExchange(t *testing.T) {
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	fleet := replicas(t, environment(redis, sim, "UNVERIFIED_MODE=enforce"))
	const attackers, requests, people = 6, 300, 80
	var attack sync.WaitGroup
	defer attack.Wait()
	for w := range attackers {
		attack.Go(func() {
			for i := range requests {
				n := w*requests + i
				create(t, fleet[n%3].URL, fmt.Sprint("pump-", n), inSeattle(n))
			}
		})
	}
	for n := range people {
		number := fmt.Sprintf("%s%03d0%03d", []string{"1206", "1425"}[n%2], 600+n, n)
		mustCreate(t, fleet[n%3], fmt.Sprint("person-", n), number)
		mustVerify(t, fleet[(n+1)%3], sim, fmt.Sprint("person-", n), number)
	}
	attack.Wait()
	attacked := 0
	for _, m := range sim.Messages() {
		if strings.HasPrefix(m.To, "1206555") {
			attacked++
		}
	}
	if attacked != 20 || len(sim.Messages()) != 20+people {
		t.Errorf("%d messages to the attacked exchange, want 20; %d in all", attacked, len(sim.Messages()))
	}
	if refused := sum(t, fleet, "smsv_unverified_refusals_total", "kind"); refused["exchange"] != attackers*requests-20 || total(refused) != refused["exchange"] {
		t.Errorf("refused %v, want %d of the exchange", refused, attackers*requests-20)
	}
}
