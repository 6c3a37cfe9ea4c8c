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

func TestTooManyRequests(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		maxWait   time.Duration
		times     int // 429s; 0 is always
		requests  int64
		want      error
		low, high time.Duration
	}{
		{"then accepted", 3 * time.Second, 1, 2, nil, 900 * time.Millisecond, 2 * time.Second},
		{"no time to wait", 900 * time.Millisecond, 1, 1, codes.ErrUnavailable, 0, 500 * time.Millisecond},
		{"no wait at all", 0, 1, 1, codes.ErrUnavailable, 0, 500 * time.Millisecond},
		{"for ever", 1500 * time.Millisecond, 0, 2, codes.ErrUnavailable, 900 * time.Millisecond, 1500 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			sim, client := start(t, func(o *flowroute.Options) { o.MaxWait = c.maxWait })
			_ = sim.Fail("", flowroutetest.Fault{Kind: flowroutetest.Refuse, Status: 429, Times: c.times})
			begin := time.Now()
			id, err := client.Send(context.Background(), message)
			within(t, begin, c.low, c.high)
			checkError(t, err, c.want)
			accepted := int64(0)
			if c.want == nil {
				accepted = 1
			}
			if n := sim.Requests(); n.Requests != c.requests || n.Accepted != accepted || (id != "") != (accepted == 1) {
				t.Errorf("id %q, counts %+v, want %d requests", id, n, c.requests)
			}
			var busy *codes.UnavailableError
			if err != nil && (!errors.As(err, &busy) || busy.RetryAfter != time.Second) {
				t.Errorf("error %v, want a RetryAfter of 1s", err)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"7": 7 * time.Second, "": time.Second, "0": time.Second, "-3": time.Second, "soon": time.Second,
		"99999999999999": time.Second, "Wed, 21 Oct 2015 07:28:00 GMT": time.Second,
	} {
		url := raw(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", header)
			w.WriteHeader(http.StatusTooManyRequests)
		})
		c := client(t, url, func(o *flowroute.Options) { o.MaxWait = 500 * time.Millisecond })
		_, err := c.Send(context.Background(), message)
		var busy *codes.UnavailableError
		if !errors.As(err, &busy) || busy.RetryAfter != want {
			t.Errorf("Retry-After %q: %v, want %v", header, err, want)
		}
	}
}

func TestRetryAfterIsKept(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	url := raw(t, func(w http.ResponseWriter, _ *http.Request) {
		if requests.Add(1) == 1 {
			w.Header().Set("Retry-After", "2")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		_, _ = io.WriteString(w, `{"data":{"id":"mdr2-1"}}`)
	})
	begin := time.Now()
	_, err := client(t, url, func(o *flowroute.Options) { o.MaxWait = 4 * time.Second }).Send(context.Background(), message)
	within(t, begin, 1900*time.Millisecond, 3500*time.Millisecond)
	checkError(t, err, nil)
}

// TestEnds has the longest way: a 429, the wait, then no answer.
func TestEnds(t *testing.T) {
	t.Parallel()
	const timeout, maxWait = 500 * time.Millisecond, 1200 * time.Millisecond
	var requests atomic.Int64
	url := raw(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if requests.Add(1) == 1 {
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		w.WriteHeader(http.StatusAccepted) // the head of an answer is not an answer
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	c := client(t, url, func(o *flowroute.Options) { o.Timeout, o.MaxWait = timeout, maxWait })
	begin := time.Now()
	_, err := c.Send(context.Background(), message)
	within(t, begin, time.Second+timeout, timeout+maxWait+300*time.Millisecond)
	checkError(t, err, codes.ErrUnconfirmed)
	if requests.Load() != 2 {
		t.Errorf("%d requests", requests.Load())
	}
}

func TestContextEnds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		after time.Duration
		fault flowroutetest.Fault
		want  error
	}{
		{"before", 0, flowroutetest.Fault{}, codes.ErrUnavailable},
		{"while waiting for another turn", 100 * time.Millisecond, flowroutetest.Fault{Kind: flowroutetest.Refuse, Status: 429}, codes.ErrUnavailable},
		{"while waiting for the answer", 100 * time.Millisecond, flowroutetest.Fault{Kind: flowroutetest.AcceptHang}, codes.ErrUnconfirmed},
	} {
		t.Run(c.name, func(t *testing.T) {
			sim, client := start(t, func(o *flowroute.Options) { o.MaxWait = 3 * time.Second })
			_ = sim.Fail("", c.fault)
			ctx, cancel := context.WithTimeout(context.Background(), c.after)
			defer cancel()
			begin := time.Now()
			_, err := client.Send(ctx, message)
			within(t, begin, 0, c.after+700*time.Millisecond)
			checkError(t, err, c.want)
		})
	}
}

// unusedAddress returns an address on which nothing listens.
func unusedAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	return l.Addr().String()
}

