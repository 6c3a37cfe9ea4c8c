package embedded_test

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/flowroute/sms-verification/redisstore/embedded"
)

func start(t *testing.T) (*embedded.Server, *redis.Client, context.Context) {
	t.Helper()
	s, err := embedded.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, dial(t, s.URL()), t.Context()
}

func dial(t *testing.T, url string) *redis.Client {
	t.Helper()
	opt, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(opt)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestPassword(t *testing.T) {
	s, c, ctx := start(t)
	if err := c.Ping(ctx).Err(); err != nil {
		t.Fatalf("with the password: %v", err)
	}
	if !strings.HasPrefix(s.URL(), "redis://:") || !strings.Contains(s.URL(), "@127.0.0.1:") {
		t.Errorf("the URL is not one of loopback with a password")
	}
	_, host, _ := strings.Cut(s.URL(), "@")
	for name, url := range map[string]string{"no": "redis://" + host, "another": "redis://:wrong@" + host} {
		other := dial(t, url)
		for _, do := range [][]any{{"get", "k"}, {"time"}, {"eval", "return 1", 0}, {"flushall"}, {"scan", 0}} {
			if err := other.Do(ctx, do...).Err(); err == nil {
				t.Errorf("%s ran with %s password", do[0], name)
			}
		}
	}
}

// TestAdvance: Advance moves TTL, TIME and EXPIREAT together, and the clock keeps running.
func TestAdvance(t *testing.T) {
	s, c, ctx := start(t)
	before := c.Time(ctx).Val()
	if d := time.Since(before).Abs(); d > time.Minute {
		t.Errorf("TIME is %v off", d)
	}
	c.Set(ctx, "gone", "v", 10*time.Minute)
	c.Set(ctx, "stays", "v", 20*time.Minute)
	s.Advance(15 * time.Minute)
	if n := c.Exists(ctx, "gone").Val(); n != 0 {
		t.Error("a key of 10m is left after 15m")
	}
	if d := c.PTTL(ctx, "stays").Val(); d > 5*time.Minute || d < 4*time.Minute {
		t.Errorf("TTL %v, want just under 5m", d)
	}
	after := c.Time(ctx).Val()
	if d := after.Sub(before); d < 15*time.Minute || d > 16*time.Minute {
		t.Errorf("TIME moved by %v, want 15m", d)
	}
	c.Set(ctx, "at", "v", 0)
	c.PExpireAt(ctx, "at", after.Add(time.Minute))
	if d := c.PTTL(ctx, "at").Val(); d > time.Minute || d < 30*time.Second {
		t.Errorf("TTL %v after PEXPIREAT in a minute", d)
	}

	c.Set(ctx, "short", "v", 100*time.Millisecond)
	c.HSet(ctx, "hash", "f", "v")
	c.PExpire(ctx, "hash", 100*time.Millisecond)
	c.Del(ctx, "stays", "at")
	time.Sleep(150 * time.Millisecond)
	if n, keys := c.Exists(ctx, "short", "hash").Val(), c.DBSize(ctx).Val(); n != 0 || keys != 0 {
		t.Errorf("%d keys of 100 ms are left after 150 ms, and DBSIZE is %d", n, keys)
	}
	if d := c.Time(ctx).Val().Sub(after); d < 150*time.Millisecond {
		t.Errorf("TIME moved by %v during 150ms", d)
	}
}

// TestTimeUnderLoad: a script sees one time throughout, and under contention the clock
// neither steps back nor runs faster.
func TestTimeUnderLoad(t *testing.T) {
	_, c, ctx := start(t)
	const script = `
		local function now() local t = redis.call('TIME'); return string.format('%.0f', t[1] * 1000000 + t[2]) end
		local first = now()
		for i = 1, 50 do redis.call('SET', KEYS[1], i, 'PX', ARGV[1]) end
		redis.call('RPUSH', KEYS[2], first)
		return first == now() and 1 or 0`
	begin := time.Now()
	c.Set(ctx, "witness", "v", time.Hour)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if same, err := c.Eval(ctx, script, []string{"k", "times"}, 60_000).Bool(); !same || err != nil {
					t.Errorf("TIME moved on during a script, or error %v", err)
				}
			}
		})
	}
	wg.Wait()
	left := c.PTTL(ctx, "witness").Val()
	if lost, elapsed := time.Hour-left, time.Since(begin); lost > elapsed+5*time.Millisecond || lost < elapsed/2 {
		t.Errorf("the TTL lost %v in %v", lost, elapsed)
	}
	times, err := c.LRange(ctx, "times", 0, -1).Result()
	if err != nil || len(times) != 400 || !slices.IsSorted(times) {
		t.Errorf("TIME went back between two of %d scripts (error %v)", len(times), err)
	}
}

func TestClose(t *testing.T) {
	s, c, ctx := start(t)
	if err := c.Ping(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	addr := c.Options().Addr
	s.Close()
	s.Close() // has no effect
	if conn, err := net.Dial("tcp", addr); err == nil {
		_ = conn.Close()
		t.Error("connections are accepted after Close")
	}
}
