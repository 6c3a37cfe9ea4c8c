package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/redis/go-redis/v9"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// TestLinearizable: whatever replies are lost, connections cut and replicas
// and Redis slow, every answer of three replicas is one that a single service
// doing one request after the other could have given. An answer that does not
// say what happened (503) leaves open whether the request had its effect, but
// from then on it has none.
func TestLinearizable(t *testing.T) {
	w := newWorkload(t)
	server := redistest.Server(t)
	sim := startSimulator(t, flowroutetest.Options{OnMessage: func(m flowroutetest.Message) {
		code, _, _ := strings.Cut(m.Body, "\n")
		w.sent.Store(m.To, code)
	}})
	env := environment(server, sim, "CODE_LENGTH=12", fmt.Sprintf("RETRIES_ALLOWED=%d", attemptsAllowed))
	n := &nemesis{redis: server, long: true}
	for range 3 {
		proxy := redistest.NewProxy(t, server.Addr)
		n.proxies = append(n.proxies, proxy)
		w.urls = append(w.urls, serveReady(t, append(slices.Clone(env), "REDIS_URL=redis://"+proxy.Addr()+"/0")).URL)
	}
	w.spoil = func(number string) {
		faults := []flowroutetest.Fault{
			{Kind: flowroutetest.Refuse, Status: http.StatusUnprocessableEntity, Delay: 20 * time.Millisecond},
			{Kind: flowroutetest.BadGateway}, {Kind: flowroutetest.AcceptReset},
		}
		if err := sim.Fail(number, faults[rand.IntN(len(faults))]); err != nil {
			t.Error(err)
		}
	}

	history := w.run(n, 8*time.Second)
	n.log(t)
	counts := countOf(history)
	t.Logf("%d operations: %v", len(history), counts)
	for what, least := range map[string]int{
		"create done": 50, "undo maybe": 3, "delete done": 20,
		"verify right": 10, "verify wrong": 50, "verify unknown": 50, "verify maybe": 5,
	} {
		if counts[what] < least {
			t.Errorf("%d times %s, want at least %d", counts[what], what, least)
		}
	}
	if n.dropped() < 50 || n.cuts < 50 || n.outages < 4 {
		t.Error("too few faults")
	}
	began := time.Now()
	result := linearizable(history, 30*time.Second)
	t.Logf("%s after %v", result, time.Since(began))
	switch {
	case result == porcupine.Ok:
	case result == porcupine.Illegal && linearizable(open(history), 5*time.Second) == porcupine.Ok:
		t.Errorf("a request had its effect after its answer; %s", smallest(history, false))
	case result == porcupine.Illegal:
		t.Errorf("not linearizable; %s", smallest(history, true))
	default:
		t.Errorf("the check ended with %s", result)
	}
}

// TestLinearizableControl: a service that lets its Redis client repeat a
// script without an operation id is found out under the same load.
func TestLinearizableControl(t *testing.T) {
	const rounds = 5
	server := redistest.Server(t)
	for round := range rounds {
		w := newWorkload(t)
		n := &nemesis{redis: server}
		for range 3 {
			proxy := redistest.NewProxy(t, server.Addr)
			n.proxies = append(n.proxies, proxy)
			w.urls = append(w.urls, naive(t, "redis://"+proxy.Addr()+"/0", fmt.Sprintf("naive-%d-", round), &w.sent))
		}
		history := w.run(n, time.Second)
		n.log(t)
		t.Logf("%d operations: %v", len(history), countOf(history))
		result := linearizable(open(history), 2*time.Second)
		if result == porcupine.Illegal {
			t.Logf("illegal, as it should be; %s", smallest(history, true))
			return
		}
		t.Logf("round %d: %s", round, result)
	}
	t.Errorf("not found out in %d rounds", rounds)
}

// naiveCheck compares a code: -1 is unknown, -2 right, else it is the attempts left.
const naiveCheck = `
local entry = redis.call('HMGET', KEYS[1], 'c', 'l')
if not entry[1] then return -1 end
if entry[1] == ARGV[1] then redis.call('DEL', KEYS[1]) return -2 end
local left = redis.call('HINCRBY', KEYS[1], 'l', -1)
if left == 0 then redis.call('DEL', KEYS[1]) end
return left`

