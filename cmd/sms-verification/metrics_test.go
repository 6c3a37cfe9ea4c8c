package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// traffic uses two replicas as applications and people do, and counts the answers.
type traffic struct {
	*testing.T
	sim      *flowroutetest.Server
	fleet    []*process
	requests atomic.Int64

	mu          sync.Mutex
	want        map[string]int64 // by metric and labels
	unconfirmed int64            // messages
	waiting     []journey        // whose code nobody has entered
}

// journey is what one person does, with a number and an auth_id of its own.
type journey struct {
	*traffic
	caller, profile, area, id, number string
	made                              time.Time // of an entry that was left
}

var numbersOf = map[string]string{"us": "1206555", "ca": "1416555", "caribbean": "1876555", "tollfree": "1800555", "premium": "1900555", "other": "1211555"}

func (l *traffic) count(metric string, labels ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.want["smsv_"+metric+" "+strings.Join(labels, ",")]++
}

// url returns the address of either replica for a request, which it counts.
func (j journey) url() string {
	j.requests.Add(1)
	return j.fleet[rand.IntN(2)].URL
}

// query sends a request with the journey's auth_id in the query.
func (j journey) query(method, more string) *answer {
	if j.profile != "" {
		more += "&profile=" + j.profile
	}
	return do(j, method, j.url()+"/?auth_id="+j.id+more, "", as(j.caller))
}

// post requests a code that is not sent.
func (j journey) post(number string, status int, reason string, headers ...string) {
	j.Helper()
	createUnder(j, j.url(), j.profile, j.id, number, "", append(headers, as(j.caller))...).want(j, status, reason)
}

// create requests a code and returns it.
func (j journey) create(headers ...string) string {
	j.Helper()
	j.post(j.number, 200, "", headers...)
	j.count("codes_created_total", j.area, j.caller, j.profile)
	j.count("codes_sent_total", j.area, j.caller, j.profile)
	return codeSent(j.T, j.sim, j.number)
}

// outcome is what a check is answered, and how it is counted.
type outcome struct {
	status        int
	reason        string
	result, ended string // labels
}

var (
	accepted = outcome{200, "", "right", "verified"}
	compared = outcome{400, "InvalidAuthCode", "wrong", ""}
	usedUp   = outcome{400, "InvalidAuthCode", "used_up", "used_up"}
	missing  = outcome{400, "UnknownAuthId", "unknown", ""}
	expired  = outcome{400, "ExpiredAuthCode", "expired", ""}
)

// check enters a code, by either route.
func (j journey) check(code string, o outcome, headers ...string) {
	j.Helper()
	if len(headers) == 0 && rand.IntN(2) == 0 {
		j.query(http.MethodGet, "&code="+code).want(j, o.status, o.reason)
		return
	}
	verifyUnder(j, j.url(), j.profile, j.id, code, append(headers, as(j.caller))...).want(j, o.status, o.reason)
}

// enter enters a code, and counts it.
func (j journey) enter(code string, o outcome, headers ...string) {
	j.Helper()
	j.check(code, o, headers...)
	j.count("checks_total", o.result)
	switch o {
	case accepted:
		j.count("codes_verified_total", j.area, j.caller, j.profile)
	case compared, usedUp:
		j.count("codes_wrong_total", j.caller, j.profile)
	}
	if o.ended != "" {
		j.count("codes_ended_total", o.ended)
	}
}

// leave leaves the entry until it expires.
func (j journey) leave() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.made = time.Now()
	j.waiting = append(j.waiting, j)
}

// refuses makes Flowroute refuse the journey's messages.
func (j journey) refuses() {
	fail(j, j.sim, j.number, flowroutetest.Fault{Kind: flowroutetest.Refuse, Status: 422})
	j.count("codes_ended_total", "withdrawn")
}

// journeys are the ways that a code can go.
var journeys = []func(journey){
	func(j journey) {
		c := j.create()
		j.enter(otherCode(c), compared)
		j.enter(c, accepted)
		j.enter(c, missing)
	},
	func(j journey) {
		c := j.create()
		for _, o := range []outcome{compared, compared, usedUp, missing} {
			j.enter(otherCode(c), o)
		}
	},
	func(j journey) { // replaced, then limited
		j.create()
		c := j.create()
		j.count("codes_ended_total", "replaced")
		j.post(j.number, 429, "RateLimited")
		j.count("limits_hit_total", "SEND_LIMITS 2/1h")
		j.enter(c, accepted)
	},
	func(j journey) { // cancelled, and once more in vain
		c := j.create()
		for range 2 {
			j.query(http.MethodDelete, "").want(j, 200, "")
		}
		j.count("codes_ended_total", "cancelled")
		j.enter(c, missing)
	},
	func(j journey) { // a message that is refused replaces nothing
		c := j.create()
		j.refuses()
		j.post(j.number, 500, "MessageRejected")
		j.enter(c, accepted)
	},
	func(j journey) { // refused, and asked again
		j.refuses()
		for range 3 {
			j.post(j.number, 500, "MessageRejected", keyHeader(j.id))
		}
	},
	func(j journey) { // unconfirmed, and asked again
		fail(j, j.sim, j.number, flowroutetest.Fault{Kind: flowroutetest.AcceptReset})
		for range 2 {
			j.post(j.number, 500, "MessageUnconfirmed", keyHeader(j.id))
		}
		j.count("codes_created_total", j.area, j.caller, j.profile)
		j.leave()
		j.mu.Lock()
		defer j.mu.Unlock()
		j.unconfirmed++
	},
	func(j journey) { j.post("12069995555", 403, "RecipientNotAllowed") },
	func(j journey) { j.post("1206", 400, "InvalidAPIUsage"); j.enter("123456", missing) },
	func(j journey) { // the same requests again and again, and at once
		c := j.create(keyHeader(j.id))
		j.post(j.number, 200, "", keyHeader(j.id))
		j.enter(otherCode(c), compared, keyHeader("wrong-"+j.id))
		timed(4, func(int) { j.check(otherCode(c), compared, keyHeader("wrong-"+j.id)) })
		j.enter(c, accepted, keyHeader("right-"+j.id))
		timed(4, func(int) { j.check(c, accepted, keyHeader("right-"+j.id)) })
	},
	func(j journey) { j.create(); j.leave() }, // never entered
}

