package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/api/apitest"
	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// binary is the built program that the tests run.
var binary string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "sms-verification")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary = filepath.Join(dir, "sms-verification")
	args := []string{"build", "-o", binary}
	if raceEnabled {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, ".")...).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// The account that the simulator knows.
const (
	testAccessKey = "accesskey-5f1d"
	testSecretKey = "secretkey-9c2e7ab41d"
	testSender    = "12065550100"
)

// startSimulator starts Flowroute.
func startSimulator(t testing.TB, o flowroutetest.Options) *flowroutetest.Server {
	t.Helper()
	o.AccessKey, o.SecretKey, o.Numbers = testAccessKey, testSecretKey, append(o.Numbers, testSender)
	s, err := flowroutetest.NewServer("", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// environment is that of a service over the given backends, with a key
// prefix of its own. Limits are off; extra lines win.
func environment(redis *redistest.Instance, sim *flowroutetest.Server, extra ...string) []string {
	return append([]string{
		"FLOWROUTE_ACCESS_KEY=" + testAccessKey,
		"FLOWROUTE_SECRET_KEY=" + testSecretKey,
		"FLOWROUTE_NUMBER=" + testSender,
		"FLOWROUTE_BASE_URL=" + sim.URL,
		"FLOWROUTE_RATE=0",
		"SEND_LIMITS=off",
		"GUESS_LIMITS=off",
		"REDIS_URL=" + redis.URL,
		"REDIS_MODE=" + redis.Mode,
		"REDIS_KEY_PREFIX=test-" + rand.Text() + ":",
		"LISTEN_ADDR=127.0.0.1:0",
		"ADMIN_ADDR=127.0.0.1:0",
		"SHUTDOWN_DELAY=0s",
	}, extra...)
}

// debugEnvironment is that of a service in debug mode. Extra lines win.
func debugEnvironment(extra ...string) []string {
	return append([]string{"DEBUG_MODE=true", "LISTEN_ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0"}, extra...)
}

// dirWith makes a directory with files, given as name, content, name, content.
func dirWith(t testing.TB, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		if err := os.WriteFile(filepath.Join(dir, files[i]), []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// contains fails the test for each part that the text lacks.
func contains(t testing.TB, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s lacks %q:\n%s", what, part, text)
		}
	}
}

// process is a running program.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr *safeBuffer
	exited         chan struct{}
	URL, Admin     string // of a service
}

// start runs the program in an empty directory with nothing but env.
func start(t testing.TB, env []string, args ...string) *process {
	t.Helper()
	return startIn(t, t.TempDir(), env, args...)
}

// startIn runs the program in a directory with nothing but env.
func startIn(t testing.TB, dir string, env []string, args ...string) *process {
	t.Helper()
	p := prepare(dir, env, args...)
	p.start(t)
	return p
}

// prepare returns a program that is yet to be started.
func prepare(dir string, env []string, args ...string) *process {
	p := &process{cmd: exec.Command(binary, args...), stdout: &safeBuffer{}, stderr: &safeBuffer{}, exited: make(chan struct{})}
	p.cmd.Dir = dir
	p.cmd.Env = append([]string{"GORACE=atexit_sleep_ms=0"}, env...) // by default a program with -race ends a second late
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	return p
}

func (p *process) start(t testing.TB) {
	t.Helper()
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.exited)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.exited
		if strings.Contains(p.stderr.String(), "DATA RACE") {
			t.Errorf("a data race in the program:\n%s", p.stderr)
		}
		if t.Failed() {
			t.Logf("stderr of %v:\n%s", p.cmd.Args[1:], p.stderr)
		}
	})
}

// serve starts a service and waits until it listens.
func serve(t testing.TB, env []string, args ...string) *process {
	t.Helper()
	p := start(t, env, args...)
	p.listening(t)
	return p
}

