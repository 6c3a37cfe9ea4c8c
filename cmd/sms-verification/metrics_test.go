package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
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
	requests int64
	waiting  []journey // whose code nobody has entered

	mu     sync.Mutex
	want   map[string]int64               // by metric and labels
	faults map[string]flowroutetest.Fault // by number
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
	l.want[metric+" "+strings.Join(labels, ",")]++
}

// url returns the address of either replica for a request, which it counts.
func (j journey) url() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.requests++
	return j.fleet[rand.IntN(2)].URL
}

// query sends a request with the journey's auth_id in the query.
func (j journey) query(method, more string) *answer {
	if j.profile != "" {
		more += "&profile=" + j.profile
	}
	return do(j, method, j.url()+"/?auth_id="+j.id+more, "", as(j.caller))
}

func (j journey) post(number string, headers ...string) *answer {
	return createUnder(j, j.url(), j.profile, j.id, number, "", append(headers, as(j.caller))...)
}

// create requests a code and returns it.
func (j journey) create(headers ...string) string {
	j.Helper()
	j.post(j.number, headers...).want(j, 200, "")
	j.count("smsv_codes_created_total", j.area, j.caller, j.profile)
	j.count("smsv_codes_sent_total", j.area, j.caller, j.profile)
	return codeSent(j.T, j.sim, j.number)
}

func (j journey) check(code string, headers ...string) *answer {
	if len(headers) == 0 && rand.IntN(2) == 0 {
		return j.query(http.MethodGet, "&code="+code)
	}
	return verifyUnder(j, j.url(), j.profile, j.id, code, append(headers, as(j.caller))...)
}

func (j journey) right(code string, headers ...string) {
	j.Helper()
	j.check(code, headers...).want(j, 200, "")
	j.count("smsv_checks_total", "right")
	j.count("smsv_codes_verified_total", j.area, j.caller, j.profile)
	j.count("smsv_codes_ended_total", "verified")
}

func (j journey) wrong(code string) {
	j.Helper()
	j.check(otherCode(code)).want(j, 400, "InvalidAuthCode")
	j.count("smsv_checks_total", "wrong")
	j.count("smsv_codes_wrong_total", j.caller, j.profile)
}

func (j journey) usedUp(code string) {
	j.Helper()
	j.check(otherCode(code)).want(j, 400, "InvalidAuthCode")
	j.count("smsv_checks_total", "used_up")
	j.count("smsv_codes_wrong_total", j.caller, j.profile)
	j.count("smsv_codes_ended_total", "used_up")
}

func (j journey) unknown(code string) {
	j.Helper()
	j.check(code).want(j, 400, "UnknownAuthId")
	j.count("smsv_checks_total", "unknown")
}

// leave leaves the entry until it expires.
func (j journey) leave() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.made = time.Now()
	j.waiting = append(j.waiting, j)
}

// together makes four calls at once.
func together(call func()) {
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(call)
	}
	wg.Wait()
}

// Faults of Flowroute, for the messages to some numbers.
var (
	refused     = flowroutetest.Fault{Kind: flowroutetest.Refuse, Status: 422}
	unconfirmed = flowroutetest.Fault{Kind: flowroutetest.AcceptReset}
)

func (j journey) flowroute(f flowroutetest.Fault) {
	fail(j, j.sim, j.number, f)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.faults[j.number] = f
}

