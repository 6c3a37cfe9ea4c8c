// Package program builds the service and runs it in debug mode, for the tests of clients.
package program

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// build builds the service once for all tests of a package.
var build = sync.OnceValues(func() (binary string, err error) {
	dir, err := os.MkdirTemp("", "clienttest")
	if err != nil {
		return "", err
	}
	binary = filepath.Join(dir, "sms-verification")
	cmd := exec.Command("go", "build", "-o", binary, "./cmd/sms-verification")
	cmd.Dir = "../../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return binary, nil
})

// Main runs the tests of a package and removes the binary.
func Main(m *testing.M) {
	status := m.Run()
	if binary, err := build(); err == nil {
		_ = os.RemoveAll(filepath.Dir(binary))
	}
	os.Exit(status)
}

// Start starts the service with more settings, and stops it at the end of the test. It
// returns the address and the file with the printed messages.
func Start(t *testing.T, settings ...string) (host, sms string) {
	t.Helper()
	binary, err := build()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	stdout, log := create(t, filepath.Join(dir, "sms")), create(t, filepath.Join(dir, "log"))
	cmd := exec.Command(binary)
	cmd.Dir = dir
	cmd.Env = append([]string{"DEBUG_MODE=true", "LISTEN_ADDR=127.0.0.1:0", "ADMIN_ADDR=off"}, settings...)
	cmd.Stdout, cmd.Stderr = stdout, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if host := servingAt(t, log.Name()); host != "" {
			return host, stdout.Name()
		}
	}
	t.Fatal("the service does not listen")
	return "", ""
}

func create(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// servingAt returns the address in the log line "serving", or "" if there is none yet.
func servingAt(t *testing.T, log string) string {
	t.Helper()
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var entry struct{ Msg, Address string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "serving" {
			return entry.Address
		}
	}
	return ""
}

// Wrong returns another code of the same length.
func Wrong(code string) string {
	last := code[len(code)-1]
	return code[:len(code)-1] + string('0'+(last-'0'+1)%10)
}
