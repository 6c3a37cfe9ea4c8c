package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// nemesis causes faults between the replicas and Redis.
type nemesis struct {
	redis         *redistest.Instance
	proxies       []*redistest.Proxy // one per replica
	long          bool               // also faults that last longer than a replica waits
	quiet         bool               // no faults
	cuts, outages int
}

// act causes faults until the end.
func (n *nemesis) act(end time.Time) {
	if n.quiet {
		time.Sleep(time.Until(end))
		return
	}
	for time.Now().Before(end) {
		n.disturb(n.proxies, 300*time.Millisecond)
		if n.long {
			victim := n.outages % len(n.proxies)
			others := slices.Delete(slices.Clone(n.proxies), victim, victim+1)
			n.disturb(others, 150*time.Millisecond) // so that the victim opens connections
			over := n.begin(n.proxies[victim])
			n.disturb(others, 600*time.Millisecond)
			over()
		}
	}
	for _, p := range n.proxies {
		p.DropReplies(0, "")
	}
}

// disturb loses some replies and cuts connections for a while.
func (n *nemesis) disturb(proxies []*redistest.Proxy, during time.Duration) {
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

// begin begins an outage that is longer than a replica waits. The function that it
// returns ends it.
func (n *nemesis) begin(victim *redistest.Proxy) (over func()) {
	n.outages++
	switch n.outages % 6 {
	case 0: // all scripts run, and all replies are lost
		victim.DropReplies(1<<30, "eval")
		return func() { victim.DropReplies(0, "") }
	case 1, 4: // scripts run after the replica has answered
		victim.Delay(550 * time.Millisecond)
		return func() { victim.Delay(0) }
	case 2: // scripts run after the replica has sent them again
		victim.Delay(300 * time.Millisecond)
		return func() { victim.Delay(0) }
	case 3: // no script runs
		victim.Refuse(true)
		victim.CutAll()
		return func() { victim.Refuse(false) }
	default: // all waiting scripts run at the end
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
	t       *testing.T
	urls    []string
	sent    sync.Map            // language → code
	spoil   func(number string) // makes the next send to a number fail; may be nil
	mayStay bool                // a create that is answered 503 may leave its entry
	same    bool                // a profile resends the same code
	others  bool                // in same mode, each id has a second recipient

	start   time.Time
	numbers atomic.Int64
	mu      sync.Mutex
	known   [3][]string // the codes that were sent for each id, the newest last
	history []porcupine.Operation
}

const clients = 12

func newWorkload(t *testing.T) *workload { return &workload{t: t, start: time.Now()} }

// run runs the clients while the nemesis acts, and returns their history.
func (w *workload) run(n *nemesis, during time.Duration) []porcupine.Operation {
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

// one makes one request to the client's own replica, so that a slow replica does not
// delay all clients.
func (w *workload) one(client int) result {
	url := w.urls[client%len(w.urls)]
	id := rand.IntN(len(w.known))
	from := w.now()
	switch dice := rand.IntN(100); {
	case dice < 24:
		return w.create(client, id, from)
	case dice < 30:
		a, err := request(http.MethodDelete, fmt.Sprintf("%s/?auth_id=id-%d&profile=again", url, id), "")
		return w.record(client, call{id: id, kind: "delete"}, from, w.resultOf(a, err, done), err)
	default:
		return w.verify(client, id, w.guess(id))
	}
}

func (w *workload) verify(client, id int, code string) result {
	from := w.now()
	a, err := request(http.MethodPost, w.urls[client%len(w.urls)]+"/verify", fmt.Sprintf(`{"auth_id":"id-%d","code":%q,"profile":"again"}`, id, code))
	return w.record(client, call{id: id, kind: "verify", code: code}, from, w.resultOf(a, err, right), err)
}

// create makes a create. If it sent nothing, its code is unknown.
func (w *workload) create(client, id int, from int64) result {
	requestID := fmt.Sprint(2_000_000 + w.numbers.Add(1))
	number := "1206" + requestID
	c := call{id: id, kind: "create", code: requestID}
	if w.same {
		number = fmt.Sprintf("120655501%d0", id)
		if w.others && rand.IntN(4) == 0 {
			number = fmt.Sprintf("120655501%d1", id)
		}
		c.code, c.recipient = "", number
	}
	if w.spoil != nil && rand.IntN(3) == 0 {
		w.spoil(number)
	}
	language := languageOf(client)
	w.sent.Delete(language)
	a, err := request(http.MethodPost, w.urls[client%len(w.urls)]+"/",
		fmt.Sprintf(`{"auth_id":"id-%d","recipient":%q,"profile":"again","locale":%q}`, id, number, language), "X-Request-Id: "+requestID)
	sent, wasSent := w.sent.Load(language)
	if wasSent {
		c.code = sent.(string)
		w.mu.Lock()
		w.known[id] = append(w.known[id], c.code)
		w.mu.Unlock()
	}
	switch {
	case err != nil:
		w.t.Error(err)
	case a.status == http.StatusOK || a.body.Reason == "MessageUnconfirmed":
		return w.record(client, c, from, done, nil)
	case w.mayStay:
		return w.record(client, c, from, maybe, nil)
	case wasSent:
		w.t.Errorf("a message was sent, and the answer is %d %s", a.status, a.raw)
	}
	reserved := maybe // Redis may be what failed
	if a.body.Reason == "MessageRejected" || a.body.Reason == "SenderRefused" {
		reserved = done
	}
	c.kind, c.code = "reserve", requestID
	w.record(client, c, from, reserved, nil)
	c.kind = "release"
	return w.record(client, c, from, reserved, nil)
}

// languageOf is a language for private use. A message in it shows which client's
// create sent it.
func languageOf(client int) string { return "qa" + string(rune('a'+client)) }

// profile is the setting PROFILES with one profile, which has a message in the language
// of each client.
func (w *workload) profile() string {
	resend := "new"
	if w.same {
		resend = "same"
	}
	messages := map[string]string{}
	for client := range clients {
		messages[languageOf(client)] = "{code}\n" + languageOf(client)
	}
	profiles, err := json.Marshal(map[string]any{"again": map[string]any{"resend": resend, "messages": messages}})
	if err != nil {
		panic(err)
	}
	return "PROFILES=" + string(profiles)
}

// cleanupTime bounds pending cleanup once the faults are over.
const cleanupTime = 3 * time.Second

// withCleanup waits for the cleanup that the replicas log as pending. The creates that
// it belongs to end their release only then.
func (w *workload) withCleanup(fleet []*process, history []porcupine.Operation) []porcupine.Operation {
	time.Sleep(cleanupTime)
	pending := map[string]bool{}
	for _, p := range fleet {
		for line := range strings.Lines(p.stderr.String()) {
			var entry struct {
				ID    string `json:"request_id"`
				Error string
			}
			if json.Unmarshal([]byte(line), &entry) == nil && strings.Contains(entry.Error, "cleanup pending") {
				pending[entry.ID] = true
			}
		}
	}
	w.t.Logf("cleanup of %d creates was pending", len(pending))
	for i, o := range history {
		if c := o.Input.(call); c.kind == "release" && pending[c.code] {
			history[i].Return = w.now()
		}
	}
	return history
}

// checkAll checks the newest code that was sent for each id, and a wrong one.
func (w *workload) checkAll() []porcupine.Operation {
	w.history = nil
	for id := range w.known {
		guesses := []string{randomCode()}
		if n := len(w.known[id]); n > 0 {
			guesses = append(guesses, w.known[id][n-1])
		}
		for _, code := range guesses {
			w.verify(0, id, code)
		}
	}
	return w.history
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
	return randomCode()
}

func randomCode() string { return fmt.Sprintf("%012d", rand.Int64N(1e12)) }

// resultOf returns the result in an answer, which is ok for 200.
func (w *workload) resultOf(a *answer, err error, ok result) result {
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

// record records an operation that was answered now or, with an error, never.
func (w *workload) record(client int, c call, from int64, r result, err error) result {
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

// resentIn counts the creates that sent a code that another had sent before.
func resentIn(history []porcupine.Operation) (n int) {
	seen := map[call]bool{}
	for _, o := range history {
		if c := o.Input.(call); c.kind == "create" && c.code != "" {
			if seen[c] {
				n++
			}
			seen[c] = true
		}
	}
	return n
}

// rightTwice returns a code that was accepted twice. The model does not know that
// no code is sent again once its entry has ended.
func rightTwice(history []porcupine.Operation) (code string, twice bool) {
	accepted := map[string]bool{}
	for _, o := range history {
		if c := o.Input.(call); c.kind == "verify" && o.Output == right {
			if accepted[c.code] {
				return c.code, true
			}
			accepted[c.code] = true
		}
	}
	return "", false
}

// overlapsIn counts the creates that failed beside another create of the same id.
func overlapsIn(history []porcupine.Operation) (n int) {
	for _, o := range history {
		c := o.Input.(call)
		if c.kind == "reserve" && slices.ContainsFunc(history, func(other porcupine.Operation) bool {
			of := other.Input.(call)
			return of.id == c.id && (of.kind == "create" || of.kind == "reserve") && of.code != c.code &&
				other.Call < o.Return && o.Call < other.Return
		}) {
			n++
		}
	}
	return n
}
