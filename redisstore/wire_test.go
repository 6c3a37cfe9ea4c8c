package redisstore_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/redisstore"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// opTimeout is how long the store goes on trying, and slack what a busy
// machine may add to it.
const (
	opTimeout = 500 * time.Millisecond
	slack     = 200 * time.Millisecond
)

// wire loses replies: the script runs, its reply arrives and is thrown away,
// and the connection breaks.
type wire struct {
	mu    sync.Mutex
	next  int    // replies to lose
	lost  int    // replies lost
	after func() // runs once, after the first loss
}

// lose makes the next n replies of scripts get lost. What after does happens
// when the script has run and before it is sent again; it may be nil.
func (w *wire) lose(n int, after func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next, w.lost, w.after = n, 0, after
}

func (w *wire) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lost
}

func (w *wire) loses() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.next == 0 {
		return false
	}
	w.next--
	w.lost++
	if w.after != nil {
		w.after()
		w.after = nil
	}
	return true
}

// DialHook puts the wire between the client and Redis.
func (w *wire) DialHook(dial redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &wiredConn{Conn: conn, wire: w}, nil
	}
}

func (w *wire) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (w *wire) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

type wiredConn struct {
	net.Conn
	wire   *wire
	script bool // the reply to come is a script's
}

func (c *wiredConn) Write(p []byte) (int, error) {
	c.script = bytes.Contains(bytes.ToLower(p[:min(len(p), 32)]), []byte("\r\neval"))
	return c.Conn.Write(p)
}

func (c *wiredConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	// An error, such as that the server does not know the script, is no loss.
	if err == nil && n > 0 && c.script && p[0] == '$' && c.wire.loses() {
		_ = c.Close()
		return 0, io.EOF
	}
	return n, err
}

// lossTest is a store that loses replies, and one on the same data that does not.
type lossTest struct {
	testing.TB
	*redisstore.Store
	wire    *wire
	losses  int
	clean   *redisstore.Store
	advance func(time.Duration)
}

func openLossTest(t testing.TB, i *redistest.Instance, losses int, limits codes.Limits) lossTest {
	client, err := redisstore.Dial(redisstore.DialOptions{URL: i.URL, Mode: i.Mode})
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{}
	switch c := client.(type) {
	case *redis.Client: // of a master behind sentinels too
		c.AddHook(w)
	case *redis.ClusterClient:
		c.OnNewNode(func(node *redis.Client) { node.AddHook(w) })
	default:
		t.Fatalf("a client without hooks: %T", c)
	}
	prefix := freshPrefix()
	store := redisstore.New(client, prefix, limits)
	t.Cleanup(func() { _ = store.Close() })
	clean := openURL(t, i.URL, i.Mode, prefix, limits)
	prepare(t, store)
	prepare(t, clean)
	return lossTest{TB: t, Store: store, wire: w, losses: losses, clean: clean, advance: i.Advance}
}

// losing makes call lose its replies, and checks that it did.
func (l lossTest) losing(after func(), call func()) {
	l.Helper()
	l.wire.lose(l.losses, after)
	call()
	if lost := l.wire.count(); lost != l.losses {
		l.Errorf("%d replies lost, want %d", lost, l.losses)
	}
}

func (l lossTest) put(e codes.Entry) {
	l.Helper()
	if _, err := l.clean.Put(l.Context(), e); err != nil {
		l.Fatalf("Put: %v", err)
	}
}

// try is a fresh try on the store given.
func (l lossTest) try(s *redisstore.Store, id, code codes.Digest, want codes.Outcome) {
	l.Helper()
	got, err := s.Try(l.Context(), codes.Try{ID: id, Code: code, Op: codes.NewOp()})
	if err != nil || codestest.Answer(got) != want {
		l.Errorf("Try = %+v, %v; want %+v", got, err, want)
	}
}

func (l lossTest) take(s *redisstore.Store, recipient codes.Digest, want string) {
	l.Helper()
	_, err := s.Take(l.Context(), codes.Place{Recipient: recipient, Op: codes.NewOp()})
	var full *codes.LimitError
	switch {
	case err == nil && want == "":
	case errors.As(err, &full) && full.Limit == want:
	default:
		l.Errorf("Take = %v, want %q", err, want)
	}
}

func newEntry(attempts int64) codes.Entry {
	return codes.Entry{
		ID: codestest.Fresh(), Code: codestest.Fresh(), Recipient: codestest.Fresh(),
		Attempts: attempts, Expiration: time.Minute, Notice: time.Minute, Op: codes.NewOp(),
	}
}

func wrongLeft(e codes.Entry, left int64) codes.Outcome {
	return codes.Outcome{Status: codes.Wrong, Left: left, Recipient: e.Recipient}
}

var (
	right   = codes.Outcome{Status: codes.Right}
	unknown = codes.Outcome{Status: codes.Unknown}
	expired = codes.Outcome{Status: codes.Expired}
)
