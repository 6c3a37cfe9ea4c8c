package main

import (
	"crypto/sha256"
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

// traffic uses two replicas as applications and people would, and keeps count of
// what it was told.
type traffic struct {
	*testing.T
	sim      *flowroutetest.Server
	fleet    []*process
	requests int64
	waiting  []entryLeft

	mu     sync.Mutex
	want   map[string]float64             // by metric and labels
	faults map[string]flowroutetest.Fault // by number
}

// entryLeft is an entry whose code nobody has entered.
type entryLeft struct {
	caller, profile, id string
	made                time.Time // or a little later
}

// journey is what one person does, with a number and an auth_id of its own.
type journey struct {
	*traffic
	caller, profile, area, id, number string
}

var numbersOf = map[string]string{"us": "1206555", "ca": "1416555", "caribbean": "1876555", "tollfree": "1800555", "premium": "1900555", "other": "1211555"}

func (l *traffic) count(metric string, labels ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.want[series(metric, labels...)]++
}

func series(metric string, labels ...string) string {
	return metric + "{" + strings.Join(labels, ",") + "}"
}

// do sends a request to either replica.
func (j journey) do(method, path, body string, headers ...string) *answer {
	j.mu.Lock()
	j.requests++
	j.mu.Unlock()
	headers = append(headers, "Authorization: Bearer "+j.caller+"-key")
	return do(j.T, method, j.fleet[rand.IntN(2)].URL+path, body, headers...)
}

func (j journey) expect(a *answer, status int, reason string) {
	j.Helper()
	if a.status != status || a.body.Reason != reason {
		j.Errorf("%d %s, want %d %s", a.status, a.raw, status, reason)
	}
}

// member names the journey's profile in a body, argument in a query.
func (j journey) member() string {
	if j.profile == "" {
		return ""
	}
	return fmt.Sprintf(`,"profile":%q`, j.profile)
}

func (j journey) argument() string {
	if j.profile == "" {
		return ""
	}
	return "&profile=" + j.profile
}

func (j journey) post(number string, headers ...string) *answer {
	return j.do(http.MethodPost, "/", fmt.Sprintf(`{"auth_id":%q,"recipient":%q%s}`, j.id, number, j.member()), headers...)
}

// create makes a code for the person and returns it.
func (j journey) create(headers ...string) string {
	j.Helper()
	j.expect(j.post(j.number, headers...), 200, "")
	j.count("smsv_codes_created_total", j.area, j.caller, j.profile)
	j.count("smsv_codes_sent_total", j.area, j.caller, j.profile)
	return codeSent(j.T, j.sim, j.number)
}

func (j journey) check(code string, headers ...string) *answer {
	if len(headers) == 0 && rand.IntN(2) == 0 {
		return j.do(http.MethodGet, "/?auth_id="+j.id+"&code="+code+j.argument(), "")
	}
	return j.do(http.MethodPost, "/verify", fmt.Sprintf(`{"auth_id":%q,"code":%q%s}`, j.id, code, j.member()), headers...)
}

func (j journey) right(code string, headers ...string) {
	j.Helper()
	j.expect(j.check(code, headers...), 200, "")
	j.count("smsv_checks_total", "right")
	j.count("smsv_codes_verified_total", j.area, j.caller, j.profile)
	j.count("smsv_codes_ended_total", "verified")
}

func (j journey) wrong(code string) {
	j.Helper()
	j.expect(j.check(otherCode(code)), 400, "InvalidAuthCode")
	j.count("smsv_checks_total", "wrong")
	j.count("smsv_codes_wrong_total", j.caller, j.profile)
}

func (j journey) usedUp(code string) {
	j.Helper()
	j.expect(j.check(otherCode(code)), 400, "InvalidAuthCode")
	j.count("smsv_checks_total", "used_up")
	j.count("smsv_codes_wrong_total", j.caller, j.profile)
	j.count("smsv_codes_ended_total", "used_up")
}

func (j journey) unknown(code string) {
	j.Helper()
	j.expect(j.check(code), 400, "UnknownAuthId")
	j.count("smsv_checks_total", "unknown")
}

// What Flowroute may do with a person's messages.
var (
	refused     = flowroutetest.Fault{Kind: flowroutetest.Refuse, Status: 422}
	unconfirmed = flowroutetest.Fault{Kind: flowroutetest.AcceptReset}
)

func (j journey) flowroute(f flowroutetest.Fault) {
	if err := j.sim.Fail(j.number, f); err != nil {
		j.Error(err)
	}
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
			j.expect(j.do(http.MethodDelete, "/?auth_id="+j.id+j.argument(), ""), 200, "")
		}
		j.count("smsv_codes_ended_total", "cancelled")
		j.unknown(c)
	},
	func(j journey) { // a message that is refused replaces nothing
		c := j.create()
		j.flowroute(refused)
		j.expect(j.post(j.number), 500, "MessageRejected")
		j.count("smsv_codes_ended_total", "withdrawn")
		j.right(c)
		j.unknown(c)
	},
	func(j journey) { // refused, and asked again
		j.flowroute(refused)
		for range 3 {
			j.expect(j.post(j.number, keyHeader(j.id)), 500, "MessageRejected")
		}
		j.count("smsv_codes_ended_total", "withdrawn")
	},
	func(j journey) { // unconfirmed, and asked again
		j.flowroute(unconfirmed)
		for range 2 {
			j.expect(j.post(j.number, keyHeader(j.id)), 500, "MessageUnconfirmed")
		}
		j.count("smsv_codes_created_total", j.area, j.caller, j.profile)
		j.mu.Lock()
		j.waiting = append(j.waiting, entryLeft{j.caller, j.profile, j.id, time.Now()})
		j.mu.Unlock()
	},
	func(j journey) { // limited
		j.create()
		c := j.create()
		j.count("smsv_codes_ended_total", "replaced")
		j.expect(j.post(j.number), 429, "RateLimited")
		j.count("smsv_limits_hit_total", "SEND_LIMITS 2/1h")
		j.right(c)
	},
	func(j journey) { j.expect(j.post("12069995555"), 403, "RecipientNotAllowed") },
	func(j journey) { j.expect(j.post("1206"), 400, "InvalidAPIUsage"); j.unknown("123456") },
	func(j journey) { // the same requests again and again, and at once
		c := j.create(keyHeader(j.id))
		j.expect(j.post(j.number, keyHeader(j.id)), 200, "")
		j.right(c, keyHeader("check-"+j.id))
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { j.expect(j.check(c, keyHeader("check-"+j.id)), 200, "") })
		}
		wg.Wait()
		j.unknown(c)
	},
	func(j journey) { // one wrong code, entered by several at once with one key
		c := j.create()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { j.expect(j.check(otherCode(c), keyHeader("wrong-"+j.id)), 400, "InvalidAuthCode") })
		}
		wg.Wait()
		j.count("smsv_checks_total", "wrong")
		j.count("smsv_codes_wrong_total", j.caller, j.profile)
		j.right(c)
	},
	func(j journey) { // never entered
		j.create()
		j.mu.Lock()
		j.waiting = append(j.waiting, entryLeft{j.caller, j.profile, j.id, time.Now()})
		j.mu.Unlock()
	},
}

