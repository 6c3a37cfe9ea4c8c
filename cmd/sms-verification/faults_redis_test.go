package main

import (
	"context"
	crand "crypto/rand"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// redisFaults are the rows in which one Redis breaks.
func redisFaults() []fault {
	const served, refused = "works again within <bound> after it is back", "503 within <bound>"
	return []fault{
		{name: "absent at start", bound: unavailableWithin, run: faultAbsentAtStart,
			what: "Redis absent when the service starts",
			want: "starts but is not ready, " + refused + "; works when Redis starts", kept: "no SMS"},
		{name: "killed", bound: 2 * time.Second, run: faultKilled,
			what: "Redis killed under load for 1 s, `appendfsync always`",
			want: served, kept: "no used code is valid again"},
		{name: "stopped", bound: unavailableWithin, run: faultStopped,
			what: "Redis paused (SIGSTOP) for 5 s",
			want: refused, kept: "nothing answered 503 is charged, accepted or sent later"},
		{name: "slow 50 ms", bound: 500 * time.Millisecond, run: faultSlow(50 * time.Millisecond),
			what: "Redis 50 ms away",
			want: "works: no 503, answers within <bound>"},
		{name: "slow 200 ms", bound: 2 * time.Second, run: faultSlow(200 * time.Millisecond),
			what: "Redis 200 ms away",
			want: "works: no 503, answers within <bound>"},
		{name: "reply lost", bound: unavailableWithin, run: faultReplyLost,
			what: "Redis' reply to a create, a wrong code and a right code is lost, once and twice in a row",
			want: "the correct answers within <bound>", kept: "one SMS per create, one attempt per wrong code"},
		{name: "cut", bound: 2 * time.Second, run: faultCut,
			what: "connections to Redis cut at random under load, every 30 ms on average",
			want: "only correct answers and 503; works within <bound> after the last cut"},
		{name: "garbage", bound: unavailableWithin, run: faultGarbage,
			what: "something other than Redis answers: noise, HTTP, wrong replies",
			want: refused, kept: "entries unchanged, no SMS"},
		{name: "maxclients", bound: unavailableWithin, run: faultMaxClients,
			what: "Redis accepts no more clients, under load",
			want: refused + "; works within 2 s after", kept: "entries unchanged, no SMS"},
		{name: "out of memory", bound: unavailableWithin, run: faultOutOfMemory,
			what: "Redis out of memory (`noeviction`)",
			want: refused, kept: "no free guess: right codes are not accepted, wrong ones not charged"},
		{name: "script flush", bound: unavailableWithin, run: faultScriptFlush,
			what: "`SCRIPT FLUSH` every 10 ms under load",
			want: "no failure, answers within <bound>"},
		{name: "permissions", bound: unavailableWithin, run: faultPermitted(func(t testing.TB) *redistest.Instance { return redistest.Server(t) }),
			what: "a Redis user with exactly the documented commands, under load",
			want: "no failure, answers within <bound>"},
	}
}

// unavailableWithin bounds a 503 for a Redis that does not answer.
const unavailableWithin = 1100 * time.Millisecond

// wantUnavailable expects the 503 of an outage.
func (a *answer) wantUnavailable(t testing.TB) {
	t.Helper()
	if a.want(t, http.StatusServiceUnavailable, gotUnavailable).header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
}

// outage makes n entries, breaks Redis, and expects that everything is refused. Then it
// mends Redis, and expects that the service works again within 2 s and that no entry has
// changed. It returns the longest times of both.
func (s *scene) outage(n int, bound time.Duration, begin, end func()) (refused, back time.Duration) {
	s.Helper()
	entries := s.made(n)
	begin()
	refused = s.refusesAll(entries, bound)
	end()
	back = s.servedAgain(time.Now(), 2*time.Second)
	s.spared(entries)
	return refused, back
}

func outageText(refused, back time.Duration) string {
	return fmt.Sprintf("503 after %s at most, served again after %s", millis(refused), millis(back))
}

// refusesAll expects that creates and checks are refused, and that none sends a
// message. It returns the longest time.
func (s *scene) refusesAll(entries []entry, bound time.Duration) (slowest time.Duration) {
	s.Helper()
	slowest = timed(len(entries)+5, func(i int) {
		if i >= len(entries) {
			to := s.recipient()
			create(s, s.url(), to, to).wantUnavailable(s)
			if n := len(s.codes(to)); n != 0 {
				s.Errorf("a create that was answered 503 sent %d messages", n)
			}
			return
		}
		id, code := entries[i].id, entries[i].code
		if i%2 == 0 {
			code = otherCode(code)
		}
		if i%4 < 2 {
			verify(s, s.url(), id, code).wantUnavailable(s)
		} else {
			get(s, s.url()+"/?auth_id="+id+"&code="+code).wantUnavailable(s)
		}
	})
	if slowest > bound {
		s.Errorf("answered after %v, want %v", slowest, bound)
	}
	return slowest
}

// spared checks that entries are unchanged: no attempt was spent and no code used.
func (s *scene) spared(entries []entry) {
	s.Helper()
	for _, e := range entries {
		verify(s, s.url(), e.id, otherCode(e.code)).wantLeft(s, 2)
		verify(s, s.url(), e.id, e.code).want(s, 200, "")
		verify(s, s.url(), e.id, e.code).want(s, 400, gotUnknown)
	}
}

// servedAgain waits until a create and a check succeed, and returns how long that
// took from the given time.
func (s *scene) servedAgain(since time.Time, bound time.Duration) time.Duration {
	s.Helper()
	codestest.Await(s, time.Until(since)+bound+10*time.Second, "served again", func() bool {
		to := s.recipient()
		return create(s, s.url(), to, to).status == http.StatusOK && verify(s, s.url(), to, s.codes(to)[0]).status == http.StatusOK
	})
	took := time.Since(since)
	if took > bound {
		s.Errorf("served again after %v, want %v", took, bound)
	}
	return took
}

func faultAbsentAtStart(t *testing.T, bound time.Duration) string {
	s := setUp(t, redistest.Server(t))
	s.redis.Signal(syscall.SIGKILL)
	p := serve(t, s.env)
	s.fleet = append(s.fleet, p)
	for _, url := range []string{p.URL, p.Admin} {
		get(t, url+"/readyz").wantUnavailable(t)
		get(t, url+"/healthz").want(t, 200, "")
	}
	slowest := s.refusesAll(nil, bound)
	p.logs(t, "waiting for Redis")
	s.redis.Restart()
	back := time.Now()
	codestest.Await(t, 2*time.Second, "ready", func() bool { return isReady(p.URL) })
	return fmt.Sprintf("503 after %s at most, ready %s after Redis was", millis(slowest), millis(time.Since(back)))
}

func faultKilled(t *testing.T, bound time.Duration) string {
	s := served(t, redistest.Server(t, "appendonly yes", "appendfsync always"))
	l := s.loads(4)
	time.Sleep(phase())
	s.redis.Signal(syscall.SIGKILL)
	time.Sleep(time.Second)
	s.redis.Restart()
	return l.recovers(time.Now(), bound)
}

func faultStopped(t *testing.T, bound time.Duration) string {
	s := served(t, redistest.Server(t))
	var since time.Time
	return outageText(s.outage(20, bound, func() {
		s.redis.Signal(syscall.SIGSTOP)
		since = time.Now()
	}, func() {
		for range 2 {
			s.refusesAll(nil, bound)
		}
		do(t, http.MethodDelete, s.url()+"/?auth_id=a", "").wantUnavailable(t)
		get(t, s.url()+"/readyz").want(t, 200, "") // an outage of Redis takes no replica out of the load balancer
		time.Sleep(time.Until(since.Add(5 * time.Second)))
		s.redis.Signal(syscall.SIGCONT)
	}))
}

// behindProxy sets up a service that reaches Redis through a proxy.
func behindProxy(t *testing.T) (*scene, *redistest.Proxy) {
	redis := redistest.Server(t)
	proxy := redistest.NewProxy(t, redis.Addr)
	return served(t, redis, "REDIS_URL=redis://"+proxy.Addr()+"/0"), proxy
}

func faultSlow(delay time.Duration) func(*testing.T, time.Duration) string {
	return func(t *testing.T, bound time.Duration) string {
		s, proxy := behindProxy(t)
		l := s.loads(4)
		proxy.Delay(delay)
		time.Sleep(2 * phase())
		l.end()
		proxy.Delay(0)
		return l.unharmed(bound)
	}
}

func faultReplyLost(t *testing.T, bound time.Duration) string {
	s, proxy := behindProxy(t)
	var slowest time.Duration
	for _, n := range []int{1, 2} {
		lose := func(ask func() *answer) (a *answer) {
			t.Helper()
			proxy.DropReplies(n, "evalsha")
			dropped := proxy.Dropped()
			slowest = max(slowest, timed(1, func(int) { a = ask() }))
			if dropped = proxy.Dropped() - dropped; dropped != n {
				t.Errorf("%d replies lost, want %d", dropped, n)
			}
			return a
		}
		to := s.recipient()
		lose(func() *answer { return create(t, s.url(), to, to) }).want(t, 200, "").wantLeft(t, 3)
		if sent := len(s.codes(to)); sent != 1 {
			t.Fatalf("%d messages", sent)
		}
		code := s.codes(to)[0]
		check := func(code string) *answer { return lose(func() *answer { return verify(t, s.url(), to, code) }) }
		check(otherCode(code)).want(t, 400, gotWrong).wantLeft(t, 2)
		check(otherCode(code)).want(t, 400, gotWrong).wantLeft(t, 1)
		check(code).want(t, 200, "")
		check(code).want(t, 400, gotUnknown)
	}
	if slowest > bound {
		t.Errorf("answered after %v, want %v", slowest, bound)
	}
	return "slowest " + millis(slowest)
}

func faultCut(t *testing.T, bound time.Duration) string {
	s, proxy := behindProxy(t)
	l := s.loads(4)
	for end := time.Now().Add(2 * phase()); time.Now().Before(end); time.Sleep(rand.N(60 * time.Millisecond)) {
		proxy.CutAll()
	}
	return l.recovers(time.Now(), bound)
}

func faultGarbage(t *testing.T, bound time.Duration) string {
	s, proxy := behindProxy(t)
	noise := make([]byte, 4096)
	_, _ = crand.Read(noise)
	var slowest, slowestBack time.Duration
	for _, reply := range []string{
		string(noise), "\r\n", "+OK\r\n", ":1\r\n", "$-1\r\n", "*-1\r\n", "*3\r\n:1\r\n$4\r\ndone\r\n$-1\r\n", "*2\r\n$1\r\nx\r\n",
		"-ERR no\r\n", "%1\r\n+a\r\n+b\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "*1\r\n*1\r\n*1\r\n*1\r\n", "$10\r\nshort",
	} {
		var end func()
		refused, back := s.outage(2, bound, func() {
			proxy.Refuse(true)
			proxy.CutAll()
			end = answerAlways(t, proxy.Addr(), reply)
		}, func() {
			end()
			proxy.Refuse(false)
		})
		slowest, slowestBack = max(slowest, refused), max(slowestBack, back)
	}
	return outageText(slowest, slowestBack)
}

// answerAlways listens at an address and answers whatever arrives with reply.
func answerAlways(t *testing.T, addr, reply string) (end func()) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed
			}
			context.AfterFunc(ctx, func() { _ = conn.Close() })
			go func() {
				buffer := make([]byte, 64<<10)
				for err := error(nil); err == nil; _, err = io.WriteString(conn, reply) {
					if _, err := conn.Read(buffer); err != nil {
						return
					}
				}
			}()
		}
	}()
	return func() { _ = listener.Close(); cancel() }
}