// naive starts a service whose scripts are right, as long as each runs once,
// and returns its URL. It notes in sent what it would send.
func naive(t *testing.T, url, prefix string, sent *sync.Map) string {
	t.Helper()
	o, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(o) // repeats what failed up to three times, by default
	t.Cleanup(func() { _ = client.Close() })
	eval := func(w http.ResponseWriter, r *http.Request, script, id string, args ...any) (reply int, ok bool) {
		reply, err := client.Eval(r.Context(), script, []string{prefix + id}, args...).Int()
		if err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return reply, err == nil
	}
	bad := func(w http.ResponseWriter, reason string, left int) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, `{"reason":%q,"attempts_left":%d}`, reason, left)
	}
	handler := http.NewServeMux()
	handler.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			ID              string `json:"auth_id"`
			Recipient, Code string
		}
		_ = json.NewDecoder(r.Body).Decode(&body) // a DELETE has none
		switch {
		case r.Method == http.MethodDelete:
			eval(w, r, `return redis.call('DEL', KEYS[1])`, r.URL.Query().Get("auth_id"))
		case r.URL.Path == "/":
			code := string(codes.NewCode(12))
			if _, ok := eval(w, r, `return redis.call('HSET', KEYS[1], 'c', ARGV[1], 'l', ARGV[2])`, body.ID, code, attemptsAllowed); ok {
				sent.Store(body.Recipient, code)
			}
		default:
			switch reply, ok := eval(w, r, naiveCheck, body.ID, body.Code); {
			case ok && reply == -1:
				bad(w, "UnknownAuthId", 0)
			case ok && reply >= 0:
				bad(w, "InvalidAuthCode", reply)
			}
		}
	})
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s.URL
}

// nemesis is what goes wrong between the replicas and Redis.
type nemesis struct {
	redis         *redistest.Instance
	proxies       []*redistest.Proxy // one per replica
	long          bool               // also faults that last longer than a replica waits
	cuts, outages int
}

// act makes things go wrong until the end.
func (n *nemesis) act(end time.Time) {
	for time.Now().Before(end) {
		n.sting(n.proxies, 300*time.Millisecond)
		if n.long {
			victim := n.outages % len(n.proxies)
			others := slices.Delete(slices.Clone(n.proxies), victim, victim+1)
			n.sting(others, 150*time.Millisecond) // the victim gets connections to suffer on
			over := n.begin(n.proxies[victim])
			n.sting(others, 600*time.Millisecond)
			over()
		}
	}
	for _, p := range n.proxies {
		p.DropReplies(0, "")
	}
}

// sting loses some replies and cuts connections for a while.
func (n *nemesis) sting(proxies []*redistest.Proxy, during time.Duration) {
	for over := time.Now().Add(during); time.Now().Before(over); time.Sleep(8 * time.Millisecond) {
		p := proxies[rand.IntN(len(proxies))]
		if rand.IntN(4) == 0 {
			p.CutAll()
			n.cuts++
		} else {
			p.DropReplies(1+rand.IntN(3), "eval")
		}
	}
}

// begin begins an outage, longer than a replica waits, and returns what ends it.
func (n *nemesis) begin(victim *redistest.Proxy) (over func()) {
	n.outages++
	switch n.outages % 6 {
	case 0: // everything runs, and nobody hears of it
		victim.DropReplies(1<<30, "eval")
		return func() { victim.DropReplies(0, "") }
	case 1, 4: // everything runs after the replica has answered
		victim.Delay(550 * time.Millisecond)
		return func() { victim.Delay(0) }
	case 2: // everything runs after the replica has sent it again
		victim.Delay(300 * time.Millisecond)
		return func() { victim.Delay(0) }
	case 3: // nothing runs
		victim.Refuse(true)
		victim.CutAll()
		return func() { victim.Refuse(false) }
	default: // everything that waits runs at the end
		n.redis.Signal(syscall.SIGSTOP)
		return func() { n.redis.Signal(syscall.SIGCONT) }
	}
}

func (n *nemesis) dropped() (all int) {
	for _, p := range n.proxies {
		all += p.Dropped()
	}
	return all
}

func (n *nemesis) log(t *testing.T) {
	t.Helper()
	t.Logf("%d replies lost, connections cut %d times, %d outages", n.dropped(), n.cuts, n.outages)
}

// workload is many clients with few ids.
type workload struct {
	t     *testing.T
	urls  []string
	sent  sync.Map            // recipient → code
	spoil func(number string) // makes the sending to a number fail; may be nil

	start   time.Time
	numbers atomic.Int64
	mu      sync.Mutex
	known   [3][]string // the codes of each id that came, the newest last
	history []porcupine.Operation
}

