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

	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// traffic uses two replicas as applications and people do, and counts the answers.
type traffic struct {
	*testing.T
	sim      *flowroutetest.Server
	fleet    []*process
	requests atomic.Int64

	mu      sync.Mutex
	want    map[string]int64 // by metric and labels
	waiting []*journey       // whose code nobody has entered
}

// journey is what one person does, with a number and an auth_id of its own.
type journey struct {
	*traffic
	caller, profile, area, id, number string
	code                              string    // of the last message
	left                              time.Time // when it ended
}

var numbersOf = map[string]string{"us": "1206555", "ca": "1416555", "caribbean": "1876555", "tollfree": "1800555", "premium": "1900555", "other": "1211555"}

// url returns the address of either replica for a request, which it counts.
func (j *journey) url() string {
	j.requests.Add(1)
	return j.fleet[rand.IntN(2)].URL
}

func (j *journey) post(number string, headers ...string) *answer {
	return createUnder(j, j.url(), j.profile, j.id, number, "", append(headers, as(j.caller))...)
}

func to(number string) func(*journey) *answer {
	return func(j *journey) *answer { return j.post(number) }
}

func (j *journey) create(headers ...string) *answer {
	a := j.post(j.number, headers...)
	if a.status == http.StatusOK {
		j.code = codeSent(j.T, j.sim, j.number)
	}
	return a
}

func (j *journey) createOnce() *answer { return j.create(keyHeader(j.id)) }

// failing makes Flowroute fail at the messages of a journey.
func failing(f flowroutetest.Fault) func(*journey) *answer {
	return func(j *journey) *answer {
		fail(j, j.sim, j.number, f)
		return j.createOnce()
	}
}

// query sends a request with the journey's auth_id in the query.
func (j *journey) query(method, more string) *answer {
	if j.profile != "" {
		more += "&profile=" + j.profile
	}
	return do(j, method, j.url()+"/?auth_id="+j.id+more, "", as(j.caller))
}

func (j *journey) cancel() *answer { return j.query(http.MethodDelete, "") }

// check enters a code by either route.
func (j *journey) check(code string) *answer {
	if rand.IntN(2) == 0 {
		return j.query(http.MethodGet, "&code="+code)
	}
	return verifyUnder(j, j.url(), j.profile, j.id, code, as(j.caller))
}

func (j *journey) right() *answer { return j.check(j.code) }
func (j *journey) wrong() *answer { return j.check(otherCode(j.code)) }

// checkOnce enters a code four times at once with one key.
func (j *journey) checkOnce(code string) *answer {
	answers := inParallel(4, func(int) *answer {
		return verifyUnder(j, j.url(), j.profile, j.id, code, as(j.caller), keyHeader(code+j.id))
	})
	for _, a := range answers {
		if a.raw != answers[0].raw {
			j.Errorf("with one key: %s and %s", answers[0].raw, a.raw)
		}
	}
	return answers[0]
}

func (j *journey) rightOnce() *answer { return j.checkOnce(j.code) }
func (j *journey) wrongOnce() *answer { return j.checkOnce(otherCode(j.code)) }

const (
	madeSent = "codes_created_total AREA,CALLER,PROFILE; codes_sent_total AREA,CALLER,PROFILE"
	verified = "checks_total right; codes_verified_total AREA,CALLER,PROFILE; codes_ended_total verified"
	compared = "checks_total wrong; codes_wrong_total CALLER,PROFILE"
)

// steps are what a person does, how it is answered, and what it counts under.
var steps = map[string]struct {
	ask    func(*journey) *answer
	status int
	reason string
	counts string
}{
	"create":           {func(j *journey) *answer { return j.create() }, 200, "", madeSent},
	"replace":          {func(j *journey) *answer { return j.create() }, 200, "", madeSent + "; codes_ended_total replaced"},
	"limited":          {func(j *journey) *answer { return j.create() }, 429, "RateLimited", "limits_hit_total SEND_LIMITS 2/1h"},
	"create once":      {(*journey).createOnce, 200, "", madeSent},
	"created":          {(*journey).createOnce, 200, "", ""},
	"refused":          {failing(flowroutetest.Fault{Kind: flowroutetest.Refuse, Status: 422}), 500, "MessageRejected", "codes_ended_total withdrawn"},
	"refused before":   {(*journey).createOnce, 500, "MessageRejected", ""},
	"unconfirmed":      {failing(flowroutetest.Fault{Kind: flowroutetest.AcceptReset}), 500, "MessageUnconfirmed", "codes_created_total AREA,CALLER,PROFILE"},
	"not allowed":      {to("12069995555"), 403, "RecipientNotAllowed", ""},
	"no number":        {to("1206"), 400, "InvalidAPIUsage", ""},
	"cancel":           {(*journey).cancel, 200, "", "codes_ended_total cancelled"},
	"cancel nothing":   {(*journey).cancel, 200, "", ""},
	"right":            {(*journey).right, 200, "", verified},
	"wrong":            {(*journey).wrong, 400, "InvalidAuthCode", compared},
	"used up":          {(*journey).wrong, 400, "InvalidAuthCode", "checks_total used_up; codes_wrong_total CALLER,PROFILE; codes_ended_total used_up"},
	"unknown":          {(*journey).right, 400, "UnknownAuthId", "checks_total unknown"},
	"expired":          {(*journey).right, 400, "ExpiredAuthCode", "checks_total expired"},
	"right once":       {(*journey).rightOnce, 200, "", verified},
	"right before":     {(*journey).rightOnce, 200, "", ""},
	"wrong once":       {(*journey).wrongOnce, 400, "InvalidAuthCode", compared},
	"unconfirmed once": {(*journey).createOnce, 500, "MessageUnconfirmed", ""},
}

