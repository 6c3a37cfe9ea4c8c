package openapitest

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// generators are the commands that generate a client into DIR. The test of the client is
// in testdata, in a folder named after the generator.
var generators = map[string][]string{
	"oapi-codegen": {"-generate", "types,client", "-package", "client", "-o", "DIR/client.go", "../openapi.yaml"},
	"ogen":         {"-target", "DIR", "-package", "client", "../openapi.yaml"},
}

// TestGeneratedClients generates each client into its own module and runs its test there.
func TestGeneratedClients(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "sms-verification")
	run(t, "../..", "go", "build", "-o", binary, "./cmd/sms-verification")
	for generator, args := range generators {
		t.Run(generator, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", generator))); err != nil {
				t.Fatal(err)
			}
			copyFiles(t, dir, "go.mod", "go.sum", "testdata/service_test.go")
			client := filepath.Join(dir, "client")
			if err := os.Mkdir(client, 0o750); err != nil {
				t.Fatal(err)
			}
			command := []string{"tool", generator}
			for _, arg := range args {
				command = append(command, strings.ReplaceAll(arg, "DIR", client))
			}
			run(t, ".", "go", command...)
			address, sms := serve(t, binary)
			t.Setenv("SERVICE", address)
			t.Setenv("SMS", sms)
			// -trimpath lets the build cache work across temporary folders.
			t.Log(run(t, dir, "go", "test", "-trimpath", "-count=1", "-v", "."))
		})
	}
}

func copyFiles(t *testing.T, dir string, files ...string) {
	t.Helper()
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(file)), content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// run runs a command and returns its output.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// serve starts the service in debug mode. It returns its address and the file with the
// printed SMS.
func serve(t *testing.T, binary string) (address, sms string) {
	t.Helper()
	dir := t.TempDir()
	stdout, log := create(t, filepath.Join(dir, "sms")), create(t, filepath.Join(dir, "log"))
	cmd := exec.Command(binary)
	cmd.Dir = dir
	cmd.Env = []string{"DEBUG_MODE=true", "LISTEN_ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0"}
	cmd.Stdout, cmd.Stderr = stdout, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if address := servingAt(t, log.Name()); address != "" {
			return "http://" + address, stdout.Name()
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
