package flowroute

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// TestStoppedProcess: a process that is stopped after it has a connection, and
// goes on when it is too late, sends nothing.
func TestStoppedProcess(t *testing.T) {
	t.Parallel()
	for _, limit := range []string{"NotAfter", "deadline", "none"} {
		for _, used := range []string{"", "used"} {
			t.Run(limit+" "+used, func(t *testing.T) {
				t.Parallel()
				overTCPAndTLS(t, func(t *testing.T, withTLS bool) {
					want, requests := codes.ErrTooLate.Error(), int64(0)
					if limit == "none" { // the test itself does not keep the message back
						want, requests = "sent", 1
					}
					if used != "" {
						requests++
					}
					patiently(t, func(ends time.Duration) bool {
						carrier := startCarrier(t, withTLS, 0)
						got, stopped := runStopped(t, carrier, limit, used, ends)
						if stopped && (!strings.Contains(got, want) || carrier.requests.Load() != requests) {
							t.Errorf("%d requests, want %d with %q: %s", carrier.requests.Load(), requests, want, got)
						}
						return stopped
					})
				})
			})
		}
	}
}

// runStopped runs TestStoppedChild in a process of its own, lets it go on once
// it is too late, and returns what it prints and whether it had a connection
// in time.
func runStopped(t *testing.T, c *carrier, limit, used string, ends time.Duration) (string, bool) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^TestStoppedChild$", "-test.count=1", "-test.timeout=20s")
	cmd.Env = append(os.Environ(), "STOPPED_CHILD_URL="+c.URL, "STOPPED_CHILD_LIMIT="+limit, "STOPPED_CHILD_USED="+used, "STOPPED_CHILD_ENDS="+ends.String())
	if c.TLS != nil {
		file := filepath.Join(t.TempDir(), "ca.pem")
		ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate().Raw})
		if err := os.WriteFile(file, ca, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd.Env = append(cmd.Env, "SSL_CERT_FILE="+file)
	}
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(cmd.Process.Pid, &status, syscall.WUNTRACED, nil); err != nil {
		t.Fatal(err)
	}
	if !status.Stopped() {
		return "", false
	}
	time.Sleep(ends + 100*time.Millisecond)
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, output.String())
	}
	return output.String(), true
}

// TestStoppedChild is the process of TestStoppedProcess.
func TestStoppedChild(t *testing.T) {
	url := os.Getenv("STOPPED_CHILD_URL")
	if url == "" {
		t.Skip("a part of TestStoppedProcess")
	}
	client := New(Options{BaseURL: url, Timeout: 10 * time.Second})
	defer client.Close()
	if os.Getenv("STOPPED_CHILD_USED") != "" {
		mustSend(t, client)
	}
	ctx := whenConnected(context.Background(), func() {
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		time.Sleep(100 * time.Millisecond) // the signal may reach this thread a little later
	})
	ends, err := time.ParseDuration(os.Getenv("STOPPED_CHILD_ENDS"))
	if err != nil {
		t.Fatal(err)
	}
	m := message
	switch os.Getenv("STOPPED_CHILD_LIMIT") {
	case "NotAfter":
		m.NotAfter = time.Now().Add(ends)
	case "deadline":
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, ends)
		defer cancel()
	}
	if _, err = client.Send(ctx, m); err == nil {
		err = errors.New("sent")
	}
	fmt.Println(err)
}