func faultMaxClients(t *testing.T, bound time.Duration) string {
	s := served(t, redistest.Server(t))
	l := s.loads(4)
	inside := s.redis.Client().(*redis.Client).Conn() // the one client that stays
	defer func() { _ = inside.Close() }()
	do := func(args ...any) {
		t.Helper()
		if err := inside.Do(t.Context(), args...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	var over time.Time
	refused, _ := s.outage(10, bound, func() {
		do("config", "set", "maxclients", 1)
		do("client", "kill", "type", "normal", "skipme", "yes")
	}, func() {
		do("config", "set", "maxclients", 1000)
		over = time.Now()
	})
	return fmt.Sprintf("503 after %s at most, %s", millis(refused), l.recovers(over, 2*time.Second))
}

func faultOutOfMemory(t *testing.T, bound time.Duration) string {
	s := served(t, redistest.Server(t, "maxmemory-policy noeviction"))
	client := s.redis.Client()
	const megabyte = 1 << 20
	return outageText(s.outage(20, bound, func() {
		info := client.InfoMap(t.Context(), "memory")
		used, err := strconv.Atoi(info.Item("Memory", "used_memory"))
		if err != nil {
			t.Fatal(info.Err(), err)
		}
		if err := client.ConfigSet(t.Context(), "maxmemory", strconv.Itoa(used+megabyte)).Err(); err != nil {
			t.Fatal(err)
		}
		if err := client.SetRange(t.Context(), "filler", 8*megabyte, "x").Err(); err != nil {
			t.Fatal(err)
		}
	}, func() {
		if err := client.Del(t.Context(), "filler").Err(); err != nil {
			t.Fatal(err)
		}
	}))
}

func faultScriptFlush(t *testing.T, bound time.Duration) string {
	s := served(t, redistest.Server(t))
	l := s.loads(4)
	flushes := 0
	for end := time.Now().Add(2 * phase()); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		flushes++
		if err := s.redis.Client().ScriptFlush(t.Context()).Err(); err != nil {
			t.Error(err)
		}
	}
	return fmt.Sprintf("%d flushes, %s", flushes, l.unharmed(bound))
}
