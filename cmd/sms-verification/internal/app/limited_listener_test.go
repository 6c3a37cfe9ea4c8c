package app

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes/codestest"
)

// bounded is a server with a limit on its connections. Requests for /hang are
// answered when hang is closed.
type bounded struct {
	*limitedListener
	t    *testing.T
	hang chan struct{}
}

func newBounded(t *testing.T, limit int) *bounded {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &bounded{newLimitedListener(l.(*net.TCPListener), limit, slog.New(slog.DiscardHandler)), t, make(chan struct{})}
	server := &http.Server{ConnContext: b.context, ConnState: b.state, ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(
		func(_ http.ResponseWriter, r *http.Request) {
			watch(r)
			if _, _ = io.Copy(io.Discard, r.Body); r.URL.Path == "/hang" {
				<-b.hang
			}
		})}
	go func() { _ = server.Serve(b.limitedListener) }()
	t.Cleanup(func() { _ = server.Close() })
	return b
}

// dial opens a connection, sends text, and waits until so many are open.
func (b *bounded) dial(text string, open int64) net.Conn {
	b.t.Helper()
	conn, err := net.Dial("tcp", b.Addr().String())
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = conn.Close() })
	_, _ = io.WriteString(conn, text)
	codestest.Await(b.t, 5*time.Second, fmt.Sprintf("%d connections", open), func() bool { n, _, _ := b.counts(); return n == open })
	return conn
}

// answers reports whether a request on the connection is answered.
func answers(conn net.Conn, path string, within time.Duration) bool {
	_, _ = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path)
	return answered(conn, within)
}

func answered(conn net.Conn, within time.Duration) bool {
	_ = conn.SetReadDeadline(time.Now().Add(within))
	r, err := http.ReadResponse(bufio.NewReader(conn), nil)
	return err == nil && r.StatusCode == http.StatusOK
}

func isOpen(conn net.Conn) bool {
	_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	_, err := conn.Read(make([]byte, 1))
	return os.IsTimeout(err)
}

const hanging = "GET /hang HTTP/1.1\r\nHost: a\r\n\r\n"

// TestIdleLongestIsClosed: at the limit the connection that has been idle longest
// makes room, whether it is new, between requests, or half-way through one.
func TestIdleLongestIsClosed(t *testing.T) {
	for name, text := range map[string]string{
		"nothing sent": "", "half a header": "GET / HTTP/1.1\r\nHost:",
		"half a body": "POST /hang HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf",
	} {
		t.Run(name, func(t *testing.T) {
			b := newBounded(t, 3)
			used := b.dial("", 1)
			slow := b.dial(text, 2)
			kept := b.dial("", 3)
			if !answers(used, "/", time.Second) { // it was idle longest, and no longer is
				t.Fatal("no answer")
			}
			fresh := b.dial("", 3)
			if !answers(fresh, "/", time.Second) || isOpen(slow) || !isOpen(kept) || !isOpen(used) {
				t.Error("another connection was closed than the one that was idle longest")
			}
			if open, evicted, _ := b.counts(); open != 3 || evicted != 1 {
				t.Errorf("%d open, %d closed", open, evicted)
			}
		})
	}
}

// TestBusyConnectionsAreKept: while every connection has a request in progress, a
// new one waits. It is served when a request ends.
func TestBusyConnectionsAreKept(t *testing.T) {
	b := newBounded(t, 2)
	first, second := b.dial(hanging, 1), b.dial("POST /hang HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab", 2)
	codestest.Await(t, 5*time.Second, "both are busy", b.allBusy)
	third, err := net.Dial("tcp", b.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = third.Close() }()
	if answers(third, "/", 200*time.Millisecond) {
		t.Fatal("a third connection was served")
	}
	close(b.hang)
	if !answered(first, time.Second) || !answered(second, time.Second) {
		t.Error("a request in work was not answered")
	}
	if !answered(third, time.Second) {
		t.Error("the waiting connection was not served")
	}
}

// TestAcceptingEnds: a listener can be closed while it pauses.
func TestAcceptingEnds(t *testing.T) {
	b := newBounded(t, 1)
	b.dial(hanging, 1)
	codestest.Await(t, 5*time.Second, "it is busy", b.allBusy)
	waiting, err := net.Dial("tcp", b.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = waiting.Close() }()
	time.Sleep(50 * time.Millisecond)
	if err := b.Close(); err != nil || isOpen(waiting) {
		t.Errorf("%v; the waiting connection is open: %v", err, isOpen(waiting))
	}
	close(b.hang)
}

// TestAcceptErrors: errors are counted, and logged at most once a second. When
// descriptors run out, the connection that is idle longest is closed, even one of
// another listener.
func TestAcceptErrors(t *testing.T) {
	log := &strings.Builder{}
	b, other := newBounded(t, 9), newBounded(t, 9)
	b.log, b.others = slog.New(slog.NewTextHandler(log, nil)), []*limitedListener{other.limitedListener}
	idle := other.dial("", 1)
	for range 100 {
		b.acceptFailed(fmt.Errorf("accept: %w", os.NewSyscallError("accept4", syscall.EMFILE)))
	}
	if _, _, errors := b.counts(); errors != 100 {
		t.Errorf("%d errors counted", errors)
	}
	if n := strings.Count(log.String(), "level=WARN"); n < 1 || n > 2 || !strings.Contains(log.String(), "too many open files") {
		t.Errorf("logged %s", log)
	}
	if isOpen(idle) {
		t.Error("no connection was closed")
	}
	if !isTemporary(os.NewSyscallError("accept4", syscall.ENFILE)) || isTemporary(net.ErrClosed) {
		t.Error("temporary and lasting errors are confused")
	}
}

func TestConnectionLimits(t *testing.T) {
	for _, test := range []struct{ wanted, descriptors, public, admin int }{
		{4096, 1_000_000, 4096, 4096}, {10, 64, 10, 10}, {20, 64, 20, 8}, {4096, 64, 24, 8}, {4096, 4, 1, 1}, {1, 1, 1, 1},
	} {
		if public, admin := connectionLimits(test.wanted, test.descriptors); public != test.public || admin != test.admin {
			t.Errorf("%d wanted of %d: %d and %d, want %d and %d", test.wanted, test.descriptors, public, admin, test.public, test.admin)
		}
	}
	if public, admin := connectionLimits(4096, 8192); public != 4096 || admin >= public || public+admin > 8192-256 {
		t.Errorf("of 8192: %d and %d", public, admin)
	}
}

// allBusy reports whether no connection is idle.
func (l *limitedListener) allBusy() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for e := l.all.Front(); e != nil; e = e.Next() {
		if !e.Value.(*connection).isBusy {
			return false
		}
	}
	return true
}
