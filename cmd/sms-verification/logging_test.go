package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestLineWriterPassesEverythingOn(t *testing.T) {
	var out safeBuffer
	w := newLineWriter(&out)
	line := []byte("line 0000\n")
	for i := range 1000 {
		copy(line[5:], fmt.Sprintf("%04d", i)) // the caller's bytes are its own again
		if n, err := w.Write(line); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	w.Close()
	lines := strings.Split(out.String(), "\n")
	if len(lines) != 1001 || lines[0] != "line 0000" || lines[999] != "line 0999" {
		t.Errorf("%d lines, the last but one %q", len(lines), lines[len(lines)-2])
	}
}

// TestLineWriterDrops: a writer that blocks holds nobody up; lines are dropped
// and counted.
func TestLineWriterDrops(t *testing.T) {
	reader, writer := io.Pipe()
	w := newLineWriter(writer)
	const lines = lineQueue + 500
	for i := range lines {
		_, _ = fmt.Fprintf(w, "line %d\n", i)
	}
	patience := time.AfterFunc(5*time.Second, func() { _ = reader.Close() })
	defer patience.Stop()
	received, dropped := 0, 0
	in := bufio.NewScanner(reader)
	for in.Scan() && dropped == 0 {
		var note struct {
			Msg   string
			Lines int
		}
		if json.Unmarshal(in.Bytes(), &note) == nil && note.Msg == "log lines dropped" {
			dropped = note.Lines
			break
		}
		if want := fmt.Sprintf("line %d", received); in.Text() != want {
			t.Fatalf("%q, want %q", in.Text(), want)
		}
		received++
	}
	if dropped == 0 || received+dropped != lines {
		t.Errorf("%d lines received, %d counted as dropped, of %d", received, dropped, lines)
	}
	w.Close()
}

// TestLineWriterClose: it waits for a slow writer, but not for ever, and who
// comes late is not punished.
func TestLineWriterClose(t *testing.T) {
	t.Parallel()
	reader, writer := io.Pipe()
	defer func() { _ = reader.Close() }()
	w := newLineWriter(writer)
	_, _ = w.Write([]byte("nobody reads this\n"))
	begun := time.Now()
	w.Close()
	if took := time.Since(begun); took < lineFlush/2 || took > 2*lineFlush {
		t.Errorf("Close took %v", took)
	}
	_, _ = w.Write([]byte("late\n"))

	var out bytes.Buffer
	w = newLineWriter(&out)
	var late sync.WaitGroup
	for range 8 {
		late.Go(func() {
			for range 1000 {
				_, _ = w.Write([]byte("x\n"))
			}
		})
	}
	w.Close()
	late.Wait()
}

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
	before := strings.Count(p.stderr.String(), "\n")
	create(t, p.URL, "a", "12065550142")
	if after := strings.Count(p.stderr.String(), "\n"); after != before {
		t.Errorf("%d lines became %d at level error", before, after)
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

// TestLogForPeople: JSON for machines, text for who sits at a terminal.
func TestLogForPeople(t *testing.T) {
	for _, test := range []struct {
		text bool
		want string
	}{{false, `"msg":"hello"`}, {true, "msg=hello"}} {
		var out safeBuffer
		l := newLogs(&out, 0, test.text)
		l.Info("hello")
		l.Close()
		contains(t, "the log", out.String(), test.want)
	}
	file, err := os.Create(t.TempDir() + "/log")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no terminals here: ", err)
	}
	defer func() { _ = terminal.Close() }()
	if isTerminal(file) || isTerminal(&safeBuffer{}) || !isTerminal(terminal) {
		t.Error("a terminal is not told from a file")
	}
}
