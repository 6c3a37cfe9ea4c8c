package flowroute

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/flowroute/sms-verification/codes"
)

// carrier accepts every message and counts what reaches it.
type carrier struct {
	*httptest.Server
	requests, connections, bytes atomic.Int64
}

// startCarrier starts a carrier that answers after delay.
func startCarrier(t *testing.T, withTLS bool, delay time.Duration) *carrier {
	t.Helper()
	c := &carrier{}
	c.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		c.requests.Add(1)
		time.Sleep(delay)
		if r.Proto != "HTTP/1.1" {
			w.WriteHeader(http.StatusUpgradeRequired)
		}
		_, _ = io.WriteString(w, `{"data":{"id":"mdr2-1"}}`)
	}))
	c.Listener = &countingListener{c.Listener, c}
	c.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that the client aborted
	if withTLS {
		c.EnableHTTP2 = true // offered, but not used
		c.StartTLS()
	} else {
		c.Start()
	}
	t.Cleanup(c.Close)
	return c
}

// client returns a client that trusts the carrier.
func (c *carrier) client(t *testing.T) *Client {
	t.Helper()
	client := New(Options{BaseURL: c.URL, Timeout: 5 * time.Second})
	t.Cleanup(client.Close)
	if c.TLS != nil {
		client.transport.TLSClientConfig.RootCAs = x509.NewCertPool()
		client.transport.TLSClientConfig.RootCAs.AddCert(c.Certificate())
	}
	return client
}

type countingListener struct {
	net.Listener
	c *carrier
}

func (l *countingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.c.connections.Add(1)
	return &countingConn{conn, l.c}, nil
}

type countingConn struct {
	net.Conn
	c *carrier
}

func (c *countingConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.c.bytes.Add(int64(n))
	return n, err
}

var message = codes.Message{To: "12065551234", Text: "1234"}

func notAfter(at time.Time) codes.Message {
	m := message
	m.NotAfter = at
	return m
}

// mustSend sends a message, after which the connection is a used one.
func mustSend(t *testing.T, c *Client) {
	t.Helper()
	if id, err := c.Send(context.Background(), message); id != "mdr2-1" || err != nil {
		t.Fatalf("id %q, error %v", id, err)
	}
}

// whenConnected returns a context in which a send calls do when it has its
// connection, before its first byte.
func whenConnected(ctx context.Context, do func()) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { do() }})
}

// overTCPAndTLS runs a test against a carrier without and with TLS.
func overTCPAndTLS(t *testing.T, test func(t *testing.T, withTLS bool)) {
	t.Helper()
	t.Run("TCP", func(t *testing.T) { t.Parallel(); test(t, false) })
	t.Run("TLS", func(t *testing.T) { t.Parallel(); test(t, true) })
}

// TestTooLateAtTheFirstByte: a process that was paused after it got its
// connection, and continues too late, sends nothing.
func TestTooLateAtTheFirstByte(t *testing.T) {
	t.Parallel()
	for _, used := range []bool{false, true} {
		for _, limit := range []string{"NotAfter", "deadline"} {
			t.Run(fmt.Sprintf("%s, used connection %v", limit, used), func(t *testing.T) {
				t.Parallel()
				overTCPAndTLS(t, func(t *testing.T, withTLS bool) {
					patiently(t, func(ends time.Duration) bool {
						return tooLateAtTheFirstByte(t, startCarrier(t, withTLS, 0), limit, ends, used)
					})
				})
			})
		}
	}
}

// patiently calls test with longer and longer limits until it reports that it
// got a connection in time, which takes long on a busy machine.
func patiently(t *testing.T, test func(limit time.Duration) bool) {
	t.Helper()
	for limit := 200 * time.Millisecond; limit < 5*time.Second; limit *= 3 {
		if test(limit) {
			return
		}
	}
	t.Error("got no connection in time")
}

