package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// TestShutdownFinishesRequests: what is in flight when the signal comes is answered.
func TestShutdownFinishesRequests(t *testing.T) {
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	if err := sim.Fail("12065550143", flowroutetest.Fault{Kind: flowroutetest.Slow, Delay: 400 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		sim.Reset()
		p := serveReady(t, environment(redis, sim))
		answered := make(chan *answer, 1)
		go func() {
			a, err := request(http.MethodPost, p.URL+"/", `{"auth_id":"slow","recipient":"12065550143"}`)
			if err != nil {
				a = &answer{raw: err.Error()}
			}
			answered <- a
		}()
		eventually(t, 5*time.Second, "the message is being sent", func() bool { return sim.Requests().Accepted == 1 })
		p.signal(sig)
		eventually(t, 300*time.Millisecond, "no new connections", func() bool {
			conn, err := net.Dial("tcp", strings.TrimPrefix(p.URL, "http://"))
			if err == nil {
				_ = conn.Close()
			}
			return err != nil
		})
		if a := <-answered; a.status != 200 {
			t.Errorf("%v: the request in flight: %d %s", sig, a.status, a.raw)
		}
		if status := p.exit(t, 5*time.Second); status != 0 {
			t.Errorf("%v: exit status %d", sig, status)
		}
		contains(t, "log", p.stderr.String(), `"msg":"shut down"`)
	}
}

// rawClient keeps one connection and repeats nothing.
type rawClient struct {
	addr string
	conn net.Conn
	in   *bufio.Reader
}

// send returns the answer's status; an error is a request that got no answer.
// Afterwards there is no connection if the service asked to close it.
func (c *rawClient) send(request, body string) (int, error) {
	if c.conn == nil {
		conn, err := net.Dial("tcp", c.addr)
		if err != nil {
			return 0, err
		}
		c.conn, c.in = conn, bufio.NewReader(conn)
	}
	_ = c.conn.SetDeadline(time.Now().Add(10 * time.Second))
	_, err := fmt.Fprintf(c.conn, "%s HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", request, len(body), body)
	if err != nil {
		return 0, err
	}
	response, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return 0, err
	}
	if _, err = io.Copy(io.Discard, response.Body); err == nil && response.Close {
		c.close()
	}
	return response.StatusCode, err
}

func (c *rawClient) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// TestShutdownLosesNothing: clients that repeat nothing, and stop a moment
// after the service says that it is not ready, get an answer to every request.
func TestShutdownLosesNothing(t *testing.T) {
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	const delay = time.Second
	p := serveReady(t, environment(redis, sim, "SHUTDOWN_DELAY="+delay.String()))
	var stop atomic.Bool
	var answers atomic.Int64
	var clients sync.WaitGroup
	for i := range 20 {
		clients.Go(func() {
			c := &rawClient{addr: strings.TrimPrefix(p.URL, "http://")}
			defer c.close()
			id := strconv.Itoa(i)
			for !stop.Load() {
				for request, body := range map[string]string{
					"POST /":       `{"auth_id":"` + id + `","recipient":"12065550142"}`,
					"POST /verify": `{"auth_id":"` + id + `","code":"1"}`,
				} {
					status, err := c.send(request, body)
					if err != nil || status >= 500 {
						t.Errorf("a request was lost: status %d, %v", status, err)
						return
					}
					answers.Add(1)
				}
			}
		})
	}
	probe := &rawClient{addr: strings.TrimPrefix(p.URL, "http://")}
	defer probe.close()
	if status, err := probe.send("GET /healthz", ""); status != 200 || err != nil || probe.conn == nil {
		t.Errorf("before the shutdown: %d, %v, connection %v", status, err, probe.conn)
	}
	eventually(t, 5*time.Second, "there is a steady load", func() bool { return answers.Load() >= 100 })
	before := answers.Load()
	signalled := time.Now()
	p.signal(syscall.SIGTERM)
	eventually(t, 200*time.Millisecond, "readyz says 503", func() bool { return get(t, p.URL+"/readyz").status == 503 })
	for _, during := range []struct {
		request, body string
		want          int
	}{
		{"GET /readyz", "", 503}, {"GET /healthz", "", 200}, {"POST /", `{"auth_id":"late","recipient":"12065550142"}`, 200},
	} {
		if status, err := probe.send(during.request, during.body); status != during.want || err != nil || probe.conn != nil {
			t.Errorf("%s during the delay: %d, %v, connection %v", during.request, status, err, probe.conn)
		}
	}
	time.Sleep(300 * time.Millisecond)
	stop.Store(true)
	clients.Wait()
	if after := answers.Load(); after-before < 20 {
		t.Errorf("%d answers after the signal: no steady load", after-before)
	}
	if status := p.exit(t, 5*time.Second); status != 0 || time.Since(signalled) < delay {
		t.Errorf("exit status %d after %v", status, time.Since(signalled))
	}
}

// slowBody begins a request whose body does not come, and returns when the
// service waits for it.
func slowBody(t *testing.T, url string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n")
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("the service does not wait for the body: %q, %v", line, err)
	}
	return conn
}

