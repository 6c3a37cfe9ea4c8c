package app

import (
	"container/list"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

// connections is a listener that bounds how many client connections are open at
// a time. At the limit the connection that has been idle longest is closed to
// make room for a new one. A connection is idle unless a request on it is whole
// and not yet answered, so that nobody keeps a place by sending slowly.
type connections struct {
	*net.TCPListener
	limit  int
	log    *slog.Logger
	others []*connections // of the process: they give way when file descriptors run out

	mu        sync.Mutex
	room      *sync.Cond // signalled when a connection ends or gets idle
	open      int
	all       *list.List // of *connection; those that are idle stand in order, idle longest first
	isClosed  bool
	evicted   int64
	errors    int64
	nextWarns time.Time
}

// connection is one that a client has opened.
type connection struct {
	*net.TCPConn
	of *connections

	place    *list.Element // in of.all
	isBusy   bool
	isClosed bool
}

func newConnections(l *net.TCPListener, limit int, log *slog.Logger) *connections {
	c := &connections{TCPListener: l, limit: limit, log: log, all: list.New()}
	c.room = sync.NewCond(&c.mu)
	return c
}

// Accept returns the next connection once there is room for it.
func (c *connections) Accept() (net.Conn, error) {
	for pause := acceptPause; ; pause = min(2*pause, maxAcceptPause) {
		conn, err := c.AcceptTCP()
		if err == nil {
			return c.admit(conn)
		}
		if !passing(err) {
			return nil, err
		}
		c.failed(err)
		time.Sleep(pause)
	}
}

// Pauses after accepting failed.
const (
	acceptPause    = 5 * time.Millisecond
	maxAcceptPause = 200 * time.Millisecond
)

// passing reports whether accepting can go on after err.
func passing(err error) bool {
	for _, passes := range []error{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.ECONNRESET, syscall.EINTR,
	} {
		if errors.Is(err, passes) {
			return true
		}
	}
	return false
}

// failed counts an error of accept, and frees a file descriptor if there are none.
func (c *connections) failed(err error) {
	c.mu.Lock()
	c.errors++
	warns := c.mayWarn()
	c.mu.Unlock()
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		c.relieve()
	}
	if warns {
		c.log.Warn("connection not accepted", "address", c.Addr().String(), "error", err.Error())
	}
}

// warnEvery is the least time between two warnings of one listener.
const warnEvery = time.Second

func (c *connections) mayWarn() bool {
	now := time.Now()
	if now.Before(c.nextWarns) {
		return false
	}
	c.nextWarns = now.Add(warnEvery)
	return true
}

// admit waits until there is room for a connection.
func (c *connections) admit(tcp *net.TCPConn) (net.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.open >= c.limit && !c.isClosed && !c.evict() {
		if c.mayWarn() {
			c.log.Warn("MAX_CONNECTIONS reached and no connection is idle; accepting pauses", "address", c.Addr().String(), "connections", c.open)
		}
		c.room.Wait()
	}
	if c.isClosed {
		_ = tcp.Close()
		return nil, net.ErrClosed
	}
	conn := &connection{TCPConn: tcp, of: c}
	conn.place = c.all.PushBack(conn)
	c.open++
	return conn, nil
}

// evict closes the connection that has been idle longest, if one is idle. c.mu
// is held.
func (c *connections) evict() bool {
	for place := c.all.Front(); place != nil; place = place.Next() {
		if conn := place.Value.(*connection); !conn.isBusy {
			c.forget(conn)
			c.evicted++
			_ = conn.TCPConn.Close()
			return true
		}
	}
	return false
}

// relieve frees a file descriptor.
func (c *connections) relieve() {
	for _, from := range append([]*connections{c}, c.others...) {
		if from.closeIdle() {
			return
		}
	}
}

// counts returns the open connections, those that were closed to make room, and
// the errors of accept.
func (c *connections) counts() (open, evicted, errors int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return int64(c.open), c.evicted, c.errors
}

// closeIdle closes the connection that has been idle longest.
func (c *connections) closeIdle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.evict()
}

// forget frees the place of a connection. c.mu is held.
func (c *connections) forget(conn *connection) {
	if conn.isClosed {
		return
	}
	conn.isClosed = true
	c.open--
	c.all.Remove(conn.place)
	c.room.Signal()
}

// Close stops accepting. Connections stay open.
func (c *connections) Close() error {
	c.mu.Lock()
	c.isClosed = true
	c.room.Broadcast()
	c.mu.Unlock()
	return c.TCPListener.Close()
}

// Close closes the connection and frees its place.
func (c *connection) Close() error {
	c.of.mu.Lock()
	c.of.forget(c)
	c.of.mu.Unlock()
	return c.TCPConn.Close()
}

// busy says that a whole request came.
func (c *connection) busy() {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	c.isBusy = true
}

// state is a ConnState: a connection is idle once its answer is written. Before
// that it must not be closed, or the answer is lost.
func (c *connections) state(nc net.Conn, s http.ConnState) {
	conn, ok := nc.(*connection)
	if !ok || s != http.StateIdle {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if conn.isClosed {
		return
	}
	conn.isBusy = false
	c.all.MoveToBack(conn.place)
	c.room.Signal()
}

type connectionKey struct{}

// context is a ConnContext: it lets handle find the connection of a request.
func (c *connections) context(ctx context.Context, nc net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, nc)
}

// handle makes connections busy whose requests are whole.
func (c *connections) handle(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, ok := r.Context().Value(connectionKey{}).(*connection)
		switch {
		case !ok: // in a test without a listener
		case r.ContentLength == 0:
			conn.busy()
		default:
			r.Body = &wholeBody{r.Body, conn}
		}
		next.ServeHTTP(w, r)
	})
}

// wholeBody makes its connection busy at its end.
type wholeBody struct {
	io.ReadCloser
	conn *connection
}

func (b *wholeBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.conn.busy()
	}
	return n, err
}