// journeys are the ways that a code can go.
var journeys = []func(journey){
	func(j journey) { j.right(j.create()) },
	func(j journey) { c := j.create(); j.wrong(c); j.right(c); j.unknown(c) },
	func(j journey) { c := j.create(); j.wrong(c); j.wrong(c); j.usedUp(c); j.unknown(c) },
	func(j journey) { // replaced
		j.create()
		c := j.create()
		j.count("smsv_codes_ended_total", "replaced")
		j.right(c)
	},
	func(j journey) { // cancelled, and once more in vain
		c := j.create()
		for range 2 {
			j.query(http.MethodDelete, "").want(j, 200, "")
		}
		j.count("smsv_codes_ended_total", "cancelled")
		j.unknown(c)
	},
	func(j journey) { // a message that is refused replaces nothing
		c := j.create()
		j.flowroute(refused)
		j.post(j.number).want(j, 500, "MessageRejected")
		j.count("smsv_codes_ended_total", "withdrawn")
		j.right(c)
		j.unknown(c)
	},
	func(j journey) { // refused, and asked again
		j.flowroute(refused)
		for range 3 {
			j.post(j.number, keyHeader(j.id)).want(j, 500, "MessageRejected")
		}
		j.count("smsv_codes_ended_total", "withdrawn")
	},
	func(j journey) { // unconfirmed, and asked again
		j.flowroute(unconfirmed)
		for range 2 {
			j.post(j.number, keyHeader(j.id)).want(j, 500, "MessageUnconfirmed")
		}
		j.count("smsv_codes_created_total", j.area, j.caller, j.profile)
		j.leave()
	},
	func(j journey) { // limited
		j.create()
		c := j.create()
		j.count("smsv_codes_ended_total", "replaced")
		j.post(j.number).want(j, 429, "RateLimited")
		j.count("smsv_limits_hit_total", "SEND_LIMITS 2/1h")
		j.right(c)
	},
	func(j journey) { j.post("12069995555").want(j, 403, "RecipientNotAllowed") },
	func(j journey) { j.post("1206").want(j, 400, "InvalidAPIUsage"); j.unknown("123456") },
	func(j journey) { // the same requests again and again, and at once
		c := j.create(keyHeader(j.id))
		j.post(j.number, keyHeader(j.id)).want(j, 200, "")
		j.right(c, keyHeader("check-"+j.id))
		together(func() { j.check(c, keyHeader("check-"+j.id)).want(j, 200, "") })
		j.unknown(c)
	},
	func(j journey) { // one wrong code, entered by several at once with one key
		c := j.create()
		together(func() { j.check(otherCode(c), keyHeader("wrong-"+j.id)).want(j, 400, "InvalidAuthCode") })
		j.count("smsv_checks_total", "wrong")
		j.count("smsv_codes_wrong_total", j.caller, j.profile)
		j.right(c)
	},
	func(j journey) { // never entered
		j.create()
		j.leave()
	},
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
	l := &traffic{T: t, sim: sim, want: map[string]int64{}, faults: map[string]flowroutetest.Fault{}, fleet: []*process{serveReady(t, env), serveReady(t, env)}}
	areas := []string{"us", "ca", "caribbean", "tollfree", "premium", "other"}
	inParallel(8, func(worker int) *answer {
		for i := worker; i < each*len(journeys); i += 8 {
			area := areas[i%len(areas)]
			journeys[i/each](journey{
				traffic: l, caller: []string{"shop", "bank"}[rand.IntN(2)], profile: []string{"", "login"}[rand.IntN(2)], area: area,
				id: fmt.Sprint("id-", i), number: fmt.Sprintf("%s%04d", numbersOf[area], i),
			})
		}
		return nil
	})
	sum := func(name string) int64 { return total(t, l.fleet, name) }
	stored := sum("smsv_codes_created_total")
	eventually(t, lifetime+10*time.Second, "the lifetime of every entry is over", func() bool { return sum("smsv_codes_over_total") == stored })
	for _, j := range l.waiting {
		time.Sleep(time.Until(j.made.Add(lifetime)))
		j.check("123456").want(j, 400, "ExpiredAuthCode")
		j.count("smsv_checks_total", "expired")
		j.unknown("123456")
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
	if got := sum("smsv_http_requests_total"); got < l.requests { // with those for readiness and metrics
		t.Errorf("%d requests counted of %d", got, l.requests)
	}
	t.Logf("%d requests, %d entries, %d unused", l.requests, stored, len(l.waiting))
}

// compareWithFlowroute compares the figures with what the simulator took.
func (l *traffic) compareWithFlowroute() {
	messages, segments, unsure := l.sim.Messages(), int64(0), int64(0)
	for _, m := range messages {
		if l.faults[m.To] == unconfirmed {
			unsure++
		} else {
			segments += int64(m.Segments)
		}
	}
	taken, all := int64(len(messages))-unsure, int64(len(messages))
	refusals := l.sim.Requests().Requests - all
	got := l.figures("smsv_flowroute_send_duration_seconds", "smsv_redis_operation_errors_total")
	for _, name := range []string{"smsv_codes_sent_total", "smsv_message_segments_total", "smsv_codes_created_total", "smsv_pace_wait_seconds"} {
		got[name] = total(l, l.fleet, name)
	}
	want := map[string]int64{
		"smsv_codes_sent_total": taken, "smsv_message_segments_total": segments, "smsv_codes_created_total": all, "smsv_pace_wait_seconds": all + refusals,
		"smsv_flowroute_send_duration_seconds accepted":    taken,
		"smsv_flowroute_send_duration_seconds unconfirmed": unsure,
		"smsv_flowroute_send_duration_seconds rejected":    refusals,
	}
	if diff := cmp.Diff(want, got); diff != "" || taken == 0 {
		l.Errorf("Flowroute counted (-), the service counted (+):\n%s", diff)
	}
	if used := total(l, l.fleet, "smsv_send_budget_used"); used != 2*all { // each replica shows the messages of both
		l.Errorf("%d of the budget used twice by %d messages", used, all)
	}
}
