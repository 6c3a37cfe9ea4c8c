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

// gate stands between one message and the network. It checks the clock right
// before the first byte leaves, after whatever the process waited for, and
// knows whether a byte left.
type gate struct {
	attempt context.Context
	stop    context.CancelCauseFunc // ends attempt
	limits  [2]time.Time            // the message's NotAfter and the caller's deadline; zero: none

	mu    sync.Mutex
	state state
}

// state is how far a message is on its way.
type state int

const (
	connecting state = iota
	connected
	left // a byte of it may have left
)

// late reports whether it is too late to send, by either clock.
func (g *gate) late() bool {
	now := time.Now()
	for _, limit := range g.limits {
		if (codes.Message{NotAfter: limit}).Late(now) {
			return true
		}
	}
	return false
}

// expire ends the attempt unless a byte has left. A connection that is being
// dialled stays for the next message.
func (g *gate) expire() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state != left {
		g.stop(context.DeadlineExceeded)
	}
}

// trace puts the gate into the connection that net/http chose. net/http goes to
// another connection only if it wrote nothing of the request to the one before.
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
				default: // not dialled here: nobody sees what it writes
					g.set(left)
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

// pass reports whether bytes may leave, and whether they are the first.
func (g *gate) pass() (ok, first bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state == left {
		return true, false
	}
	if g.attempt.Err() != nil || g.late() {
		// Else net/http would try, and close, every idle connection.
		g.stop(context.DeadlineExceeded)
		return false, false
	}
	g.state = left
	return true, true
}

// failure says what an error of net/http means for the message.
func (g *gate) failure(err error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.state == left:
		return fmt.Errorf("%w: no answer: %s", codes.ErrUnconfirmed, lostCause(err))
	case g.late() && g.state == connected:
		return codes.ErrTooLate
	case g.late():
		return fmt.Errorf("%w: no connection: %s", codes.ErrTooLate, dialCause(err))
	}
	return fmt.Errorf("%w: no connection: %s", codes.ErrUnavailable, dialCause(err))
}

// gatedConn writes what the gate of the current message lets pass. TLS and a
// proxy's CONNECT are on top of it, and done before there is a gate. What TLS
// itself writes later, such as an alert, counts as a byte of the message.
type gatedConn struct {
	net.Conn
	gate atomic.Pointer[gate]
}

func (c *gatedConn) Write(b []byte) (int, error) {
	g := c.gate.Load()
	if g == nil {
		return c.Conn.Write(b)
	}
	ok, first := g.pass()
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

// gated returns dial with a place for a gate in each connection.
func gated(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &gatedConn{Conn: conn}, nil
	}
}
