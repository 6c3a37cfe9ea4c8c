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

// limitedListener is a listener that limits the number of open client connections. At
// the limit it closes the connection that has been idle longest. A connection is
// busy from when a whole request was read until its answer is written, so that a
// client cannot keep a connection by sending slowly.
type limitedListener struct {
	*net.TCPListener
	limit  int
	log    *slog.Logger
	others []*limitedListener // other listeners of the process, which give up a connection when file descriptors run out

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
	listener *limitedListener

	element  *list.Element // in listener.all
	isBusy   bool
	isClosed bool
}

func newLimitedListener(tcp *net.TCPListener, limit int, log *slog.Logger) *limitedListener {
	l := &limitedListener{TCPListener: tcp, limit: limit, log: log, all: list.New()}
	l.room = sync.NewCond(&l.mu)
	return l
}

// Accept returns the next connection once there is room for it.
func (l *limitedListener) Accept() (net.Conn, error) {
	for pause := acceptPause; ; pause = min(2*pause, maxAcceptPause) {
		conn, err := l.AcceptTCP()
		if err == nil {
			return l.admit(conn)
		}
		if !isTemporary(err) {
			return nil, err
		}
		l.acceptFailed(err)
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
func (l *limitedListener) acceptFailed(err error) {
	l.mu.Lock()
	l.errors++
	warns := l.mayWarn()
	l.mu.Unlock()
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		l.freeDescriptor()
	}
	if warns {
		l.log.Warn("connection not accepted", "address", l.Addr().String(), "error", err.Error())
	}
}

// warnEvery is the shortest time between two warnings of one listener.
const warnEvery = time.Second

func (l *limitedListener) mayWarn() bool {
	now := time.Now()
	if now.Before(l.nextWarning) {
		return false
	}
	l.nextWarning = now.Add(warnEvery)
	return true
}

// admit waits until there is room for the connection.
func (l *limitedListener) admit(tcp *net.TCPConn) (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.open >= l.limit && !l.isClosed && !l.evict() {
		if l.mayWarn() {
			l.log.Warn("MAX_CONNECTIONS reached and no connection is idle; accepting pauses", "address", l.Addr().String(), "connections", l.open)
		}
		l.room.Wait()
	}
	if l.isClosed {
		_ = tcp.Close()
		return nil, net.ErrClosed
	}
	conn := &connection{TCPConn: tcp, listener: l}
	conn.element = l.all.PushBack(conn)
	l.open++
	return conn, nil
}

// evict closes the connection that has been idle longest, if any is idle. l.mu is
// held.
func (l *limitedListener) evict() bool {
	for e := l.all.Front(); e != nil; e = e.Next() {
		if conn := e.Value.(*connection); !conn.isBusy {
			l.remove(conn)
			l.evicted++
			_ = conn.TCPConn.Close()
			return true
		}
	}
	return false
}

// freeDescriptor closes an idle connection of this listener, else of another.
func (l *limitedListener) freeDescriptor() {
	for _, from := range append([]*limitedListener{l}, l.others...) {
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
func (l *limitedListener) counts() (open, evicted, errors int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int64(l.open), l.evicted, l.errors
}

// remove removes a connection from the list. l.mu is held.
func (l *limitedListener) remove(conn *connection) {
	if conn.isClosed {
		return
	}
	conn.isClosed = true
	l.open--
	l.all.Remove(conn.element)
	l.room.Signal()
}

// Close stops accepting; open connections stay open.
func (l *limitedListener) Close() error {
	l.mu.Lock()
	l.isClosed = true
	l.room.Broadcast()
	l.mu.Unlock()
	return l.TCPListener.Close()
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
func (l *limitedListener) state(nc net.Conn, s http.ConnState) {
	conn, ok := nc.(*connection)
	if !ok || s != http.StateIdle {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if conn.isClosed {
		return
	}
	conn.isBusy = false
	l.all.MoveToBack(conn.element)
	l.room.Signal()
}

type connectionKey struct{}

// context is the ConnContext of the server: watch gets the connection from it.
func (l *limitedListener) context(ctx context.Context, nc net.Conn) context.Context {
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