func newWorkload(t *testing.T) *workload { return &workload{t: t, start: time.Now()} }

// run runs the clients against the nemesis, and returns what they saw.
func (w *workload) run(n *nemesis, during time.Duration) []porcupine.Operation {
	const clients = 12
	end := time.Now().Add(during)
	var wg sync.WaitGroup
	for client := range clients {
		wg.Go(func() {
			for time.Now().Before(end) {
				pause := time.Duration(rand.IntN(6)) * time.Millisecond
				if w.one(client) == maybe {
					pause = 150 * time.Millisecond // long enough to see that nothing happens later
				}
				time.Sleep(pause)
			}
		})
	}
	n.act(end)
	wg.Wait()
	return w.history
}

// one makes one request, of the client's own replica, so that not all of them
// wait for one that is slow.
func (w *workload) one(client int) result {
	url := w.urls[client%len(w.urls)]
	id := rand.IntN(len(w.known))
	name := fmt.Sprintf("id-%d", id)
	from := w.now()
	switch dice := rand.IntN(100); {
	case dice < 20:
		number := fmt.Sprintf("1206%d", 2_000_000+w.numbers.Add(1))
		if w.spoil != nil && rand.IntN(8) == 0 {
			w.spoil(number)
		}
		a, err := request(http.MethodPost, url+"/", fmt.Sprintf(`{"auth_id":%q,"recipient":%q}`, name, number))
		return w.created(client, id, number, from, a, err)
	case dice < 28:
		a, err := request(http.MethodDelete, url+"/?auth_id="+name, "")
		return w.note(client, call{id, "delete", ""}, from, w.meaning(a, err, done), err)
	default:
		code := w.guess(id)
		a, err := request(http.MethodPost, url+"/verify", fmt.Sprintf(`{"auth_id":%q,"code":%q}`, name, code))
		return w.note(client, call{id, "verify", code}, from, w.meaning(a, err, right), err)
	}
}

// created notes a create. One that failed may have stored its entry, and may
// have taken it back. A code that nobody got to know is called as the number,
// which nobody tries as a code.
func (w *workload) created(client, id int, number string, from int64, a *answer, err error) result {
	code := number
	if sent, ok := w.sent.Load(number); ok {
		code = sent.(string)
		w.mu.Lock()
		w.known[id] = append(w.known[id], code)
		w.mu.Unlock()
	}
	stored := w.meaning(a, err, done)
	undone := stored == maybe
	if err == nil && (a.body.Reason == "MessageUnconfirmed" || a.body.Reason == "MessageRejected") {
		stored, undone = done, a.body.Reason == "MessageRejected"
	}
	if undone {
		w.note(client, call{id, "undo", code}, from, maybe, err)
	}
	return w.note(client, call{id, "create", code}, from, stored, err)
}

// guess is the newest code of an id, an old one, or a wrong one.
func (w *workload) guess(id int) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(w.known[id])
	switch dice := rand.IntN(100); {
	case dice < 40 && n > 0:
		return w.known[id][n-1]
	case dice < 55 && n > 0:
		return w.known[id][max(0, n-1-rand.IntN(4))]
	}
	return string(codes.NewCode(12))
}

// meaning is what an answer says; ok is what 200 says.
func (w *workload) meaning(a *answer, err error, ok result) result {
	switch {
	case err != nil || a.status >= 500:
		return maybe
	case a.status == http.StatusOK:
		return ok
	case a.body.Reason == "UnknownAuthId":
		return unknown
	case a.body.Reason == "InvalidAuthCode" && a.body.AttemptsLeft != nil:
		return wrong(int(*a.body.AttemptsLeft))
	}
	w.t.Errorf("answer %d %s", a.status, a.raw)
	return maybe
}

func (w *workload) now() int64 { return time.Since(w.start).Nanoseconds() }

// note notes an operation that has just been answered, or, with an error, never.
func (w *workload) note(client int, c call, from int64, r result, err error) result {
	to := w.now()
	if err != nil {
		to = forever
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.history = append(w.history, porcupine.Operation{ClientId: client, Input: c, Output: r, Call: from, Return: to})
	return r
}

// countOf counts a history's operations by kind and answer.
func countOf(history []porcupine.Operation) map[string]int {
	counts := map[string]int{}
	for _, o := range history {
		counts[o.Input.(call).kind+" "+o.Output.(result).what]++
	}
	return counts
}
