package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// binary is the built program that the tests run.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "sms-verification")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if binary, err = codestest.Build(dir, "../..", fmt.Sprint("-race=", raceEnabled)); err != nil {
		panic(err)
	}
	m.Run()
}

// The account that the simulator knows.
const (
	testAccessKey = "accesskey-5f1d"
	testSecretKey = "secretkey-9c2e7ab41d"
	testSender    = "12065550100"
)

// startSimulator starts the Flowroute simulator.
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

// fail makes the simulator fail at messages to a number, or to all if it is empty.
func fail(t testing.TB, sim *flowroutetest.Server, number string, f flowroutetest.Fault) {
	t.Helper()
	if err := sim.Fail(number, f); err != nil {
		t.Error(err)
	}
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

// lacks fails the test for each part that the text contains.
func lacks(t testing.TB, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if strings.Contains(text, part) {
			t.Errorf("%s contains %q:\n%s", what, part, text)
		}
	}
}

// silent returns the address of a server that accepts connections and never answers.
func silent(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String()
}

// dial opens a connection to a service.
func dial(t testing.TB, url string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// process is a running program.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr *codestest.Output
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
	p := &process{cmd: exec.Command(binary, args...), stdout: &codestest.Output{}, stderr: &codestest.Output{}, exited: make(chan struct{})}
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
	codestest.Await(t, 10*time.Second, "the service listens", func() bool {
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

// ready waits until the service is ready.
func (p *process) ready(t testing.TB) {
	t.Helper()
	p.listening(t)
	codestest.Await(t, 10*time.Second, "the service is ready", func() bool { return isReady(p.URL) })
}

// isReady reports whether a service, or a load balancer, says at an address that it is ready.
func isReady(url string) bool {
	a, err := request(http.MethodGet, url+"/readyz", "")
	return err == nil && a.status == http.StatusOK
}

// serveReady starts a service and waits until it is ready.
func serveReady(t testing.TB, env []string, args ...string) *process {
	t.Helper()
	p := start(t, env, args...)
	p.ready(t)
	return p
}

// replicas starts n services with the same environment.
func replicas(t testing.TB, n int, env []string) (fleet []*process) {
	t.Helper()
	for range n {
		fleet = append(fleet, serveReady(t, env))
	}
	return fleet
}

// service starts a service over its own Redis and its own simulator.
func service(t testing.TB, extra ...string) (*process, *flowroutetest.Server) {
	t.Helper()
	fleet, sim := services(t, 1, extra...)
	return fleet[0], sim
}

// services starts n replicas over one Redis and one simulator.
func services(t testing.TB, n int, extra ...string) ([]*process, *flowroutetest.Server) {
	t.Helper()
	sim := startSimulator(t, flowroutetest.Options{})
	return replicas(t, n, environment(redistest.Server(t), sim, extra...)), sim
}

// logs waits until the log has a text.
func (p *process) logs(t testing.TB, text string) {
	t.Helper()
	codestest.Await(t, 5*time.Second, "the log has "+text, func() bool { return strings.Contains(p.stderr.String(), text) })
}

func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// stop sends SIGTERM and expects an exit status.
func (p *process) stop(t testing.TB, want int) {
	t.Helper()
	p.signal(syscall.SIGTERM)
	p.exits(t, want)
}

// exits waits for the end and expects an exit status.
func (p *process) exits(t testing.TB, want int) {
	t.Helper()
	if status := p.exit(t, 30*time.Second); status != want {
		t.Errorf("exit status %d, want %d: %s", status, want, p.stderr)
	}
}

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

// command runs the program to its end, and expects an exit status.
func command(t testing.TB, want int, env []string, args ...string) (stdout, stderr string) {
	t.Helper()
	p := start(t, env, args...)
	if status := p.exit(t, 30*time.Second); status != want {
		t.Errorf("%v: status %d, want %d, stdout %q, stderr %q", args, status, want, p.stdout, p.stderr)
	}
	return p.stdout.String(), p.stderr.String()
}

// succeeds runs the program to its end, and expects status 0 and nothing on stderr.
func succeeds(t testing.TB, env []string, args ...string) (stdout string) {
	t.Helper()
	stdout, stderr := command(t, 0, env, args...)
	if stderr != "" {
		t.Errorf("%v: stderr %q", args, stderr)
	}
	return stdout
}

// refuses runs the program to its end, and expects a status and nothing on stdout.
func refuses(t testing.TB, want int, env []string, args ...string) (stderr string) {
	t.Helper()
	stdout, stderr := command(t, want, env, args...)
	if stdout != "" {
		t.Errorf("%v: stdout %q", args, stdout)
	}
	return stderr
}