// figures returns the sums over the replicas of some metrics, by name and labels.
func (l *traffic) figures(names ...string) map[string]int64 {
	all := map[string]int64{}
	for _, name := range names {
		for labels, value := range sums(l, l.fleet, name, "") {
			if value != 0 {
				all[name+" "+labels] = value
			}
		}
	}
	return all
}

// TestFiguresAreExact: under mixed load on two replicas the metrics are exactly what
// the test and the simulator counted.
func TestFiguresAreExact(t *testing.T) {
	const (
		lifetime = 8 * time.Second // longer than a journey takes, even with little of the processor
		each     = 8               // of every journey
	)
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{Keep: 10_000})
	env := environment(redis, sim, keysOf("shop", "bank"), `PROFILES={"login":{}}`, "CODE_LENGTH=6", "CODE_EXPIRATION=8",
		"SEND_LIMITS=2/1h", "SEND_LIMITS_TOTAL=10000/1h", "BLOCKED_PREFIXES=1206999", "FLOWROUTE_RATE=5000",
		"AUTH_MESSAGE={code}\nÜ "+strings.Repeat("a long story ", 8))
	l := &traffic{T: t, sim: sim, want: map[string]int64{}, fleet: replicas(t, 2, env)}
	areas := []string{"us", "ca", "caribbean", "tollfree", "premium", "other"}
	timed(8, func(worker int) {
		for i := worker; i < each*len(journeys); i += 8 {
			area := areas[i%len(areas)]
			journeys[i/each](journey{
				traffic: l, caller: []string{"shop", "bank"}[rand.IntN(2)], profile: []string{"", "login"}[rand.IntN(2)], area: area,
				id: fmt.Sprint("id-", i), number: fmt.Sprintf("%s%04d", numbersOf[area], i),
			})
		}
	})
	sum := func(name string) int64 { return total(t, l.fleet, name) }
	stored := sum("smsv_codes_created_total")
	eventually(t, lifetime+10*time.Second, "the lifetime of every entry is over", func() bool { return sum("smsv_codes_over_total") == stored })
	for _, j := range l.waiting {
		time.Sleep(time.Until(j.made.Add(lifetime)))
		j.enter("123456", expired)
		j.enter("123456", missing)
	}

	names := []string{"smsv_codes_created_total", "smsv_codes_sent_total", "smsv_codes_verified_total", "smsv_codes_wrong_total", "smsv_codes_ended_total",
		"smsv_checks_total", "smsv_limits_hit_total"}
	if diff := cmp.Diff(l.want, l.figures(names...)); diff != "" {
		t.Errorf("the test counted (-), the service counted (+):\n%s", diff)
	}
	l.compareWithFlowroute()
	eventually(t, 10*time.Second, "entries that ended early are over too", func() bool {
		return sum("smsv_codes_over_total")-sum("smsv_codes_over_ended_total") == int64(len(l.waiting))
	})
	if got := sum("smsv_http_requests_total"); got < l.requests.Load() { // with those for readiness and metrics
		t.Errorf("%d requests counted of %d", got, l.requests.Load())
	}
	t.Logf("%d requests, %d entries, %d unused", l.requests.Load(), stored, len(l.waiting))
}

// compareWithFlowroute compares the figures with what the simulator took.
func (l *traffic) compareWithFlowroute() {
	segments := int64(0)
	for _, m := range l.sim.Messages() {
		segments += int64(m.Segments)
	}
	all := int64(len(l.sim.Messages()))
	each := segments / all // the same text for everybody
	taken, refusals := all-l.unconfirmed, l.sim.Requests().Requests-all
	got := l.figures("smsv_flowroute_send_duration_seconds", "smsv_redis_operation_errors_total")
	for _, name := range []string{"smsv_codes_sent_total", "smsv_message_segments_total", "smsv_codes_created_total", "smsv_pace_wait_seconds"} {
		got[name] = total(l, l.fleet, name)
	}
	want := map[string]int64{
		"smsv_codes_sent_total": taken, "smsv_message_segments_total": taken * each, "smsv_codes_created_total": all, "smsv_pace_wait_seconds": all + refusals,
		"smsv_flowroute_send_duration_seconds accepted":    taken,
		"smsv_flowroute_send_duration_seconds unconfirmed": l.unconfirmed,
		"smsv_flowroute_send_duration_seconds rejected":    refusals,
	}
	if diff := cmp.Diff(want, got); diff != "" || taken == 0 || each < 2 {
		l.Errorf("Flowroute counted (-), the service counted (+):\n%s", diff)
	}
	if used := total(l, l.fleet, "smsv_send_budget_used"); used != 2*all { // each replica shows the messages of both
		l.Errorf("%d of the budget used twice by %d messages", used, all)
	}
}
