package test

import (
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"

	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// TestPodRuns starts the built service with the arguments, environment and secrets
// of a pod. It sends the requests of the kubelet, a client and Prometheus, and
// stops the service as the kubelet does.
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
	binary, err := codestest.Build(t.TempDir(), "../../..")
	if err != nil {
		t.Fatal(err)
	}

	check := exec.Command(binary, pods(t, r)["check"].Spec.Containers[0].Args...)
	check.Dir, check.Env = t.TempDir(), environment(t, r, pods(t, r)["check"].Spec, secret)
	if out, err := check.CombinedOutput(); err != nil || !strings.Contains(string(out), "Redis: reached") {
		t.Errorf("helm test: %v\n%s", err, out)
	}

	environ, ports := onFreePorts(t, environment(t, r, spec, secret), container.Ports)
	service := exec.Command(binary, container.Args...)
	service.Dir, service.Env = t.TempDir(), environ
	output := &codestest.Output{}
	service.Stdout, service.Stderr = output, output
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- service.Wait() }()
	t.Cleanup(func() {
		_ = service.Process.Kill()
		if t.Failed() {
			t.Log(output)
		}
	})

	starts := time.Duration(container.StartupProbe.PeriodSeconds*container.StartupProbe.FailureThreshold) * time.Second
	for name, probe := range map[string]*core.Probe{
		"startup": container.StartupProbe, "liveness": container.LivenessProbe, "readiness": container.ReadinessProbe,
	} {
		url := "http://" + ports[probe.HTTPGet.Port.StrVal] + probe.HTTPGet.Path
		codestest.Await(t, starts, name+": "+url, func() bool { return status(url) == http.StatusOK })
	}
	response, err := http.Post("http://"+ports["http"]+"/", "application/json", strings.NewReader(`{"auth_id": "signup-1", "recipient": "12065550142"}`))
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("the first request: %s", response.Status)
	}
	if onMetrics, onPublic := status("http://"+ports["metrics"]+"/metrics"), status("http://"+ports["http"]+"/metrics"); onMetrics != 200 || onPublic != 404 {
		t.Errorf("/metrics: %d on the metrics port, %d on the public port", onMetrics, onPublic)
	}

	if err := service.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(time.Duration(*spec.TerminationGracePeriodSeconds) * time.Second):
		t.Errorf("it still runs after its grace period of %d s", *spec.TerminationGracePeriodSeconds)
	}
}

// onFreePorts replaces the container's ports by free ones of this machine, and
// returns the address of each named port.
func onFreePorts(t *testing.T, environ []string, containerPorts []core.ContainerPort) (moved []string, at map[string]string) {
	t.Helper()
	text, at := strings.Join(environ, "\x00"), map[string]string{}
	for _, port := range containerPorts {
		at[port.Name] = codestest.FreeAddr(t)
		listens := fmt.Sprintf("_ADDR=:%d", port.ContainerPort)
		if strings.Count(text, listens) != 1 {
			t.Errorf("the service does not listen on port %d", port.ContainerPort)
		}
		text = strings.Replace(text, listens, "_ADDR="+at[port.Name], 1)
	}
	return strings.Split(text, "\x00"), at
}

// status requests url and returns the status of the answer, or 0.
func status(url string) int {
	response, err := http.Get(url)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}
