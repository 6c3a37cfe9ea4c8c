package redistest

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// TestInspect: Dump and NoKeyWithoutTTL read the keys of every master.
func TestInspect(t *testing.T) {
	for name, open := range map[string]func(testing.TB) *Instance{"mini": Mini, "replicas": ClusterWithReplicas} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testInspect(t, open(t))
		})
	}
}

func testInspect(t *testing.T, r *Instance) {
	ctx, c := t.Context(), r.Client()
	c.Set(ctx, "in:string", "s\x00ecret", 0)
	c.HSet(ctx, "in:hash", "field", "of hash")
	c.RPush(ctx, "in:list", "first", "second")
	c.SAdd(ctx, "in:set", "of set")
	c.ZAdd(ctx, "in:zset", redis.Z{Score: 12065551234, Member: "member"})
	for _, key := range []string{"in:hash", "in:list", "in:set"} {
		c.Expire(ctx, key, time.Minute)
	}
	const want = "in:hash (hash)\n\tfield = of hash\n" +
		"in:list (list)\n\tfirst\n\tsecond\n" +
		"in:set (set)\n\tof set\n" +
		"in:string (string)\n\ts\x00ecret\n" +
		"in:zset (zset)\n\tmember = 12065551234\n"
	c.Set(ctx, "other", "v", time.Minute)
	if got := r.Dump(t, "in:"); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}

	failures := &recorder{TB: t}
	failures.run(func() { r.NoKeyWithoutTTL(failures, "in:") })
	if got := failures.String(); !strings.Contains(got, `2 keys without TTL: ["in:string" "in:zset"]`) {
		t.Errorf("NoKeyWithoutTTL said %q", got)
	}

	c.XAdd(ctx, &redis.XAddArgs{Stream: "in:stream", Values: []string{"f", "v"}})
	failures = &recorder{TB: t}
	failures.run(func() { r.Dump(failures, "in:") })
	if got := failures.String(); !strings.Contains(got, "unknown type stream") {
		t.Errorf("Dump ignored a stream: %q", got)
	}
}

// TestProcessesEnd: every process ends with the test that started it.
func TestProcessesEnd(t *testing.T) {
	var nodes []*Node
	t.Run("start", func(t *testing.T) {
		r := Cluster(t)
		nodes = append(nodes, r.Nodes...)
		stopped := Server(t)
		stopped.Signal(syscall.SIGSTOP)
		nodes = append(nodes, stopped.Nodes...)
		for _, n := range nodes {
			if err := n.cmd.Process.Signal(syscall.Signal(0)); err != nil {
				t.Errorf("%s: %v while it should run", n.Addr, err)
			}
		}
	})
	for _, n := range nodes {
		if err := syscall.Kill(n.cmd.Process.Pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("%s still runs: %v", n.Addr, err)
		}
	}
}

func TestWithoutRedisServer(t *testing.T) {
	for required, want := range map[string]string{
		"":  "skip: redistest: redis-server is not installed",
		"1": "fatal: redistest: redis-server is not installed, and REQUIRE_REDIS=1",
	} {
		t.Setenv("PATH", "")
		t.Setenv("REQUIRE_REDIS", required)
		r := &recorder{TB: t}
		r.run(func() { Server(r) })
		if got := r.String(); got != want {
			t.Errorf("REQUIRE_REDIS=%s: %q", required, got)
		}
	}
}

// TestPortTaken: a process that did not get its port is not mistaken for the one that has it.
func TestPortTaken(t *testing.T) {
	n := *Server(t).Nodes[0]
	if err := n.start(); err == nil || !strings.Contains(err.Error(), "Address already in use") {
		t.Errorf("a second start at the same address: %v", err)
	}
}

func TestBadConfigIsExplained(t *testing.T) {
	Server(t) // skips where there is none
	r := &recorder{TB: t}
	r.run(func() { Server(r, "no-such-setting yes") })
	if got := r.String(); !strings.Contains(got, "no-such-setting") {
		t.Errorf("the failure does not show the log: %q", got)
	}
}

// clientOf returns a client with the defaults of the library.
func clientOf(t *testing.T, url string) *redis.Client {
	t.Helper()
	opt, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	opt.DialerRetries = 1
	c := redis.NewClient(opt)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// recorder is a test that records its failures and skips.
type recorder struct {
	testing.TB
	strings.Builder
}

// run runs f in a goroutine, which Fatal and Skip end.
func (r *recorder) run(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

func (r *recorder) Errorf(format string, args ...any) {
	r.WriteString("error: " + fmt.Sprintf(format, args...))
}

func (r *recorder) Fatal(args ...any) {
	r.WriteString("fatal: " + fmt.Sprint(args...))
	runtime.Goexit()
}

func (r *recorder) Fatalf(format string, args ...any) { r.Fatal(fmt.Sprintf(format, args...)) }

func (r *recorder) Skip(args ...any) {
	r.WriteString("skip: " + fmt.Sprint(args...))
	runtime.Goexit()
}
