package redistest

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	startTimeout = 10 * time.Second // until a process answers
	formTimeout  = 30 * time.Second // until several agree
	pollInterval = 5 * time.Millisecond
	busOffset    = 10000 // a cluster node also listens on its port plus this
)

// Node is one Redis process. It is not safe for concurrent use.
type Node struct {
	Addr string // host:port, the same after a restart

	t     testing.TB
	dir   string
	flags []string
	env   []string // beside that of this process
	cmd   *exec.Cmd
	ended chan struct{} // closed when the process has ended
}

// startNode starts a redis-server on a free port and waits until it answers. It tries
// several times, because another process can take the port at the last moment.
func startNode(t testing.TB, config []string, flags ...string) *Node {
	t.Helper()
	return startNodeIn(t, nil, config, flags...)
}

// startNodeIn is startNode with more environment variables.
func startNodeIn(t testing.TB, env, config []string, flags ...string) *Node {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		const reason = "redistest: redis-server is not installed"
		if os.Getenv("REQUIRE_REDIS") == "1" {
			t.Fatal(reason + ", and REQUIRE_REDIS=1")
		}
		t.Skip(reason)
	}
	var err error
	for range 5 {
		n := &Node{t: t, dir: t.TempDir(), flags: flags, env: env}
		t.Cleanup(func() {
			if err := n.end(os.Kill); err != nil {
				t.Errorf("redistest: %v", err)
			}
		})
		if err = n.configure(config); err == nil {
			err = n.start()
		}
		if err == nil {
			return n
		}
	}
	t.Fatalf("redistest: %v", err)
	return nil
}

func (n *Node) configure(config []string) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	n.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	lines := append([]string{
		"bind 127.0.0.1",
		"port " + strconv.Itoa(port),
		"dir " + strconv.Quote(n.dir),
		`save ""`,
		"repl-diskless-sync yes",
		"repl-diskless-sync-delay 0", // by default a replica waits 5s for others to join it
		"repl-ping-replica-period 1", // by default a replica counts as behind for its first 10s
	}, config...)
	return os.WriteFile(n.path("redis.conf"), []byte(strings.Join(lines, "\n")+"\n"), 0o600)
}

func (n *Node) path(name string) string { return filepath.Join(n.dir, name) }

// start starts the process and waits until it answers as itself.
func (n *Node) start() error {
	log, err := os.OpenFile(n.path("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the process has its own copy
	n.cmd = exec.Command("redis-server", append([]string{n.path("redis.conf")}, n.flags...)...)
	n.cmd.Stdout, n.cmd.Stderr = log, log
	n.cmd.Env = append(os.Environ(), n.env...)
	n.cmd.SysProcAttr = endWithParent()
	if err := n.cmd.Start(); err != nil {
		return err
	}
	cmd, ended := n.cmd, make(chan struct{})
	n.ended = ended
	go func() {
		_ = cmd.Wait() // the status does not matter
		close(ended)
	}()
	for deadline := time.Now().Add(startTimeout); time.Now().Before(deadline); {
		if n.answers() {
			return nil
		}
		select {
		case <-ended:
			return n.failed("ended at once")
		case <-time.After(pollInterval):
		}
	}
	return n.failed("does not answer")
}

// failed returns an error with the log of the process, which explains it best.
func (n *Node) failed(what string) error {
	log, _ := os.ReadFile(n.path("log"))
	return fmt.Errorf("redis-server %s %s; its log:\n%s", n.Addr, what, log)
}

// answers reports whether this process, and no other, answers at its address.
func (n *Node) answers() bool {
	conn, err := net.DialTimeout("tcp", n.Addr, time.Second)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := io.WriteString(conn, "PING\r\nINFO server\r\n"); err != nil {
		return false
	}
	lines := bufio.NewScanner(conn)
	if !lines.Scan() || lines.Text() != "+PONG" {
		return false
	}
	for lines.Scan() {
		if pid, found := strings.CutPrefix(lines.Text(), "process_id:"); found {
			return pid == strconv.Itoa(n.cmd.Process.Pid)
		}
	}
	return false
}

// Client returns a client of this process alone. It is closed with the test.
func (n *Node) Client() *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: n.Addr})
	n.t.Cleanup(func() { _ = c.Close() })
	return c
}

// Signal sends a signal to the process: SIGSTOP stalls it, SIGCONT resumes it. After
// SIGKILL it waits until the process has ended.
func (n *Node) Signal(sig os.Signal) {
	n.t.Helper()
	var err error
	if sig == syscall.SIGKILL {
		err = n.end(sig)
	} else {
		err = n.cmd.Process.Signal(sig)
	}
	if err != nil {
		n.t.Fatalf("redistest: signal %v: %v", sig, err)
	}
}

// Restart starts the process again with the same address and files, and waits until it
// answers. It shuts the process down first if it still runs.
func (n *Node) Restart() {
	n.t.Helper()
	err := n.end(syscall.SIGTERM)
	if err == nil {
		err = n.start()
	}
	if err != nil {
		n.t.Fatalf("redistest: restart: %v", err)
	}
}

// end ends the process with a signal and waits for its end. The process may have ended
// already, or never have been started.
func (n *Node) end(sig os.Signal) error {
	if n.ended == nil {
		return nil
	}
	_ = n.cmd.Process.Signal(sig) // if it has ended, the wait below returns at once
	select {
	case <-n.ended:
		return nil
	case <-time.After(startTimeout):
		return fmt.Errorf("redis-server %s does not end on signal %v", n.Addr, sig)
	}
}

// FreePort returns a port that is free; see freePort.
func FreePort(t testing.TB) string {
	t.Helper()
	port, err := freePort()
	if err != nil {
		t.Fatalf("redistest: %v", err)
	}
	return strconv.Itoa(port)
}

// freePort finds a port that is free, with its cluster bus port. It is below the range
// of ports that the kernel gives to clients, so that none takes the port of a process
// that is down until its restart.
func freePort() (port int, err error) {
	for range 100 {
		port = 10001 + rand.IntN(12000)
		if err = free(port); err == nil {
			err = free(port + busOffset)
		}
		if err == nil {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no free port: %w", err)
}

func free(port int) error {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return err
	}
	return l.Close()
}

// waitFor polls until ok returns nil, or fails the test with its last error.
func waitFor(t testing.TB, what string, ok func() error) {
	t.Helper()
	deadline := time.Now().Add(formTimeout)
	for {
		err := ok()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("redistest: %s: %v", what, err)
		}
		time.Sleep(pollInterval)
	}
}
