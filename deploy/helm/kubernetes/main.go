// Command kubernetes installs the Helm chart on a real Kubernetes, which it
// builds and runs on this machine, and writes ../kubernetes.md: the effect of
// upgrades and failures on requests.
//
// The cluster runs in namespaces of its own. When their first process ends,
// the kernel ends the others and removes mounts, bridges and rules, so nothing
// is left behind after a failure or an interrupt.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const (
	root    = "../../.."
	bin     = "bin" // built programs, kept for the next run
	require = "REQUIRE_KUBERNETES"
	inside  = "KUBERNETES_INSIDE" // set in the process that runs the cluster

	atMost = 20 * time.Minute
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	if dir := os.Getenv(inside); dir != "" {
		exit(runInside(ctx, dir))
	}
	if reason := cannotRun(); reason != "" {
		if os.Getenv(require) == "1" {
			exit(errors.New(reason))
		}
		fmt.Println("kubernetes: skipped:", reason)
		return
	}
	exit(runOutside(ctx))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "kubernetes:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// cannotRun returns why this machine cannot run a cluster, or "".
func cannotRun() string {
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		return "containers and bridges need Linux and root"
	}
	for program, pkg := range map[string]string{
		"containerd": "containerd", "ctr": "containerd", "runc": "runc", "etcd": "etcd-server", "ip": "iproute2", "iptables": "iptables",
		"redis-server": "redis-server", "redis-cli": "redis-tools", "/usr/lib/cni/bridge": "containernetworking-plugins",
	} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Sprintf("%s is missing; apt-get install %s", program, pkg)
		}
	}
	if err := removeCgroups(); err != nil {
		return "another Kubernetes runs here"
	}
	try := exec.Command("true")
	try.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces}
	if err := try.Run(); err != nil {
		return fmt.Sprintf("no namespaces of its own: %v", err)
	}
	return ""
}

const namespaces = syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC

// runOutside builds everything, runs the cluster in its namespaces, and
// removes the two things that outlive them: control groups and files.
func runOutside(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "sms-verification-kubernetes-")
	if err != nil {
		return err
	}
	if err := build(ctx, dir); err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	// The kernel kills the process inside if the thread that started it ends.
	runtime.LockOSThread()
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Env = append(os.Environ(), inside+"="+dir)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces, Setpgid: true, Pdeathsig: syscall.SIGKILL}
	failed := cmd.Run()
	err = eventually(context.Background(), removeCgroups)
	if failed != nil && ctx.Err() == nil {
		return errors.Join(failed, err, fmt.Errorf("the logs are in %s", dir))
	}
	return errors.Join(failed, err, os.RemoveAll(dir))
}

// removeCgroups removes the control groups of pods that have ended. It fails if others run.
func removeCgroups() error {
	_, err := sh(context.Background(), "find /sys/fs/cgroup -depth -type d -path '*/k8s.io*' -exec rmdir {} +")
	return err
}

// build builds Kubernetes, Helm and the service, and makes the images of the pods.
func build(ctx context.Context, dir string) error {
	begun := time.Now()
	version, err := run(ctx, ".", "go", "list", "-m", "-f", "{{.Version}}", "k8s.io/kubernetes")
	if err != nil {
		return err
	}
	fmt.Printf("building Kubernetes %s; from nothing this takes some minutes\n", version)
	number := strings.Split(strings.TrimPrefix(version, "v"), ".")
	set := "-X k8s.io/component-base/version."
	flags := fmt.Sprintf("-s -w %sgitVersion=%s %sgitMajor=%s %sgitMinor=%s", set, version, set, number[0], set, number[1])
	if _, err := run(ctx, ".", "nice", "-n", "19", "go", "build", "-trimpath", "-ldflags", flags, "-o", bin+"/", "tool"); err != nil {
		return err
	}
	here, err := filepath.Abs(bin)
	if err != nil {
		return err
	}
	for pkg, in := range map[string]string{"./pause": ".", "./cmd/sms-verification": root} {
		if _, err := run(ctx, in, "nice", "-n", "19", "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", here+"/", pkg); err != nil {
			return err
		}
	}
	fmt.Printf("built in %s\n", time.Since(begun).Round(time.Second))
	return writeImages(filepath.Join(dir, "images.tar"))
}

// run runs a program to its end, and returns what it printed without the
// surrounding white space.
func run(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s%s", strings.Join(cmd.Args, " "), err, stdout.Bytes(), stderr.Bytes())
	}
	return strings.TrimSpace(stdout.String()), nil
}