func TestRefusedConnection(t *testing.T) {
	t.Parallel()
	for _, maxWait := range []time.Duration{0, 400 * time.Millisecond} {
		c := client(t, "http://"+unusedAddress(t), func(o *flowroute.Options) { o.MaxWait = maxWait })
		begin := time.Now()
		_, err := c.Send(context.Background(), message)
		within(t, begin, maxWait/2, maxWait+300*time.Millisecond)
		checkError(t, err, codes.ErrUnavailable)
		if !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("error %q does not say why", err)
		}
	}
}

func TestDialsAgain(t *testing.T) {
	t.Parallel()
	address := unusedAddress(t)
	c := client(t, "http://"+address, func(o *flowroute.Options) { o.MaxWait = 3 * time.Second })
	started := make(chan *flowroutetest.Server)
	go func() {
		time.Sleep(100 * time.Millisecond)
		sim, err := flowroutetest.NewServer(address, flowroutetest.Options{AccessKey: access, SecretKey: secret, Numbers: []string{from}})
		if err != nil {
			t.Error(err)
		}
		started <- sim
	}()
	_, err := c.Send(context.Background(), message)
	sim := <-started
	if sim == nil {
		return
	}
	defer func() { _ = sim.Close() }()
	checkError(t, err, nil)
	if n := sim.Requests(); n.Requests != 1 || n.Accepted != 1 {
		t.Errorf("counts %+v", n)
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
		t.Run(name, func(t *testing.T) {
			c := client(t, url, func(o *flowroute.Options) { o.Timeout, o.MaxWait = 300*time.Millisecond, 5*time.Second })
			begin := time.Now()
			_, err := c.Send(context.Background(), message)
			within(t, begin, 290*time.Millisecond, time.Second)
			checkError(t, err, codes.ErrUnavailable)
			if !strings.Contains(err.Error(), "timeout") {
				t.Errorf("error %q does not say why", err)
			}
		})
	}
}

func TestUnusableURL(t *testing.T) {
	// A password in the URL must not come out, whatever is wrong with it.
	for _, url := range []string{"http://u:" + secret + "@127.0.0.1:port", "", "ftp://u:" + secret + "@127.0.0.1"} {
		_, err := client(t, url, nil).Send(context.Background(), message)
		checkError(t, err, codes.ErrUnavailable)
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

func TestGarbageInsteadOfHTTP(t *testing.T) {
	for name, garbage := range map[string]string{
		"nothing":       "",
		"not HTTP":      "12065551234 739104 Welcome\r\n\r\n",
		"cut off":       "HTTP/1.1 202 Acc",
		"odd header":    "HTTP/1.1 202 Accepted\r\n12065551234 739104\r\n\r\n",
		"endless head":  "HTTP/1.1 202 Accepted\r\nX: " + strings.Repeat("739104", 30_000),
		"missing chunk": "HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"dat",
	} {
		t.Run(name, func(t *testing.T) {
			var requests atomic.Int64
			url := raw(t, func(w http.ResponseWriter, r *http.Request) {
				requests.Add(1)
				_, _ = io.Copy(io.Discard, r.Body)
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.WriteString(conn, garbage)
				_ = conn.Close()
			})
			_, err := client(t, url, func(o *flowroute.Options) { o.MaxWait = time.Second }).Send(context.Background(), message)
			checkError(t, err, codes.ErrUnconfirmed)
			if requests.Load() != 1 {
				t.Errorf("%d requests", requests.Load())
			}
		})
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
				if _, err := c.Send(context.Background(), codes.Message{To: "12065551235", Text: text}); !errors.Is(err, codes.ErrRejected) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	c.Close() // before the server, or it waits for connections that never carried a request
	if n := sim.Requests(); n.Requests != 2*workers*each || n.Accepted != workers*each {
		t.Errorf("counts %+v", n)
	}
	// A send that was given another's connection leaves its own dial behind, so
	// there may be a few more than workers.
	t.Logf("%d connections for %d requests", opened.Load(), 2*workers*each)
	if n := opened.Load(); n > 2*workers {
		t.Errorf("%d connections for %d workers", n, workers)
	}
}

// TestClosedIdleConnection: a server closes connections that it has no use for.
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
