package redistest

import (
	"errors"
	"io"
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

// TestLostReply: a request whose reply is lost runs all the same, and a client that
// retries makes Redis run it again.
func TestLostReply(t *testing.T) {
	r, p, url := behind(t)
	client, ctx := clientOf(t, url), t.Context()
	p.DropReplies(3, "EVAL")
	if n, err := client.Eval(ctx, increment, []string{"n"}).Int64(); n != 4 || err != nil {
		t.Errorf("EVAL = %d, %v after three lost replies", n, err)
	}
	if n := r.Client().Get(ctx, "n").Val(); n != "4" || p.Dropped() != 3 {
		t.Errorf("the script ran %s times, and %d replies were lost", n, p.Dropped())
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

func TestDelay(t *testing.T) {
	_, p, url := behind(t)
	client, ctx := clientOf(t, url), t.Context()
	ping := func() time.Duration {
		begin := time.Now()
		if err := client.Ping(ctx).Err(); err != nil {
			t.Error(err)
		}
		return time.Since(begin)
	}
	ping() // connects
	const d = 50 * time.Millisecond
	p.Delay(d)
	if took := ping(); took < d {
		t.Errorf("PING took %v, less than the delay of %v", took, d)
	}
	p.Delay(0)
	best := time.Hour
	for range 5 {
		best = min(best, ping())
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
