package redisstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/redisstore"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// opTimeout is how long the store retries, and slack what a busy machine may add.
const (
	opTimeout = 500 * time.Millisecond
	slack     = 200 * time.Millisecond
)

// runContracts checks the contracts while the first reply to each call is lost: the
// store sends the script again as the same operation, which has one effect and gets its
// first answer. TestDocumentedPermissions checks them without losses.
func runContracts(t *testing.T, backend string, instance *redistest.Instance) {
	if backend == "miniredis" {
		runContractsOf(t, instance, instance.URL, "")
		return
	}
	runContractsOf(t, instance, instance.URL, "", &lossy{seen: map[string]bool{}})
}

// lossy is a hook that loses the first reply to each call of a script.
type lossy struct {
	mu   sync.Mutex
	seen map[string]bool
}

func (l *lossy) lose(cmd redis.Cmder) {
	args := cmd.Args()
	if args[0] != "evalsha" || cmd.Err() != nil {
		return
	}
	deadline := 3 + args[2].(int) // the first argument after the keys, which differs in a retry
	call := fmt.Sprint(args[1:deadline], args[deadline+1:])
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.seen[call] {
		l.seen[call] = true
		cmd.SetErr(io.EOF)
	}
}

func (l *lossy) DialHook(next redis.DialHook) redis.DialHook { return next }

func (l *lossy) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if err := next(ctx, cmd); err != nil {
			return err
		}
		l.lose(cmd)
		return cmd.Err()
	}
}

func (l *lossy) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		for _, cmd := range cmds {
			l.lose(cmd)
		}
		return err
	}
}

// runEveryReplyLost: the caller is answered in time, and at most one attempt is spent.
func runEveryReplyLost(t *testing.T, _ string, instance *redistest.Instance) {
	var broken atomic.Bool
	w := &wire{loses: broken.Load}
	store := openURL(t, instance.URL, instance.Mode, redisstore.Options{Prefix: freshPrefix()}, w)
	prepare(t, store)
	r := newReservation(3)
	mustReserve(t, store, r)
	broken.Store(true)
	began := time.Now()
	_, err := store.Check(t.Context(), checkOf(r, codestest.Fresh()))
	if took := time.Since(began); !errors.Is(err, codes.ErrUnavailable) || took > opTimeout+slack {
		t.Errorf("Check = %v after %v", err, took)
	}
	if lost := w.lost.Load(); lost < 2 {
		t.Errorf("%d replies lost: the store did not retry", lost)
	}
	broken.Store(false)
	expect(t, store, r, codestest.Fresh(), wrongLeft(r, 1))
}

// wire is a hook that loses replies: the script runs, its reply is dropped and the
// connection breaks.
type wire struct {
	loses func() bool // asked for the reply of each script
	lost  atomic.Int64
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
		c.wire.lost.Add(1)
		_ = c.Close()
		return 0, io.EOF
	}
	return n, err
}
