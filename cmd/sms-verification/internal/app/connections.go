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

// connections is a listener that limits the number of open client connections. At
// the limit it closes the connection that has been idle longest. A connection is
// busy from when a whole request was read until its answer is written, so that a
// client cannot keep a connection by sending slowly.
type connections struct {
	*net.TCPListener
	limit  int
	log    *slog.Logger
	others []*connections // other listeners of the process, which give up a connection when file descriptors run out

	mu          sync.Mutex
	room        *sync.Cond // signalled when a connection closes or becomes idle
	open        int
	all         *list.List // of *connection; the idle ones are in order, longest idle first
	isClosed    bool
	evicted     int64
	errors      int64
	nextWarning time.Time
}

// connection is a client connection.
type connection struct {
	*net.TCPConn
	listener *connections

	element  *list.Element // in listener.all
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
		if !isTemporary(err) {
			return nil, err
		}
		c.acceptFailed(err)
		time.Sleep(pause)
	}
}

// Pauses after accepting failed.
const (
	acceptPause    = 5 * time.Millisecond
	maxAcceptPause = 200 * time.Millisecond
)

// isTemporary reports whether accepting may succeed after err.
func isTemporary(err error) bool {
	for _, temporary := range []error{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.ECONNRESET, syscall.EINTR,
	} {
		if errors.Is(err, temporary) {
			return true
		}
	}
	return false
}

// acceptFailed counts and logs an error of accept. If there is no file descriptor
// left, it frees one.
func (c *connections) acceptFailed(err error) {
	c.mu.Lock()
	c.errors++
	warns := c.mayWarn()
	c.mu.Unlock()
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		c.freeDescriptor()
	}
	if warns {
		c.log.Warn("connection not accepted", "address", c.Addr().String(), "error", err.Error())
	}
}

// warnEvery is the shortest time between two warnings of one listener.
const warnEvery = time.Second

func (c *connections) mayWarn() bool {
	now := time.Now()
	if now.Before(c.nextWarning) {
		return false
	}
	c.nextWarning = now.Add(warnEvery)
	return true
}

// admit waits until there is room for the connection.
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
	conn := &connection{TCPConn: tcp, listener: c}
	conn.element = c.all.PushBack(conn)
	c.open++
	return conn, nil
}

// evict closes the connection that has been idle longest, if any is idle. c.mu is
// held.
func (c *connections) evict() bool {
	for e := c.all.Front(); e != nil; e = e.Next() {
		if conn := e.Value.(*connection); !conn.isBusy {
			c.remove(conn)
			c.evicted++
			_ = conn.TCPConn.Close()
			return true
		}
	}
	return false
}

// freeDescriptor closes an idle connection of this listener, else of another.
func (c *connections) freeDescriptor() {
	for _, from := range append([]*connections{c}, c.others...) {
		from.mu.Lock()
		evicted := from.evict()
		from.mu.Unlock()
		if evicted {
			return
		}
	}
}

// counts returns the number of open connections, of connections closed to make
// room, and of errors of accept.
func (c *connections) counts() (open, evicted, errors int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return int64(c.open), c.evicted, c.errors
}

// remove removes a connection from the list. c.mu is held.
func (c *connections) remove(conn *connection) {
	if conn.isClosed {
		return
	}
	conn.isClosed = true
	c.open--
	c.all.Remove(conn.element)
	c.room.Signal()
}

// Close stops accepting; open connections stay open.
func (c *connections) Close() error {
	c.mu.Lock()
	c.isClosed = true
	c.room.Broadcast()
	c.mu.Unlock()
	return c.TCPListener.Close()
}

// Close closes the connection and makes room for another.
func (c *connection) Close() error {
	c.listener.mu.Lock()
	c.listener.remove(c)
	c.listener.mu.Unlock()
	return c.TCPConn.Close()
}

// busy marks the connection as busy: a whole request was read.
func (c *connection) busy() {
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	c.isBusy = true
}

// state is the ConnState of the server. A connection becomes idle once its answer is
// written; closing it earlier would lose the answer.
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
	c.all.MoveToBack(conn.element)
	c.room.Signal()
}

type connectionKey struct{}

// context is the ConnContext of the server: watch gets the connection from it.
func (c *connections) context(ctx context.Context, nc net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, nc)
}

// watch marks the connection of a request as busy once the whole request was read.
func watch(r *http.Request) {
	conn, ok := r.Context().Value(connectionKey{}).(*connection)
	switch {
	case !ok: // a test without a listener
	case r.ContentLength == 0:
		conn.busy()
	default:
		r.Body = &wholeBody{r.Body, conn}
	}
}

// wholeBody marks its connection as busy at the end of the body.
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
