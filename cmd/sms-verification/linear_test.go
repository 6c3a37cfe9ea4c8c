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
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/redis/go-redis/v9"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// TestLinearizable: with replies lost, connections cut, and replicas and Redis paused,
// three replicas answer like one service that handles one request after the other. A
// check that is answered 503 may have had its effect, but has none later. A create that
// sent nothing leaves the entry before it unchanged, even when creates overlap and when
// they send the same code again. In turns each id then has one recipient: a create
// chooses its code when it reserves, and the model when its turn comes.
func TestLinearizable(t *testing.T) {
	atOnce, inTurns := []string{"FLOWROUTE_MAX_WAIT=100ms"}, []string{"FLOWROUTE_RATE=40", "FLOWROUTE_MAX_WAIT=1s"}
	for _, test := range []struct {
		name   string
		env    []string
		same   bool
		during time.Duration
		least  int // of the rarest operations
	}{
		{"at once", atOnce, false, 8 * time.Second, 10},
		{"in turns", inTurns, false, 8 * time.Second, 3},
		{"the same code at once", atOnce, true, 5 * time.Second, 2},
		{"the same code in turns", inTurns, true, 5 * time.Second, 1},
	} {
		t.Run(test.name, func(t *testing.T) { linearizableService(t, test.same, test.during, test.least, test.env...) })
	}
}

func linearizableService(t *testing.T, same bool, during time.Duration, least int, extra ...string) {
	w := newWorkload(t)
	w.same, w.others = same, !slices.Contains(extra, "FLOWROUTE_RATE=40")
	server := redistest.Server(t)
	sim := startSimulator(t, flowroutetest.Options{OnMessage: func(m flowroutetest.Message) {
		code, language, _ := strings.Cut(m.Body, "\n")
		w.sent.Store(language, code)
	}})
	env := environment(server, sim, append(extra, w.profile(), "CODE_LENGTH=12", fmt.Sprintf("RETRIES_ALLOWED=%d", attemptsAllowed))...)
	n := &nemesis{redis: server, long: true}
	var fleet []*process
	for range 3 {
		proxy := redistest.NewProxy(t, server.Addr)
		n.proxies = append(n.proxies, proxy)
		fleet = append(fleet, serveReady(t, append(slices.Clone(env), "REDIS_URL=redis://"+proxy.Addr()+"/0")))
		w.urls = append(w.urls, fleet[len(fleet)-1].URL)
	}
	w.spoil = func(number string) {
		f := randomFault()
		f.Times = 1
		fail(t, sim, number, f)
	}

	history := w.run(n, during)
	history = append(w.withCleanup(fleet, history), w.checkAll()...)
	n.log(t)
	counts := countOf(history)
	overlaps := overlapsIn(history)
	t.Logf("%d operations, %d failed creates beside another create: %v", len(history), overlaps, counts)
	for what, times := range map[string]int{
		"create done": 5, "reserve done": 3, "reserve maybe": 1, "delete done": 2,
		"verify right": 1, "verify wrong": 5, "verify unknown": 5, "verify maybe": 1,
	} {
		if counts[what] < times*least {
			t.Errorf("%d times %s, want at least %d", counts[what], what, times*least)
		}
	}
	if overlaps < 2*least {
		t.Error("too few creates overlap")
	}
	resent := resentIn(history)
	t.Logf("%d codes sent again", resent)
	if same && resent < 5*least {
		t.Error("too few codes are sent again")
	}
	if code, twice := rightTwice(history); twice {
		t.Errorf("the code %s was accepted twice", code)
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
		t.Errorf("a request had its effect after its answer; %s", drawn(history))
	case result == porcupine.Illegal:
		t.Errorf("not linearizable; %s", drawn(open(history)))
	default:
		t.Errorf("the check ended with %s", result)
	}
}

func randomFault() flowroutetest.Fault {
	refuse := func(status int) flowroutetest.Fault {
		return flowroutetest.Fault{Kind: flowroutetest.Refuse, Status: status, Delay: time.Duration(rand.IntN(60)) * time.Millisecond}
	}
	faults := []flowroutetest.Fault{
		refuse(http.StatusUnprocessableEntity), refuse(http.StatusTooManyRequests), refuse(http.StatusUnauthorized),
		{Kind: flowroutetest.BadGateway}, {Kind: flowroutetest.AcceptReset},
	}
	return faults[rand.IntN(len(faults))]
}

// TestLinearizableControl: the same load exposes a service whose Redis client repeats
// scripts without an operation id, and one whose failed create destroys the entry
// before it.
func TestLinearizableControl(t *testing.T) {
	const rounds = 5
	for _, forgets := range []bool{false, true} {
		t.Run(fmt.Sprintf("forgets=%v", forgets), func(t *testing.T) {
			server := redistest.Server(t)
			for round := range rounds {
				w := newWorkload(t)
				w.mayStay = !forgets
				n := &nemesis{redis: server, quiet: forgets}
				for range 3 {
					proxy := redistest.NewProxy(t, server.Addr)
					n.proxies = append(n.proxies, proxy)
					w.urls = append(w.urls, naive(t, "redis://"+proxy.Addr()+"/0", fmt.Sprintf("naive-%d-", round), &w.sent, forgets))
				}
				history := w.run(n, time.Second)
				n.log(t)
				t.Logf("%d operations: %v", len(history), countOf(history))
				result := linearizable(open(history), 2*time.Second)
				if result == porcupine.Illegal {
					return
				}
				t.Logf("round %d: %s", round, result)
			}
			t.Errorf("not exposed in %d rounds", rounds)
		})
	}
}

// naiveCheck compares a code. It returns -1 for unknown, -2 for right, else the attempts
// left.
const naiveCheck = `
local entry = redis.call('HMGET', KEYS[1], 'c', 'l')
if not entry[1] then return -1 end
if entry[1] == ARGV[1] then redis.call('DEL', KEYS[1]) return -2 end
local left = redis.call('HINCRBY', KEYS[1], 'l', -1)
if left == 0 then redis.call('DEL', KEYS[1]) end
return left`

// naive starts a service whose scripts are correct as long as each runs once, and
// returns its URL. It stores in sent the codes that it would send. If it forgets, every
// other create fails and deletes the entry.
func naive(t *testing.T, url, prefix string, sent *sync.Map, forgets bool) string {
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
			ID           string `json:"auth_id"`
			Locale, Code string
		}
		_ = json.NewDecoder(r.Body).Decode(&body) // a DELETE has none
		switch {
		case r.Method == http.MethodDelete:
			eval(w, r, `return redis.call('DEL', KEYS[1])`, r.URL.Query().Get("auth_id"))
		case r.URL.Path == "/":
			code := randomCode()
			if forgets && rand.IntN(2) == 0 {
				eval(w, r, `return redis.call('DEL', KEYS[1])`, body.ID)
				bad(w, "MessageRejected", 0)
				return
			}
			if _, ok := eval(w, r, `return redis.call('HSET', KEYS[1], 'c', ARGV[1], 'l', ARGV[2])`, body.ID, code, attemptsAllowed); ok {
				sent.Store(body.Locale, code)
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
