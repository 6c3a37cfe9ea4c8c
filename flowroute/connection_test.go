package flowroute_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/flowroute"
	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
)

// TestEndsWithTheContext: Send ends with its context, whatever the answer is, and makes one
// attempt.
func TestEndsWithTheContext(t *testing.T) {
	t.Parallel()
	const ends = 800 * time.Millisecond
	// again writes a part every 10 ms until the client closes the connection.
	again := func(part string) func(net.Conn) {
		return func(conn net.Conn) {
			for range 1000 {
				if _, err := io.WriteString(conn, part); err != nil {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
		}
	}
	untilClosed := func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }
	closes := func(net.Conn) {}
	const upgrade = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: sms\r\n\r\n"
	for _, c := range []struct {
		name   string
		begin  string
		then   func(net.Conn)
		low    time.Duration
		status int // of the StatusError; 0 is none
	}{
		{"no answer", "", untilClosed, ends, 0},
		{"101", upgrade, untilClosed, 0, 101},
		{"101 and data", upgrade, again(`{"data":{"id":"mdr2-1"}}`), 0, 101},
		{"101 without headers", "HTTP/1.1 101 Switching Protocols\r\n\r\n", untilClosed, 0, 101},
		{"100 again and again", "", again("HTTP/1.1 100 Continue\r\n\r\n"), ends, 0},
		{"103 again and again", "", again("HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n"), ends, 0},
		{"103, as fast as it can", strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n", 3000), untilClosed, 0, 0},
		{"a head that trickles", "HTTP/1.1 202 Accepted\r\n", again("X: y\r\n"), ends, 0},
		{"a head alone", "HTTP/1.1 202 Accepted\r\nContent-Length: 24\r\n\r\n", untilClosed, ends, 0},
		{"a body that trickles", "HTTP/1.1 202 Accepted\r\nContent-Length: 9999\r\n\r\n" + `{"data":{"id":"mdr2-1"}}`, again(" "), ends, 0},
		{"an error that trickles", "HTTP/1.1 500 Oops\r\nContent-Length: 9999\r\n\r\n", again(" "), ends, 500},
		{"nothing", "", closes, 0, 0},
		{"not HTTP", "12065551234 739104 Welcome\r\n\r\n", closes, 0, 0},
		{"cut off", "HTTP/1.1 202 Acc", closes, 0, 0},
		{"an odd header", "HTTP/1.1 202 Accepted\r\n12065551234 739104\r\n\r\n", closes, 0, 0},
		{"an endless head", "HTTP/1.1 202 Accepted\r\nX: " + strings.Repeat("739104", 30_000), closes, 0, 0},
		{"a missing chunk", "HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"dat", closes, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			url, requests := hijacked(t, c.begin, c.then)
			client := client(t, url, nil)
			ctx, cancel := context.WithTimeout(context.Background(), ends)
			defer cancel()
			begin := time.Now()
			_, err := client.Send(ctx, message)
			within(t, begin, c.low, c.low+ends-100*time.Millisecond)
			checkError(t, err, codes.ErrUnconfirmed)
			var status *flowroute.StatusError
			if errors.As(err, &status) && status.Status != c.status || status == nil && c.status != 0 {
				t.Errorf("error %v, want status %d", err, c.status)
			}
			if requests.Load() != 1 {
				t.Errorf("%d requests", requests.Load())
			}
		})
	}
}

// hijacked starts a server that answers the first request on a connection with
// begin, calls then and closes the connection. It counts the requests.
func hijacked(t *testing.T, begin string, then func(net.Conn)) (string, *atomic.Int64) {
	t.Helper()
	requests := new(atomic.Int64)
	return raw(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, begin)
		then(conn)
	}), requests
}

// TestCancelled: nothing is sent if the context is cancelled before. Later it
// is unknown what became of the message.
func TestCancelled(t *testing.T) {
	t.Parallel()
	for after, want := range map[time.Duration]error{0: codes.ErrUnavailable, 100 * time.Millisecond: codes.ErrUnconfirmed} {
		sim, client := start(t, nil)
		_ = sim.Fail("", flowroutetest.Fault{Kind: flowroutetest.AcceptHang})
		ctx, cancel := context.WithCancel(context.Background())
		if after == 0 {
			cancel()
		} else {
			time.AfterFunc(after, cancel)
		}
		begin := time.Now()
		_, err := client.Send(ctx, message)
		within(t, begin, 0, 2*time.Second)
		checkError(t, err, want)
		if n := sim.Requests(); (n.Requests == 0) != (after == 0) {
			t.Errorf("%v, but %d requests", err, n.Requests)
		}
	}
}