// journeys are the ways that a code can go. Those that end with "leave" have a code
// that nobody enters.
var journeys = []string{
	"create, right",
	"create, wrong, right, unknown",
	"create, wrong, wrong, used up, unknown",
	"create, replace, limited, right",
	"create, cancel, cancel nothing, unknown",
	"create, refused, right, unknown",
	"refused, refused before, refused before",
	"unconfirmed, unconfirmed once, leave",
	"not allowed",
	"no number, unknown",
	"create once, created, wrong once, right once, right before, unknown",
	"create, leave",
}

// take takes some steps, and counts them.
func (j *journey) take(names ...string) {
	labels := strings.NewReplacer("AREA", j.area, "CALLER", j.caller, "PROFILE", j.profile)
	for _, name := range names {
		if name == "leave" {
			j.left = time.Now()
			j.mu.Lock()
			j.waiting = append(j.waiting, j)
			j.mu.Unlock()
			return
		}
		s := steps[name]
		s.ask(j).want(j, s.status, s.reason)
		j.mu.Lock()
		for figure := range strings.SplitSeq(labels.Replace(s.counts), "; ") {
			if figure != "" {
				j.want["smsv_"+figure]++
			}
		}
		j.mu.Unlock()
	}
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

// each is how often each journey is made, of which one ends unconfirmed.
const each = 8

// TestFiguresAreExact: under mixed load on two replicas the metrics are exactly what
// the test and the simulator counted.
func TestFiguresAreExact(t *testing.T) {
	const lifetime = 8 * time.Second // longer than a journey takes, even with little of the processor
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{Keep: 10_000})
	env := environment(redis, sim, keysOf("shop", "bank"), `PROFILES={"login":{}}`, "CODE_LENGTH=6", "CODE_EXPIRATION=8",
		"SEND_LIMITS=2/1h", "SEND_LIMITS_TOTAL=10000/1h", "BLOCKED_PREFIXES=1206999", "FLOWROUTE_RATE=5000",
		"AUTH_MESSAGE={code}\nÜ "+strings.Repeat("a long story ", 8))
	l := &traffic{T: t, sim: sim, want: map[string]int64{}, fleet: replicas(t, 2, env)}
	areas := []string{"us", "ca", "caribbean", "tollfree", "premium", "other"}
	timed(8, func(worker int) {
		for i := worker; i < each*len(journeys); i += 8 {
			area := areas[i%len(areas)]
			j := &journey{
				traffic: l, caller: []string{"shop", "bank"}[rand.IntN(2)], profile: []string{"", "login"}[rand.IntN(2)], area: area,
				id: fmt.Sprint("id-", i), number: fmt.Sprintf("%s%04d", numbersOf[area], i), code: "123456",
			}
			j.take(strings.Split(journeys[i/each], ", ")...)
		}
	})
	sum := func(name string) int64 { return total(t, l.fleet, name) }
	stored := sum("smsv_codes_created_total")
	codestest.Await(t, lifetime+10*time.Second, "the lifetime of every entry is over", func() bool { return sum("smsv_codes_over_total") == stored })
	for _, j := range l.waiting {
		time.Sleep(time.Until(j.left.Add(lifetime)))
		j.take("expired", "unknown")
	}

	names := []string{"smsv_codes_created_total", "smsv_codes_sent_total", "smsv_codes_verified_total", "smsv_codes_wrong_total", "smsv_codes_ended_total",
		"smsv_checks_total", "smsv_limits_hit_total"}
	if diff := cmp.Diff(l.want, l.figures(names...)); diff != "" {
		t.Errorf("the test counted (-), the service counted (+):\n%s", diff)
	}
	l.compareWithFlowroute()
	codestest.Await(t, 10*time.Second, "entries that ended early are over too", func() bool {
		return sum("smsv_codes_over_total")-sum("smsv_codes_over_ended_total") == int64(len(l.waiting))
	})
	if got := sum("smsv_http_requests_total"); got < l.requests.Load() { // with those for readiness and metrics
		t.Errorf("%d requests counted of %d", got, l.requests.Load())
	}
	t.Logf("%d requests, %d entries, %d unused", l.requests.Load(), stored, len(l.waiting))
}

// compareWithFlowroute compares the figures with those of the simulator.
func (l *traffic) compareWithFlowroute() {
	segments := int64(0)
	for _, m := range l.sim.Messages() {
		segments += int64(m.Segments)
	}
	all := int64(len(l.sim.Messages()))
	ofOne := segments / all // the same text for everybody
	taken, refusals := all-each, l.sim.Requests().Requests-all
	got := l.figures("smsv_flowroute_send_duration_seconds", "smsv_redis_operation_errors_total")
	for _, name := range []string{"smsv_codes_sent_total", "smsv_message_segments_total", "smsv_codes_created_total", "smsv_pace_wait_seconds"} {
		got[name] = total(l, l.fleet, name)
	}
	want := map[string]int64{
		"smsv_codes_sent_total": taken, "smsv_message_segments_total": taken * ofOne, "smsv_codes_created_total": all, "smsv_pace_wait_seconds": all + refusals,
		"smsv_flowroute_send_duration_seconds accepted":    taken,
		"smsv_flowroute_send_duration_seconds unconfirmed": each,
		"smsv_flowroute_send_duration_seconds rejected":    refusals,
	}
	if diff := cmp.Diff(want, got); diff != "" || taken == 0 || ofOne < 2 {
		l.Errorf("Flowroute counted (-), the service counted (+):\n%s", diff)
	}
	if used := total(l, l.fleet, "smsv_send_budget_used"); used != 2*all { // each replica shows the messages of both
		l.Errorf("%d of the budget used twice by %d messages", used, all)
	}
}
