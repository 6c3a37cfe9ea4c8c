package main

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes/codestest"
)

// TestLogReaderIsGone: the service goes on when the reader of its log ends.
func TestLogReaderIsGone(t *testing.T) {
	t.Parallel()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	public := codestest.FreeAddr(t)
	p := prepare(t.TempDir(), debugEnvironment("LOG_LEVEL=debug", "SEND_LIMITS=off", "LISTEN_ADDR="+public))
	p.cmd.Stderr = writer
	p.start(t)
	_, _ = reader.Close(), writer.Close()
	url := "http://" + public
	eventually(t, 10*time.Second, "the service is ready", func() bool { return isReady(url) })
	for i := range 20 {
		create(t, url, fmt.Sprint(i), anyone).want(t, 200, "")
	}
	p.stop(t, 0)
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
	level("PUT", "?level=ERROR", 200, "error\n")
	create(t, p.URL, "a", anyone)
	level("PUT", "?level=info", 200, "info\n")
	create(t, p.URL, "b", "12065550143")
	creates := func() int { return strings.Count(p.stderr.String(), `"route":"POST /"`) }
	eventually(t, 5*time.Second, "the line of the create at level info", func() bool { return creates() > 0 })
	if n := creates(); n != 1 {
		t.Errorf("%d lines of creates, want that at level info alone", n)
	}
	get(t, p.URL+"/loglevel").want(t, 404, "NotFound")
}

// TestLogLevelHosts: a foreign name that resolves to ADMIN_ADDR cannot change the
// level, so no page in an operator's browser can.
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
			if _ = response.Body.Close(); response.StatusCode != want {
				t.Errorf("%s with Host %q: %d, want %d", method, host, response.StatusCode, want)
			}
		}
	}
}