func TestNoConnection(t *testing.T) {
	t.Parallel()
	unused, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = unused.Close()
	for url, cause := range map[string]string{
		"http://" + unused.Addr().String(): "connection refused",
		// A password in the URL is never repeated, whatever is wrong with it.
		"http://u:" + secret + "@127.0.0.1:port": "",
		"ftp://u:" + secret + "@127.0.0.1":       "",
		"":                                       "",
	} {
		begin := time.Now()
		_, err := client(t, url, nil).Send(context.Background(), message)
		within(t, begin, 0, 2*time.Second)
		checkError(t, err, codes.ErrUnavailable)
		if !strings.Contains(err.Error(), cause) {
			t.Errorf("error %q lacks %q", err, cause)
		}
	}
}

// blackHole returns an address that drops every attempt to connect: the queue
// of its listener is full.
func blackHole(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	control, err := l.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := control.Control(func(fd uintptr) { err = syscall.Listen(int(fd), 0) }); err != nil {
		t.Fatal(err)
	}
	for range 16 {
		conn, err := net.DialTimeout("tcp", l.Addr().String(), 100*time.Millisecond)
		if err != nil {
			return l.Addr().String()
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	t.Skip("this system accepts every connection")
	return ""
}

func TestNoConnectionInTime(t *testing.T) {
	// A server that accepts connections and says nothing, not even TLS.
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	for name, url := range map[string]string{
		"dial": "http://" + blackHole(t),
		"TLS":  "https://" + silent.Addr().String(),
	} {
		for limit, want := range map[string]error{"Timeout": codes.ErrUnavailable, "context": codes.ErrTooLate, "NotAfter": codes.ErrTooLate} {
			t.Run(name+", "+limit, func(t *testing.T) {
				const ends = 300 * time.Millisecond
				ctx, m, timeout := context.Background(), message, 3*time.Second
				switch limit {
				case "Timeout":
					timeout = ends
				case "context":
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, ends)
					defer cancel()
				case "NotAfter":
					m.NotAfter = time.Now().Add(ends)
				}
				c := client(t, url, func(o *flowroute.Options) { o.Timeout = timeout })
				begin := time.Now()
				_, err := c.Send(ctx, m)
				within(t, begin, 290*time.Millisecond, 2*time.Second)
				checkError(t, err, want)
				if !strings.Contains(err.Error(), ": no connection: ") || !strings.Contains(err.Error(), "timeout") {
					t.Errorf("error %q does not name the cause", err)
				}
			})
		}
	}
}

func TestUntrustedCertificate(t *testing.T) {
	var requests atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	_, err := client(t, s.URL, nil).Send(context.Background(), message)
	checkError(t, err, codes.ErrUnavailable)
	if !strings.Contains(err.Error(), "certificate") || requests.Load() != 0 {
		t.Errorf("error %q, %d requests", err, requests.Load())
	}
}

func TestReusesConnections(t *testing.T) {
	const workers, each = 64, 20
	sim := flowroutetest.New(flowroutetest.Options{AccessKey: access, SecretKey: secret, Numbers: []string{from}})
	// Refusals must be read to the end as well.
	_ = sim.Fail("12065551235", flowroutetest.Fault{Kind: flowroutetest.Refuse, Status: 403})
	var opened atomic.Int64
	s := httptest.NewUnstartedServer(sim)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	c := client(t, s.URL, nil)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range each {
				if _, err := c.Send(context.Background(), message); err != nil {
					t.Error(err)
				}
				if _, err := c.Send(context.Background(), codes.Message{To: "12065551235", Text: text}); !errors.Is(err, codes.ErrSenderRefused) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	c.Close() // before the server, which waits for connections that carried no request
	if n := sim.Requests(); n.Requests != 2*workers*each || n.Accepted != workers*each {
		t.Errorf("counts %+v", n)
	}
	// A send may get an idle connection while it dials, so there may be a few
	// more connections than workers.
	t.Logf("%d connections for %d requests", opened.Load(), 2*workers*each)
	if n := opened.Load(); n > 2*workers {
		t.Errorf("%d connections for %d workers", n, workers)
	}
}

// TestClosedIdleConnection: a server may close idle connections.
func TestClosedIdleConnection(t *testing.T) {
	var requests atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		_, _ = io.WriteString(w, `{"data":{"id":"mdr2-1"}}`)
	}))
	defer s.Close()
	c := client(t, s.URL, nil)
	for range 5 {
		if _, err := c.Send(context.Background(), message); err != nil {
			t.Error(err)
		}
		s.CloseClientConnections()
		time.Sleep(20 * time.Millisecond) // the client sees it
	}
	if requests.Load() != 5 {
		t.Errorf("%d requests", requests.Load())
	}
}
