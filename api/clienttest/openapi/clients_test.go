package openapi

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowroute/sms-verification/api/clienttest/program"
)

func TestMain(m *testing.M) { program.Main(m) }

// generators are the commands that generate a client into DIR. The test of the client is
// in testdata, in a folder named after the generator.
var generators = map[string][]string{
	"oapi-codegen": {"-generate", "types,client", "-package", "client", "-o", "DIR/client.go", "../../openapi.yaml"},
	"ogen":         {"-target", "DIR", "-package", "client", "../../openapi.yaml"},
}

// TestGeneratedClients generates each client into its own module and runs its test there.
func TestGeneratedClients(t *testing.T) {
	for generator, args := range generators {
		t.Run(generator, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", generator))); err != nil {
				t.Fatal(err)
			}
			run(t, ".", "cp", "../go.mod", "../go.sum", "testdata/service_test.go", dir)
			client := filepath.Join(dir, "client")
			if err := os.Mkdir(client, 0o750); err != nil {
				t.Fatal(err)
			}
			command := []string{"tool", generator}
			for _, arg := range args {
				command = append(command, strings.ReplaceAll(arg, "DIR", client))
			}
			run(t, ".", "go", command...)
			host, sms := program.Start(t)
			t.Setenv("SERVICE", "http://"+host)
			t.Setenv("SMS", sms)
			// -trimpath lets the build cache work across temporary folders.
			t.Log(run(t, dir, "go", "test", "-trimpath", "-count=1", "-v", "."))
		})
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
