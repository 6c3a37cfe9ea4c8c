package flowroute

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/flowroute/sms-verification/codes"
)

// brokenConn fails the write of its second request after so many bytes.
type brokenConn struct {
	net.Conn
	partial int
	writes  atomic.Int64
}

func (c *brokenConn) Write(b []byte) (int, error) {
	if c.writes.Add(1) == 1 {
		return c.Conn.Write(b)
	}
	n, _ := c.Conn.Write(b[:c.partial])
	return n, syscall.EPIPE
}

// TestBrokenConnection: a connection that breaks before a byte of the message
// was written is given up for another one. Without another one nothing was
// sent; with a byte written the message may have been.
func TestBrokenConnection(t *testing.T) {
	for _, c := range []struct {
		name     string
		partial  int
		redial   bool
		want     error
		requests int64
	}{
		{"nothing written, dialled again", 0, true, nil, 2},
		{"nothing written, no connection", 0, false, codes.ErrUnavailable, 1},
		{"a byte written", 1, true, codes.ErrUnconfirmed, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			var requests atomic.Int64
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				requests.Add(1)
				_, _ = io.WriteString(w, `{"data":{"id":"mdr2-1"}}`)
			}))
			defer s.Close()
			client := New(Options{BaseURL: s.URL})
			defer client.Close()
			dial := client.transport.DialContext
			dials := 0
			client.transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				dials++
				if dials > 1 && !c.redial {
					return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
				}
				conn, err := dial(ctx, network, address)
				if dials > 1 || err != nil {
					return conn, err
				}
				return &brokenConn{Conn: conn, partial: c.partial}, nil
			}
			m := codes.Message{To: "12065551234", Text: "1234"}
			if _, err := client.Send(context.Background(), m); err != nil {
				t.Fatal(err)
			}
			if _, err := client.Send(context.Background(), m); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			if requests.Load() != c.requests {
				t.Errorf("%d requests, want %d", requests.Load(), c.requests)
			}
		})
	}
}

func TestTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Proto != "HTTP/1.1" || r.TLS == nil {
			w.WriteHeader(http.StatusUpgradeRequired)
		}
		_, _ = io.WriteString(w, `{"data":{"id":"mdr2-1"}}`)
	}))
	s.EnableHTTP2 = true // offered, but not taken
	s.StartTLS()
	defer s.Close()
	client := New(Options{BaseURL: s.URL})
	defer client.Close()
	client.transport.TLSClientConfig.RootCAs = x509.NewCertPool()
	client.transport.TLSClientConfig.RootCAs.AddCert(s.Certificate())
	id, err := client.Send(context.Background(), codes.Message{To: "12065551234", Text: "1234"})
	if id != "mdr2-1" || err != nil {
		t.Errorf("id %q, error %v", id, err)
	}
}