// tooLateAtTheFirstByte makes a message too late once it has a connection. It
// reports whether it got one in time.
func tooLateAtTheFirstByte(t *testing.T, carrier *carrier, limit string, ends time.Duration, used bool) bool {
	t.Helper()
	client := carrier.client(t)
	if used {
		mustSend(t, client)
	}
	requests, before := carrier.requests.Load(), int64(-1)
	ctx := whenConnected(context.Background(), func() {
		time.Sleep(2 * ends)
		before = carrier.bytes.Load()
	})
	m := message
	if limit == "NotAfter" {
		m.NotAfter = time.Now().Add(ends)
	} else {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, ends)
		defer cancel()
	}
	if _, err := client.Send(ctx, m); !errors.Is(err, codes.ErrTooLate) {
		t.Errorf("error %v, want %v", err, codes.ErrTooLate)
	}
	if before < 0 {
		return false
	}
	time.Sleep(50 * time.Millisecond)
	if n := carrier.bytes.Load() - before; n != 0 {
		t.Errorf("%d bytes were sent", n)
	}
	// The connection is not used again.
	connections := carrier.connections.Load()
	mustSend(t, client)
	if n := carrier.connections.Load() - connections; n != 1 {
		t.Errorf("%d new connections", n)
	}
	if n := carrier.requests.Load() - requests; n != 1 {
		t.Errorf("%d requests, want the last one", n)
	}
	return true
}

