package redistest

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// behind returns a Redis, a proxy in front of it, and the URL of the proxy.
func behind(t *testing.T) (r *Instance, p *Proxy, url string) {
	t.Helper()
	r = Mini(t)
	p = NewProxy(t, r.Addr)
	return r, p, strings.Replace(r.URL, r.Addr, p.Addr(), 1)
}

const increment = "return redis.call('INCR', KEYS[1])"

// TestLostReplyRunsScriptAgain: a client that retries after a lost reply makes Redis run
// the script again, and one that does not cannot know that it ran.
func TestLostReplyRunsScriptAgain(t *testing.T) {
	for _, c := range []struct {
		name, options string
		drops         int
		want          int64 // runs of the script
		fails         bool
	}{
		{"default retries, one reply lost", "", 1, 2, false},
		{"default retries, three lost", "", 3, 4, false},
		{"no retries, one lost", "?max_retries=-1", 1, 1, true},
		{"none lost", "", 0, 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, p, url := behind(t)
			client, ctx := clientOf(t, url+c.options), t.Context()
			p.DropReplies(c.drops, "EVAL")
			n, err := client.Eval(ctx, increment, []string{"n"}).Int64()
			if (err != nil) != c.fails || (err == nil && n != c.want) {
				t.Errorf("EVAL answered %d (error %v)", n, err)
			}
			if c.fails && !errors.Is(err, io.EOF) {
				t.Errorf("a lost reply is %v, not EOF", err)
			}
			if n, _ := r.Client().Get(ctx, "n").Int64(); n != c.want {
				t.Errorf("the script ran %d times, want %d", n, c.want)
			}
			if p.Dropped() != c.drops {
				t.Errorf("%d replies lost, want %d", p.Dropped(), c.drops)
			}
		})
	}
}

func TestDropOnlyWhatMatches(t *testing.T) {
	r, p, url := behind(t)
	client, ctx := clientOf(t, url+"?max_retries=-1"), t.Context()
	p.DropReplies(1, "evalsha")
	for _, err := range []error{
		client.Ping(ctx).Err(), // with HELLO and CLIENT SETINFO before it
		client.Set(ctx, "k", "v\r\n$1\r\n*2\r\n", 0).Err(),
		client.Eval(ctx, increment, []string{"n"}).Err(),
	} {
		if err != nil {
			t.Errorf("lost without a match: %v", err)
		}
	}
	if got := r.Client().Get(ctx, "k").Val(); got != "v\r\n$1\r\n*2\r\n" {
		t.Errorf("a binary value arrived as %q", got)
	}
	if err := redis.NewScript(increment).EvalSha(ctx, client, []string{"n"}).Err(); !errors.Is(err, io.EOF) {
		t.Errorf("not lost although it matches: %v", err)
	}
	p.DropReplies(1, "")
	p.DropReplies(0, "")
	if err := client.Ping(ctx).Err(); err != nil {
		t.Errorf("lost after DropReplies(0): %v", err)
	}
	if p.Dropped() != 1 || r.Client().Get(ctx, "n").Val() != "2" {
		t.Errorf("%d replies lost, n is %s", p.Dropped(), r.Client().Get(ctx, "n").Val())
	}
}

// TestDropInPipeline: in a pipeline, the replies before the lost one arrive, and the
// commands after it do not reach Redis.
func TestDropInPipeline(t *testing.T) {
	r := Server(t) // which needs no password
	p := NewProxy(t, r.Addr)
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	p.DropReplies(2, "incr")
	if _, err := io.WriteString(conn, "*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n"); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if got, err := io.ReadAll(conn); string(got) != "$2\r\nhi\r\n" || err != nil {
		t.Errorf("got %q (error %v)", got, err)
	}
	if n := r.Client().Get(t.Context(), "n").Val(); n != "1" || p.Dropped() != 1 {
		t.Errorf("n is %s and %d replies are lost, want 1 and 1", n, p.Dropped())
	}
}

func TestDelay(t *testing.T) {
	_, p, url := behind(t)
	client, ctx := clientOf(t, url), t.Context()
	client.Ping(ctx)
	const d = 50 * time.Millisecond
	p.Delay(d)
	took := func(do func() error) time.Duration {
		begin := time.Now()
		if err := do(); err != nil {
			t.Error(err)
		}
		return time.Since(begin)
	}
	if got := took(func() error { return client.Ping(ctx).Err() }); got < d {
		t.Errorf("PING took %v, less than the delay of %v", got, d)
	}
	if got := took(func() error {
		_, err := client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for range 20 {
				pipe.Ping(ctx)
			}
			return nil
		})
		return err
	}); got < d || got > 10*d {
		t.Errorf("a pipeline took %v, want one delay of %v", got, d)
	}
	p.Delay(0)
	best := time.Hour
	for range 5 {
		best = min(best, took(func() error { return client.Ping(ctx).Err() }))
	}
	if best >= d {
		t.Errorf("PING took %v without a delay", best)
	}
}

func TestCutAndRefuse(t *testing.T) {
	_, p, url := behind(t)
	client, ctx := clientOf(t, url+"?max_retries=-1"), t.Context()
	client.Ping(ctx)
	p.Refuse(true)
	p.Refuse(true)
	if err := client.Ping(ctx).Err(); err != nil {
		t.Errorf("an existing connection ended with Refuse: %v", err)
	}
	p.CutAll()
	if err := client.Ping(ctx).Err(); err == nil {
		t.Error("PING answered on a cut connection")
	}
	if err := client.Ping(ctx).Err(); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("refused: %v", err)
	}
	p.Refuse(false)
	if err := client.Ping(ctx).Err(); err != nil {
		t.Errorf("after Refuse(false): %v", err)
	}
}

func TestReadValue(t *testing.T) {
	values := []string{
		"+OK\r\n", "-ERR no\r\n", ":42\r\n", "_\r\n", "#t\r\n", ",1.5\r\n", "(349\r\n",
		"$5\r\nhe\r\no\r\n", "$0\r\n\r\n", "$-1\r\n", "*-1\r\n", "*0\r\n",
		"=7\r\ntxt:a\r\n\r\n", "!3\r\nERR\r\n",
		"*2\r\n*1\r\n:1\r\n$1\r\na\r\n", "~1\r\n:1\r\n", ">2\r\n+a\r\n+b\r\n",
		"%1\r\n+k\r\n*2\r\n:1\r\n:2\r\n", "|1\r\n+ttl\r\n:1\r\n*1\r\n:5\r\n", "PING\r\n",
	}
	in := bufio.NewReader(strings.NewReader(strings.Join(values, "")))
	for _, want := range values {
		if got, err := readValue(in, nil); string(got) != want || err != nil {
			t.Errorf("got %q (error %v), want %q", got, err, want)
		}
	}
	for _, broken := range []string{"", "+OK", "$5\r\nhe", "*2\r\n:1\r\n", "$x\r\n", "*\n"} {
		if got, err := readValue(bufio.NewReader(strings.NewReader(broken)), nil); err == nil {
			t.Errorf("%q read as %q", broken, got)
		}
	}
}
