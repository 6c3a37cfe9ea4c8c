package test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// TestPodRuns starts the built service with the arguments, the environment and
// the secrets of a pod, and nothing else, asks it what the kubelet, a client
// and Prometheus ask, and stops it as the kubelet does.
func TestPodRuns(t *testing.T) {
	redis := redistest.Mini(t)
	flowroute, err := flowroutetest.NewServer("", flowroutetest.Options{AccessKey: "access-key", SecretKey: "secret-key", Numbers: []string{"12065550101"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = flowroute.Close() })
	secret := map[string]string{"FLOWROUTE_ACCESS_KEY": "access-key", "FLOWROUTE_SECRET_KEY": "secret-key", "REDIS_URL": redis.URL}
	r := mustRender(t, caseValues(t, "existing-secret", "config: {SHUTDOWN_DELAY: 500ms, FLOWROUTE_BASE_URL: '"+flowroute.URL+"'}"))
	spec := one[*apps.Deployment](t, r).Spec.Template.Spec
	container := spec.Containers[0]
	binary := build(t)

	check := exec.Command(binary, pods(t, r)["check"].Spec.Containers[0].Args...)
	check.Dir, check.Env = t.TempDir(), environment(t, r, pods(t, r)["check"].Spec, secret)
	if out, err := check.CombinedOutput(); err != nil || !strings.Contains(string(out), "Redis: reached") {
		t.Errorf("helm test: %v\n%s", err, out)
	}

	environ, ports := onFreePorts(t, environment(t, r, spec, secret), container.Ports)
	service := exec.Command(binary, container.Args...)
	service.Dir, service.Env = t.TempDir(), environ
	logs := &lockedBuffer{}
	service.Stdout, service.Stderr = logs, logs
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- service.Wait() }()
	t.Cleanup(func() { _ = service.Process.Kill() })

	starts := time.Duration(container.StartupProbe.PeriodSeconds*container.StartupProbe.FailureThreshold) * time.Second
	for name, probe := range map[string]*core.Probe{
		"startup": container.StartupProbe, "liveness": container.LivenessProbe, "readiness": container.ReadinessProbe,
	} {
		url := "http://" + ports[probe.HTTPGet.Port.StrVal] + probe.HTTPGet.Path
		if !answers(url, starts) {
			t.Fatalf("%s: no answer within %s from %s\n%s", name, starts, url, logs)
		}
	}
	response, err := http.Post("http://"+ports["http"]+"/", "application/json", strings.NewReader(`{"auth_id": "signup-1", "recipient": "12065550142"}`))
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("the first request: %s\n%s", response.Status, logs)
	}
	if !answers("http://"+ports["metrics"]+"/metrics", time.Second) {
		t.Error("no metrics on the port of the metrics")
	}
	if answers("http://"+ports["http"]+"/metrics", 0) {
		t.Error("metrics on the public port")
	}

	if err := service.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("it ended with %v\n%s", err, logs)
		}
	case <-time.After(time.Duration(*spec.TerminationGracePeriodSeconds) * time.Second):
		t.Errorf("it still runs after its grace period of %d s\n%s", *spec.TerminationGracePeriodSeconds, logs)
	}
}

func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "sms-verification")
	cmd := exec.Command("go", "build", "-o", binary, "./cmd/sms-verification")
	cmd.Dir = "../../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return binary
}

// onFreePorts moves the service from the ports of the container to free ones
// of this machine. It returns where each named port is now.
func onFreePorts(t *testing.T, environ []string, containerPorts []core.ContainerPort) (moved []string, at map[string]string) {
	t.Helper()
	text, at := strings.Join(environ, "\x00"), map[string]string{}
	for _, port := range containerPorts {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		at[port.Name] = listener.Addr().String()
		_ = listener.Close()
		listens := fmt.Sprintf("_ADDR=:%d", port.ContainerPort)
		if strings.Count(text, listens) != 1 {
			t.Errorf("the service does not listen on port %d", port.ContainerPort)
		}
		text = strings.Replace(text, listens, "_ADDR="+at[port.Name], 1)
	}
	return strings.Split(text, "\x00"), at
}

// answers asks until there is a 200, at least once.
func answers(url string, within time.Duration) bool {
	client := http.Client{Timeout: 5 * time.Second}
	for deadline := time.Now().Add(within); ; time.Sleep(20 * time.Millisecond) {
		response, err := client.Get(url)
		if err == nil {
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return true
			}
		}
		if err != nil && !errors.Is(err, syscall.ECONNREFUSED) || time.Now().After(deadline) {
			return false
		}
	}
}

// lockedBuffer can be read while a process writes to it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
