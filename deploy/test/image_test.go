package deploytest

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes/codestest"
)

// image returns the name of a built image.
func image(t *testing.T, variable string) string {
	t.Helper()
	openDeployment(t)
	name := os.Getenv(variable)
	if name == "" {
		t.Fatalf("%s is not set", variable)
	}
	return name
}

// TestImage: the image is small, labelled, not root, and has only the program.
func TestImage(t *testing.T) {
	name := image(t, "IMAGE")
	var images []struct {
		Size   int64
		Config struct {
			User         string
			Labels       map[string]string
			ExposedPorts map[string]struct{}
		}
	}
	if err := json.Unmarshal([]byte(run(t, "docker", "image", "inspect", name)), &images); err != nil {
		t.Fatal(err)
	}
	i := images[0]
	if i.Size > 30<<20 {
		t.Errorf("%d bytes", i.Size)
	}
	t.Logf("%.1f MB", float64(i.Size)/(1<<20))
	if i.Config.User != "65532:65532" {
		t.Errorf("runs as %q", i.Config.User)
	}
	for label, want := range map[string]string{"title": "sms-verification", "version": "tried", "revision": "none", "licenses": "MIT"} {
		if got := i.Config.Labels["org.opencontainers.image."+label]; got != want {
			t.Errorf("label %s: %q, want %q", label, got, want)
		}
	}
	if _, ok := i.Config.ExposedPorts["8000/tcp"]; !ok {
		t.Error("port 8000 is not exposed")
	}
	if out := run(t, "docker", "run", "--rm", "--network=none", name, "version"); !strings.HasPrefix(out, "sms-verification tried (commit none, go") {
		t.Error(out)
	}
	if out, err := exec.Command("docker", "run", "--rm", "--network=none", "--entrypoint", "/bin/sh", name).CombinedOutput(); err == nil {
		t.Errorf("there is a shell: %s", out)
	}
}

// TestImageWithoutSettings: it names the missing settings, with exit status 2.
func TestImageWithoutSettings(t *testing.T) {
	out, err := exec.Command("docker", "run", "--rm", "--network=none", image(t, "IMAGE")).CombinedOutput()
	if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != 2 || !strings.Contains(string(out), "FLOWROUTE_ACCESS_KEY") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestImageInDebugMode: one container is enough to try the service, and its health
// check works.
func TestImageInDebugMode(t *testing.T) {
	container := run(t, "docker", "run", "-d", "--read-only", "--cap-drop=ALL", "-e", "DEBUG_MODE=true", "-p", "127.0.0.1::8000", image(t, "IMAGE"))
	t.Cleanup(func() { run(t, "docker", "rm", "-f", container) })
	address, _, _ := strings.Cut(run(t, "docker", "port", container, "8000"), "\n")
	d := &deployment{url: "http://" + address}
	codestest.Await(t, 10*time.Second, "it serves", func() bool { return d.send(http.MethodGet, "/readyz", "").status == 200 })
	if a := d.create(newEntry()); a.status != 200 {
		t.Error(a)
	}
	d.healthy(t, container)
	if out := run(t, "docker", "logs", container); !strings.Contains(out, "SMS to +1") {
		t.Errorf("no message on stdout: %s", out)
	}
	run(t, "docker", "stop", container)
	if status := run(t, "docker", "inspect", "-f", "{{.State.ExitCode}}", container); status != "0" {
		t.Errorf("exit status %s", status)
	}
}

// TestTestImage: the test image runs the tests with Redis, reports failures, and
// writes the coverage.
func TestTestImage(t *testing.T) {
	name := image(t, "TEST_IMAGE")
	report, cache := t.TempDir(), t.TempDir()+":/tmp/go-build" // so that nothing is compiled twice
	out := run(t, "docker", "run", "--rm", "--network=none", "-v", cache, "-v", report+":/app/cov-report", name,
		"coverage", "-v", "-run", `TestLostReply`+"|"+`TestSegments`, "./redisstore/redistest", "./codes") // of which one needs Redis
	if !strings.Contains(out, "--- PASS: TestLostReply") {
		t.Error(out)
	}
	html, err := os.ReadFile(filepath.Join(report, "index.html"))
	if err != nil || !strings.Contains(string(html), "codes/message.go") {
		t.Errorf("cov-report/index.html: %v, %d bytes", err, len(html))
	}
	out = run(t, "docker", "run", "--rm", "--network=none", "-v", cache, name, "test", "./codes")
	if !strings.Contains(out, "ok  \tgithub.com/flowroute/sms-verification/codes") {
		t.Error(out)
	}
	if err := exec.Command("docker", "run", "--rm", "--network=none", name, "test", "./nowhere").Run(); err == nil {
		t.Error("a test run that failed ended with 0")
	}
}

// TestHardened: no container of the compose file has rights that it does not need.
func TestHardened(t *testing.T) {
	d := openDeployment(t)
	for _, service := range []string{"sms-verification", "balancer", "redis", "flowroute"} {
		for _, container := range d.containers(t, service) {
			var found []struct {
				HostConfig struct {
					ReadonlyRootfs       bool
					CapDrop, SecurityOpt []string
					Memory               int64
					RestartPolicy        struct{ Name string }
				}
			}
			if err := json.Unmarshal([]byte(run(t, "docker", "inspect", container)), &found); err != nil {
				t.Fatal(err)
			}
			h := found[0].HostConfig
			if !h.ReadonlyRootfs || !slices.Contains(h.CapDrop, "ALL") || !slices.Contains(h.SecurityOpt, "no-new-privileges:true") || h.Memory == 0 || h.RestartPolicy.Name != "unless-stopped" {
				t.Errorf("%s: %+v", service, h)
			}
		}
	}
}