// TestTooLateSparesOtherConnections: a message that is too late closes its own
// connection and no other.
func TestTooLateSparesOtherConnections(t *testing.T) {
	t.Parallel()
	carrier := startCarrier(t, false, 100*time.Millisecond)
	client := carrier.client(t)
	sendAll := func(n int) {
		done := make(chan error, n)
		for range n {
			go func() { _, err := client.Send(context.Background(), message); done <- err }()
		}
		for range n {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
	sendAll(4)
	idle := carrier.connections.Load()
	// Only the gate can know that it is too late, because no timer fires.
	m := notAfter(onTheWall(t, 50*time.Millisecond))
	ctx := whenConnected(context.Background(), func() { time.Sleep(100 * time.Millisecond) })
	if _, err := client.Send(ctx, m); !errors.Is(err, codes.ErrTooLate) {
		t.Errorf("error %v", err)
	}
	sendAll(int(idle) - 1)
	if n := carrier.connections.Load() - idle; n != 0 {
		t.Errorf("%d new connections beside the %d others", n, idle-1)
	}
}

// TestTooLateBeforeTheConnection: the attempt ends in time, and the next one
// uses the connection that was being dialled.
func TestTooLateBeforeTheConnection(t *testing.T) {
	t.Parallel()
	overTCPAndTLS(t, func(t *testing.T, withTLS bool) {
		carrier := startCarrier(t, withTLS, 0)
		client := carrier.client(t)
		dial := client.transport.DialContext
		client.transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			time.Sleep(time.Second)
			return dial(ctx, network, address)
		}
		begin := time.Now()
		if _, err := client.Send(context.Background(), notAfter(begin.Add(100*time.Millisecond))); !errors.Is(err, codes.ErrTooLate) {
			t.Errorf("error %v", err)
		}
		if took := time.Since(begin); took > 900*time.Millisecond {
			t.Errorf("took %v", took)
		}
		time.Sleep(time.Until(begin.Add(2 * time.Second)))
		mustSend(t, client)
		if c, r := carrier.connections.Load(), carrier.requests.Load(); c != 1 || r != 1 {
			t.Errorf("%d connections, %d requests", c, r)
		}
	})
}

// TestAnswerAfterNotAfter: NotAfter bounds the first byte, not the answer.
func TestAnswerAfterNotAfter(t *testing.T) {
	t.Parallel()
	client := startCarrier(t, false, time.Second).client(t)
	mustSend(t, client)
	if _, err := client.Send(context.Background(), notAfter(time.Now().Add(500*time.Millisecond))); err != nil {
		t.Error(err)
	}
}

// TestSuspendedMachine: the monotonic clock stops while a virtual machine is
// suspended, so both clocks are checked. A message that is too late from the
// start opens no connection.
func TestSuspendedMachine(t *testing.T) {
	t.Parallel()
	carrier := startCarrier(t, false, 0)
	client := carrier.client(t)
	past := onTheWall(t, -time.Second)
	ctx, cancel := context.WithDeadline(context.Background(), past)
	defer cancel()
	for limit, send := range map[string]func() (string, error){
		"deadline": func() (string, error) { return client.Send(ctx, message) },
		"NotAfter": func() (string, error) { return client.Send(context.Background(), notAfter(past)) },
	} {
		if _, err := send(); !errors.Is(err, codes.ErrTooLate) {
			t.Errorf("%s: error %v", limit, err)
		}
	}
	if n := carrier.connections.Load(); n != 0 {
		t.Errorf("%d connections", n)
	}
}

// onTheWall returns a time that the wall clock reaches after d, and the
// monotonic clock an hour later.
func onTheWall(t *testing.T, d time.Duration) time.Time {
	t.Helper()
	at := time.Now().Add(d + time.Hour)
	// In the first word the wall clock's seconds are above 30 bits of nanoseconds.
	*(*uint64)(unsafe.Pointer(&at)) -= 3600 << 30
	if time.Until(at) < 59*time.Minute || time.Until(at.Round(0)) > d {
		t.Skip("the layout of time.Time has changed")
	}
	return at
}

// brokenConn writes only the first bytes, and then fails, once it is broken.
type brokenConn struct {
	net.Conn
	broken  *atomic.Bool
	partial int
}

func (c *brokenConn) Write(b []byte) (int, error) {
	if !c.broken.Load() {
		return c.Conn.Write(b)
	}
	n, _ := c.Conn.Write(b[:c.partial])
	return n, syscall.EPIPE
}

// TestBrokenConnection: if a used connection breaks before a byte of the message
// was written, another one is tried. After a byte the message may have been
// sent, unless the byte is part of a TLS record, which is useless without the
// rest.
func TestBrokenConnection(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		partial   int
		used      bool
		redial    bool
		want, tls error
	}{
		{"nothing written, dialled again", 0, true, true, nil, nil},
		{"nothing written, no connection", 0, true, false, codes.ErrUnavailable, codes.ErrUnavailable},
		{"nothing written, new connection", 0, false, true, codes.ErrUnavailable, codes.ErrUnavailable},
		{"a byte written", 1, true, true, codes.ErrUnconfirmed, nil},
		{"a byte written, no connection", 1, true, false, codes.ErrUnconfirmed, codes.ErrUnavailable},
		{"a byte written, new connection", 1, false, true, codes.ErrUnconfirmed, codes.ErrUnconfirmed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			overTCPAndTLS(t, func(t *testing.T, withTLS bool) {
				carrier := startCarrier(t, withTLS, 0)
				client := carrier.client(t)
				var broken atomic.Bool
				dials := 0
				client.transport.DialContext = gated(func(ctx context.Context, network, address string) (net.Conn, error) {
					dials++
					if dials > 1 && !c.redial {
						return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
					}
					conn, err := new(net.Dialer).DialContext(ctx, network, address)
					if dials > 1 || err != nil {
						return conn, err
					}
					return &brokenConn{Conn: conn, broken: &broken, partial: c.partial}, nil
				})
				requests, want := int64(0), c.want
				if withTLS {
					want = c.tls
				}
				if c.used {
					mustSend(t, client)
					requests++
				}
				if want == nil {
					requests++
				}
				ctx := whenConnected(context.Background(), func() { broken.Store(true) })
				if _, err := client.Send(ctx, message); !errors.Is(err, want) {
					t.Errorf("error %v, want %v", err, want)
				}
				if carrier.requests.Load() != requests {
					t.Errorf("%d requests, want %d", carrier.requests.Load(), requests)
				}
			})
		})
	}
}
