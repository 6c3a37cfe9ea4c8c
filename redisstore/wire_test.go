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
	"github.com/flowroute/sms-verification/redisstore"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// opTimeout is how long the store retries, and slack what a busy machine may add.
const (
	opTimeout = 500 * time.Millisecond
	slack     = 200 * time.Millisecond
)

// wire loses replies: the script runs, its reply is dropped and the connection breaks.
type wire struct {
	mu    sync.Mutex
	next  int    // replies to lose
	lost  int    // replies lost
	after func() // runs once, after the first loss
}

// lose drops the next n replies of scripts. after, which may be nil, runs when the
// script has run for the first time, before it is sent again.
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
	script bool // the next reply is that of a script
}

func (c *wiredConn) Write(p []byte) (int, error) {
	c.script = bytes.Contains(bytes.ToLower(p[:min(len(p), 32)]), []byte("\r\neval"))
	return c.Conn.Write(p)
}

func (c *wiredConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	// An error, such as an unknown script, is not a lost reply.
	if err == nil && n > 0 && c.script && p[0] == '$' && c.wire.loses() {
		_ = c.Close()
		return 0, io.EOF
	}
	return n, err
}

// lossTest has a store that loses replies, and a clean one on the same data.
type lossTest struct {
	testing.TB
	*redisstore.Store
	wire   *wire
	losses int
	clean  *redisstore.Store
}

func openLossTest(t testing.TB, i *redistest.Instance, losses int, o redisstore.Options) lossTest {
	client, err := redisstore.Dial(redisstore.DialOptions{URL: i.URL, Mode: i.Mode})
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{}
	switch c := client.(type) {
	case *redis.Client: // also behind sentinels
		c.AddHook(w)
	case *redis.ClusterClient:
		c.OnNewNode(func(node *redis.Client) { node.AddHook(w) })
	default:
		t.Fatalf("a client without hooks: %T", c)
	}
	o.Prefix = freshPrefix()
	store := redisstore.New(client, o)
	t.Cleanup(func() { _ = store.Close() })
	clean := openStore(t, i, o.Prefix)
	prepare(t, store)
	prepare(t, clean)
	return lossTest{TB: t, Store: store, wire: w, losses: losses, clean: clean}
}

// losing makes a call whose replies are lost; see wire.lose.
func (l lossTest) losing(after func(), call func()) {
	l.Helper()
	l.wire.lose(l.losses, after)
	call()
	if lost := l.wire.count(); lost != l.losses {
		l.Errorf("%d replies lost, want %d", lost, l.losses)
	}
}

func (l lossTest) reserve(r codes.Reservation) {
	l.Helper()
	mustReserve(l, l.clean, r)
}

// expect makes a fresh check on s.
func (l lossTest) expect(s *redisstore.Store, r codes.Reservation, code codes.Digest, want codes.Outcome) {
	l.Helper()
	expect(l, s, r, code, want)
}

// limited makes a reservation on s, which the limit want must refuse, or none if want
// is empty.
func (l lossTest) limited(s *redisstore.Store, r codes.Reservation, want string) {
	l.Helper()
	_, err := s.Reserve(l.Context(), r)
	var full *codes.LimitError
	switch {
	case err == nil && want == "":
	case errors.As(err, &full) && full.Limit == want:
	default:
		l.Errorf("Reserve = %v, want %q", err, want)
	}
}