// hasty are the shortest times that the settings allow.
func hasty(extra ...string) []string {
	return debugEnvironment(append([]string{"FLOWROUTE_TIMEOUT=200ms", "FLOWROUTE_MAX_WAIT=100ms", "SHUTDOWN_TIMEOUT=300ms"}, extra...)...)
}

// TestShutdownTimeout: a request that does not end is given up, and said so.
func TestShutdownTimeout(t *testing.T) {
	t.Parallel()
	p := serveReady(t, hasty())
	for range 50 { // as many chances to speak when nobody listens any more
		slowBody(t, p.URL)
	}
	p.signal(syscall.SIGTERM)
	if status := p.exit(t, 3*time.Second); status != 1 {
		t.Errorf("exit status %d", status)
	}
	contains(t, "stderr", p.stderr.String(), "SHUTDOWN_TIMEOUT")
	if strings.Contains(p.stderr.String(), "panic") || strings.Contains(p.stderr.String(), "goroutine") {
		t.Error("a panic")
	}
}

// TestShutdownJustInTime: what ended within the time is finished, however late
// in it, and a connection on which nothing came is no request.
func TestShutdownJustInTime(t *testing.T) {
	t.Parallel()
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	p := serveReady(t, environment(redis, sim, "FLOWROUTE_TIMEOUT=2s", "FLOWROUTE_MAX_WAIT=0s", "SHUTDOWN_TIMEOUT=2s", "SHUTDOWN_DELAY=0s"))
	idle, err := net.Dial("tcp", strings.TrimPrefix(p.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = idle.Close() }()
	if err := sim.Fail("12065550142", flowroutetest.Fault{Kind: flowroutetest.Slow, Delay: 1700 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	answered := make(chan *answer, 1)
	go func() { answered <- create(t, p.URL, "late", "12065550142") }()
	eventually(t, 5*time.Second, "the request is at Flowroute", func() bool { return len(sim.Messages()) > 0 })
	p.signal(syscall.SIGTERM)
	if a := <-answered; a.status != 200 {
		t.Errorf("create: %d %s", a.status, a.raw)
	}
	if status := p.exit(t, 5*time.Second); status != 0 {
		t.Errorf("exit status %d: %s", status, p.stderr)
	}
}

// TestSecondSignal: whoever asks twice does not want to wait.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	p := serveReady(t, debugEnvironment("SHUTDOWN_DELAY=1m"))
	p.signal(syscall.SIGTERM)
	eventually(t, 5*time.Second, "readyz says 503", func() bool { return get(t, p.URL+"/readyz").status == 503 })
	p.signal(syscall.SIGTERM)
	if status := p.exit(t, time.Second); status != 1 {
		t.Errorf("exit status %d", status)
	}
}

// TestHangupUnderNohup: a service that was started to outlive its terminal does.
func TestHangupUnderNohup(t *testing.T) {
	t.Parallel()
	nohup, err := exec.LookPath("nohup")
	if err != nil {
		t.Skip("there is no nohup here")
	}
	p := prepare(t.TempDir(), debugEnvironment("SHUTDOWN_DELAY=0s"))
	p.cmd.Path, p.cmd.Args = nohup, []string{"nohup", binary}
	p.start(t)
	p.listening(t)
	p.signal(syscall.SIGHUP)
	time.Sleep(300 * time.Millisecond)
	if a := create(t, p.URL, "a", "12065550142"); a.status != 200 {
		t.Errorf("after SIGHUP: %d %s", a.status, a.raw)
	}
	p.signal(syscall.SIGTERM)
	if status := p.exit(t, 5*time.Second); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

// TestIdleTimeout: an idle connection is kept for so long, and no longer.
func TestIdleTimeout(t *testing.T) {
	t.Parallel()
	p := serveReady(t, debugEnvironment("IDLE_TIMEOUT=1s"))
	c := &rawClient{addr: strings.TrimPrefix(p.URL, "http://")}
	defer c.close()
	for range 2 {
		if status, err := c.send("GET /healthz", ""); status != 200 || err != nil {
			t.Fatalf("status %d, %v", status, err)
		}
		time.Sleep(300 * time.Millisecond)
	}
	idle := time.Now().Add(-300 * time.Millisecond)
	_ = c.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	_, err := c.in.ReadByte()
	if took := time.Since(idle); !errors.Is(err, io.EOF) || took < 800*time.Millisecond {
		t.Errorf("%v after %v, want the end after 1s", err, took)
	}
}

// TestStopBeforeReady: a service that still waits for Redis stops too.
func TestStopBeforeReady(t *testing.T) {
	t.Parallel()
	p := serve(t, complete("REDIS_URL=redis://127.0.0.1:1/0", "SHUTDOWN_DELAY=0s"))
	p.signal(syscall.SIGTERM)
	if status := p.exit(t, 5*time.Second); status != 0 {
		t.Errorf("exit status %d", status)
	}
}
