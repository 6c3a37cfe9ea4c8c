package codestest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// Output collects what processes and loggers write. It is safe for concurrent use.
type Output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// FreeAddr returns a loopback address that nothing listens on.
func FreeAddr(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// Await waits until something is true, and fails the test if it takes too long.
func Await(t testing.TB, within time.Duration, what string, true func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !true(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

// Build builds the service into a directory, and returns its path. root is the directory
// of the module.
func Build(dir, root string, flags ...string) (binary string, err error) {
	binary = filepath.Join(dir, "sms-verification")
	cmd := exec.Command("go", append(append([]string{"build", "-o", binary}, flags...), "./cmd/sms-verification")...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return binary, nil
}

// Installed returns the path of a program. Without it the test is skipped or, with
// REQUIRE_REDIS=1, fails.
func Installed(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	switch {
	case err == nil:
	case os.Getenv("REQUIRE_REDIS") == "1":
		t.Fatalf("%s is not installed, and REQUIRE_REDIS=1", program)
	default:
		t.Skipf("%s is not installed", program)
	}
	return path
}
