package main

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// piped starts a service whose stderr is a pipe, and returns when it is ready,
// with what reads the pipe.
func piped(t *testing.T, env []string) (*process, *os.File) {
	t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = reader.Close() })
	p := prepare(t.TempDir(), env)
	p.cmd.Stderr = writer
	p.start(t)
	_ = writer.Close()
	lines := bufio.NewReader(reader)
	for !strings.Contains(p.stderr.String(), `"serving"`) {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			t.Fatal(err)
		}
		_, _ = p.stderr.Write(line)
	}
	p.listening(t)
	eventually(t, 5*time.Second, "the service is ready", func() bool { return get(t, p.URL+"/readyz").status == 200 })
	return p, reader
}

// TestNobodyReadsTheLog: requests go on, and so does the end.
func TestNobodyReadsTheLog(t *testing.T) {
	t.Parallel()
	const requests = 6000 // more lines than a pipe and the queue hold
	p, _ := piped(t, hasty("LOG_LEVEL=debug", "SEND_LIMITS=off"))
	answers := inParallel(8, func(i int) *answer {
		for range requests / 8 {
			if a := get(t, p.URL+"/healthz"); a.status != 200 {
				return a
			}
		}
		return create(t, p.URL, fmt.Sprint(i), "12065550142")
	})
	for _, a := range answers {
		if a.status != 200 {
			t.Errorf("status %d: %s", a.status, a.raw)
		}
	}
	slowBody(t, p.URL)
	p.signal(syscall.SIGTERM)
	if status := p.exit(t, 5*time.Second); status != 1 { // the request with the slow body is unfinished
		t.Errorf("exit status %d", status)
	}
}

// TestLogReaderIsGone: a service outlives whatever collects its log.
func TestLogReaderIsGone(t *testing.T) {
	t.Parallel()
	p, reader := piped(t, debugEnvironment("LOG_LEVEL=debug", "SEND_LIMITS=off"))
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if a := create(t, p.URL, fmt.Sprint(i), "12065550142"); a.status != 200 {
			t.Fatalf("status %d", a.status)
		}
	}
	p.signal(syscall.SIGTERM)
	if status := p.exit(t, 5*time.Second); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

// TestLogLevelWhileRunning: the level is shown and set on the admin address.
func TestLogLevelWhileRunning(t *testing.T) {
	t.Parallel()
	p := serveReady(t, debugEnvironment())
	debugLines := func() int { return strings.Count(p.stderr.String(), `"level":"DEBUG"`) }
	level := func(method, query string, status int, want string) {
		t.Helper()
		if a := do(t, method, p.Admin+"/loglevel"+query, ""); a.status != status || !strings.Contains(a.raw, want) {
			t.Errorf("%s %s: %d %q, want %d %q", method, query, a.status, a.raw, status, want)
		}
	}
	level("GET", "", 200, "info\n")
	get(t, p.URL+"/healthz")
	level("PUT", "?level=debug", 200, "debug\n")
	if n := debugLines(); n != 0 {
		t.Errorf("%d lines of level debug before it was set", n)
	}
	get(t, p.URL+"/healthz")
	eventually(t, 5*time.Second, "a line of level debug", func() bool { return debugLines() > 0 })
	level("PUT", "?level=loud", 400, "debug, info, warn or error")
	level("PUT", "", 400, "debug, info, warn or error")
	level("POST", "?level=error", 405, "PUT")
	level("GET", "", 200, "debug\n")
	level("PUT", "?level=ERROR", 200, "error\n")
	create(t, p.URL, "a", "12065550142")
	level("PUT", "?level=info", 200, "info\n")
	create(t, p.URL, "b", "12065550143")
	creates := func() int { return strings.Count(p.stderr.String(), `"route":"POST /"`) }
	eventually(t, 5*time.Second, "the line of the create at level info", func() bool { return creates() > 0 })
	if n := creates(); n != 1 {
		t.Errorf("%d lines of creates, want that at level info alone", n)
	}
	if a := get(t, p.URL+"/loglevel"); a.status != 404 {
		t.Errorf("on the public address: %d", a.status)
	}
}

// TestLogLevelHosts: a name that somebody else lets lead here changes nothing.
func TestLogLevelHosts(t *testing.T) {
	t.Parallel()
	p := serveReady(t, debugEnvironment())
	own, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]int{
		"": 200, "127.0.0.1": 200, "10.0.0.7:9464": 200, "[::1]:9464": 200, "[::1]": 200, "LOCALHOST:1": 200, own + ":9464": 200,
		"evil.example": 403, "evil.example:9464": 403, "127.0.0.1.evil.example": 403, "localhost.evil.example": 403, "evil": 403,
	} {
		for method, want := range map[string]int{http.MethodPut: want, http.MethodGet: 200} {
			r, err := http.NewRequest(method, p.Admin+"/loglevel?level=info", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = host
			response, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			if response.StatusCode != want {
				t.Errorf("%s with Host %q: %d, want %d", method, host, response.StatusCode, want)
			}
		}
	}
}