// figures are the sums over the replicas of some metrics.
func (l *traffic) figures(names ...string) map[string]float64 {
	sums := map[string]float64{}
	for _, p := range l.fleet {
		all := families(l.T, p)
		for _, name := range names {
			for _, m := range all[name].GetMetric() {
				labels := []string{}
				for _, label := range m.Label {
					labels = append(labels, label.GetValue())
				}
				value := m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
				if value != 0 {
					sums[series(name, labels...)] += value
				}
			}
		}
	}
	return sums
}

func (l *traffic) sum(name string) (sum float64) {
	for _, value := range l.figures(name) {
		sum += value
	}
	return sum
}

// TestFiguresAreExact: under mixed load on two replicas the figures are what
// the load and Flowroute counted.
func TestFiguresAreExact(t *testing.T) {
	const (
		lifetime = 8 * time.Second // longer than a journey takes, even with little of the processor
		each     = 8               // of every journey
	)
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{Keep: 10_000})
	keys := []string{}
	for _, caller := range []string{"shop", "bank"} {
		keys = append(keys, fmt.Sprintf("%s:%x", caller, sha256.Sum256([]byte(caller+"-key"))))
	}
	env := environment(redis, sim, "API_KEYS="+strings.Join(keys, ","), `PROFILES={"login":{}}`, "CODE_LENGTH=6", "CODE_EXPIRATION=8",
		"SEND_LIMITS=2/1h", "SEND_LIMITS_TOTAL=10000/1h", "BLOCKED_PREFIXES=1206999", "FLOWROUTE_RATE=5000",
		"AUTH_MESSAGE={code}\nÜ "+strings.Repeat("a long story ", 8))
	l := &traffic{T: t, sim: sim, want: map[string]float64{}, faults: map[string]flowroutetest.Fault{}, fleet: []*process{serveReady(t, env), serveReady(t, env)}}
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
	over := func() float64 { return l.sum("smsv_codes_over_total") }
	stored := l.sum("smsv_codes_created_total")
	eventually(t, lifetime+10*time.Second, "the lifetime of every entry is over", func() bool { return over() == stored })
	for _, e := range l.waiting { // each is told once
		time.Sleep(time.Until(e.made.Add(lifetime)))
		j := journey{traffic: l, caller: e.caller, profile: e.profile, id: e.id}
		j.expect(j.check("123456"), 400, "ExpiredAuthCode")
		j.count("smsv_checks_total", "expired")
		j.unknown("123456")
	}

	names := []string{"smsv_codes_created_total", "smsv_codes_sent_total", "smsv_codes_verified_total", "smsv_codes_wrong_total", "smsv_codes_ended_total",
		"smsv_checks_total", "smsv_limits_hit_total"}
	if diff := cmp.Diff(l.want, l.figures(names...)); diff != "" {
		t.Errorf("the load counted (-), the service counted (+):\n%s", diff)
	}
	l.compareWithFlowroute()
	eventually(t, 10*time.Second, "what ended early is over too", func() bool {
		return over()-l.sum("smsv_codes_over_ended_total") == float64(len(l.waiting))
	})
	if got := l.sum("smsv_http_requests_total"); got < float64(l.requests) { // with those for readiness and metrics
		t.Errorf("%v requests counted of %d", got, l.requests)
	}
	t.Logf("%d requests, %d entries, %d unused", l.requests, int(stored), len(l.waiting))
}

