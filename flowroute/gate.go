package flowroute

import (
	"context"
	"fmt"
	"net"
	"net/http/httptrace"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// gate stands between one message and the network. It checks the deadlines
// right before the first byte is written, because the process may have been
// paused since the last check, and it knows whether a byte was written.
type gate struct {
	attempt   context.Context
	stop      context.CancelCauseFunc // ends attempt
	deadlines [2]time.Time            // the message's NotAfter and the caller's deadline; zero: none

	mu    sync.Mutex
	state state
}

// state is how far an attempt has come.
type state int

const (
	connecting state = iota
	connected
	started // a byte may have been written
)

// tooLate reports whether a deadline has passed, by the monotonic or the wall clock.
func (g *gate) tooLate() bool {
	now := time.Now()
	for _, deadline := range g.deadlines {
		if (codes.Message{NotAfter: deadline}).Late(now) {
			return true
		}
	}
	return false
}

// expire ends the attempt unless a byte was written. A connection that is
// being dialled is kept for the next message.
func (g *gate) expire() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state != started {
		g.stop(context.DeadlineExceeded)
	}
}

// trace puts the gate into the connection that net/http chose. net/http tries
// another connection only if it wrote nothing of the request to the last one.
func (g *gate) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(string) { g.set(connecting) },
		GotConn: func(info httptrace.GotConnInfo) {
			g.set(connected)
			conn := info.Conn
			for {
				switch c := conn.(type) {
				case *gatedConn:
					c.gate.Store(g)
					return
				case interface{ NetConn() net.Conn }: // TLS
					conn = c.NetConn()
				default: // not dialled here, so its writes cannot be seen
					g.set(started)
					return
				}
			}
		},
	}
}

func (g *gate) set(s state) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.state = s
}

// admit reports whether bytes may be written, and whether they are the first.
func (g *gate) admit() (ok, first bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state == started {
		return true, false
	}
	if g.attempt.Err() != nil || g.tooLate() {
		// Otherwise net/http would try, and close, every idle connection.
		g.stop(context.DeadlineExceeded)
		return false, false
	}
	g.state = started
	return true, true
}

// failure returns what an error of net/http means for the message.
func (g *gate) failure(err error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.state == started:
		return fmt.Errorf("%w: no answer: %s", codes.ErrUnconfirmed, lostCause(err))
	case g.tooLate() && g.state == connected:
		return codes.ErrTooLate
	case g.tooLate():
		return fmt.Errorf("%w: no connection: %s", codes.ErrTooLate, dialCause(err))
	}
	return fmt.Errorf("%w: no connection: %s", codes.ErrUnavailable, dialCause(err))
}

// gatedConn asks the gate of the current message before it writes. The TLS
// handshake and a proxy's CONNECT are done before there is a gate. Bytes that
// TLS writes later, such as an alert, count as bytes of the message.
type gatedConn struct {
	net.Conn
	gate atomic.Pointer[gate]
}

func (c *gatedConn) Write(b []byte) (int, error) {
	g := c.gate.Load()
	if g == nil {
		return c.Conn.Write(b)
	}
	ok, first := g.admit()
	if !ok {
		return 0, os.ErrDeadlineExceeded
	}
	n, err := c.Conn.Write(b)
	if first && n == 0 && err != nil {
		g.set(connected)
	}
	return n, err
}

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// gated makes dial return gatedConns.
func gated(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &gatedConn{Conn: conn}, nil
	}
}