// listening waits until the service listens.
func (p *process) listening(t testing.TB) {
	t.Helper()
	eventually(t, 10*time.Second, "the service listens", func() bool {
		for line := range strings.Lines(p.stderr.String()) {
			var entry struct{ Msg, Address, Admin string }
			if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "serving" {
				p.URL, p.Admin = "http://"+entry.Address, "http://"+entry.Admin
				return true
			}
		}
		select {
		case <-p.exited:
			t.Fatalf("the service ended: %s", p.stderr)
		default:
		}
		return false
	})
}

// serveReady starts a service and waits until it is ready.
func serveReady(t testing.TB, env []string, args ...string) *process {
	t.Helper()
	p := serve(t, env, args...)
	eventually(t, 10*time.Second, "the service is ready", func() bool { return get(t, p.URL+"/readyz").status == http.StatusOK })
	return p
}

func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// exit waits for the end and returns the exit status.
func (p *process) exit(t testing.TB, within time.Duration) int {
	t.Helper()
	select {
	case <-p.exited:
	case <-time.After(within):
		t.Fatalf("still running after %v", within)
	}
	return p.cmd.ProcessState.ExitCode()
}

// command runs the program to its end.
func command(t testing.TB, env []string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	p := start(t, env, args...)
	status = p.exit(t, 30*time.Second)
	return status, p.stdout.String(), p.stderr.String()
}

func eventually(t testing.TB, within time.Duration, what string, true func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !true(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

// answer is what came back for a request.
type answer struct {
	status int
	header http.Header
	raw    string
	body   struct {
		Message       string
		Reason        string
		AuthID        string `json:"auth_id"`
		Authenticated bool
		AttemptsLeft  *int64 `json:"attempts_left"`
		ExpiresIn     int64  `json:"expires_in"`
		ResendAfter   int64  `json:"resend_after"`
		Limit         string
		RetryAfter    int64 `json:"retry_after"`
	}
}

// request sends a request; headers are "Name: value".
func request(method, url, body string, headers ...string) (*answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	response, err := testClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	a := &answer{status: response.StatusCode, header: response.Header, raw: string(raw)}
	if len(raw) > 0 && strings.HasPrefix(response.Header.Get("Content-Type"), "application/json") {
		err = json.Unmarshal(raw, &a.body)
	}
	return a, err
}

// testClient fails a request whose answer openapi.yaml does not tell of.
var testClient = &http.Client{Transport: described(&http.Transport{MaxIdleConnsPerHost: 200})}

func described(next http.RoundTripper) http.RoundTripper {
	text, err := os.ReadFile("../../api/openapi.yaml")
	if err != nil {
		panic(err)
	}
	description, err := apitest.New(text)
	if err != nil {
		panic(err)
	}
	return description.Transport(next)
}

func do(t testing.TB, method, url, body string, headers ...string) *answer {
	t.Helper()
	a, err := request(method, url, body, headers...)
	if err != nil {
		t.Errorf("%s: %v", method, errors.Unwrap(err))
		return &answer{}
	}
	return a
}

func get(t testing.TB, url string) *answer { t.Helper(); return do(t, http.MethodGet, url, "") }

func create(t testing.TB, url, id, recipient string, headers ...string) *answer {
	t.Helper()
	return do(t, http.MethodPost, url+"/", fmt.Sprintf(`{"auth_id":%q,"recipient":%q}`, id, recipient), headers...)
}

func verify(t testing.TB, url, id, code string, headers ...string) *answer {
	t.Helper()
	return do(t, http.MethodPost, url+"/verify", fmt.Sprintf(`{"auth_id":%q,"code":%q}`, id, code), headers...)
}

// codeSent is the code of the last SMS to a number.
func codeSent(t testing.TB, sim *flowroutetest.Server, recipient string) string {
	t.Helper()
	messages := sim.Messages()
	for i := len(messages) - 1; i >= 0; i-- {
		if messages[i].To == recipient {
			code, _, _ := strings.Cut(messages[i].Body, "\n")
			return code
		}
	}
	t.Fatalf("no SMS to the number")
	return ""
}

// safeBuffer collects a process's output.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