func (l *traffic) compareWithFlowroute() {
	messages, segments, unsure := l.sim.Messages(), 0, 0
	for _, m := range messages {
		if l.faults[m.To] == unconfirmed {
			unsure++
		} else {
			segments += m.Segments
		}
	}
	taken := len(messages) - unsure
	for name, want := range map[string]int{
		"smsv_codes_sent_total": taken, "smsv_message_segments_total": segments, "smsv_codes_created_total": len(messages),
	} {
		if got := l.sum(name); got != float64(want) || want == 0 {
			l.Errorf("%s is %v, Flowroute has %d", name, got, want)
		}
	}
	sends := l.figures("smsv_flowroute_send_duration_seconds", "smsv_redis_operation_errors_total")
	refusals := int(l.sim.Requests().Requests) - len(messages)
	want := map[string]float64{
		"smsv_flowroute_send_duration_seconds{accepted}":    float64(taken),
		"smsv_flowroute_send_duration_seconds{unconfirmed}": float64(unsure),
		"smsv_flowroute_send_duration_seconds{rejected}":    float64(refusals),
	}
	if diff := cmp.Diff(want, sends); diff != "" {
		l.Errorf("Flowroute counted (-), the service counted (+):\n%s", diff)
	}
	if got := l.sum("smsv_pace_wait_seconds"); got != float64(len(messages)+refusals) {
		l.Errorf("%v turns for %d sends", got, len(messages)+refusals)
	}
	for _, p := range l.fleet { // each tells of all
		if used := families(l.T, p)["smsv_send_budget_used"].Metric[0].GetGauge().GetValue(); used != float64(len(messages)) {
			l.Errorf("%v of the budget used by %d messages", used, len(messages))
		}
	}
}
