package main

import (
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestTop: what a running service did is in the picture, wherever the address
// comes from.
func TestTop(t *testing.T) {
	t.Parallel()
	p := serveReady(t, debugEnvironment())
	create(t, p.URL, "a", "12065550142")
	verify(t, p.URL, "a", codeShown(t, p, 1))
	create(t, p.URL, "b", "15005550422")
	addr := strings.TrimPrefix(p.Admin, "http://")
	_, port, _ := strings.Cut(addr, ":")
	for name, c := range map[string]struct {
		env   []string
		files []string
		args  []string
	}{
		"an address":          {args: []string{"--once", addr}},
		"not a terminal":      {args: []string{p.Admin + "/metrics"}},
		"from a variable":     {env: []string{"ADMIN_ADDR=" + addr}},
		"every interface":     {env: []string{"ADMIN_ADDR=:" + port}},
		"from a file":         {files: []string{"config.yaml", "admin_addr: " + addr + "\n"}},
		"other settings lack": {env: []string{"ADMIN_ADDR=" + addr, "CODE_LENGTH=none", "FLOWROUTE_SECRET_KEY_FILE=/nonexistent"}},
	} {
		top := startIn(t, dirWith(t, c.files...), c.env, append([]string{"top"}, c.args...)...)
		if status := top.exit(t, 20*time.Second); status != 0 || top.stderr.String() != "" {
			t.Errorf("%s: status %d, stderr %q", name, status, top.stderr)
		}
		contains(t, name, top.stdout.String(), "1 of 1 replicas answer; rates over 1 s", ":"+port, "HTTP POST /verify", "MAX_IN_FLIGHT")
		if strings.Contains(top.stdout.String(), "\x1b") {
			t.Errorf("%s: steers a terminal that is not there", name)
		}
	}
}

func TestTopWithoutAnswer(t *testing.T) {
	t.Parallel()
	status, out, errOut := command(t, nil, "top", "--once", "127.0.0.1:1")
	if status != 1 {
		t.Errorf("nobody answers: status %d", status)
	}
	contains(t, "nobody answers", out+errOut, "0 of 1 replicas answer", "127.0.0.1:1  DOES NOT ANSWER: connection refused", "no replica answers")
	for want, c := range map[string]struct{ env, args []string }{
		"ADMIN_ADDR is off":        {env: []string{"ADMIN_ADDR=off"}},
		"ADMIN_ADDR (environment)": {env: []string{"ADMIN_ADDR=nowhere"}},
		"host:port":                {args: []string{"ftp://127.0.0.1"}},
	} {
		status, out, errOut := command(t, c.env, append([]string{"top"}, c.args...)...)
		if status != 2 || out != "" {
			t.Errorf("%s: status %d, stdout %q", want, status, out)
		}
		contains(t, want, errOut, want)
	}
}

// TestTopTerminal: a terminal is drawn on again and again, and left as it was,
// however top ends.
func TestTopTerminal(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("script"); err != nil {
		t.Skip("script, which gives a program a terminal, is not installed")
	}
	p := serveReady(t, debugEnvironment())
	for name, end := range map[string]func(keyboard io.Writer, top *os.Process) error{
		"q":       func(keyboard io.Writer, _ *os.Process) error { _, err := io.WriteString(keyboard, "xq"); return err },
		"Ctrl-C":  func(keyboard io.Writer, _ *os.Process) error { _, err := io.WriteString(keyboard, "\x03"); return err },
		"SIGTERM": func(_ io.Writer, top *os.Process) error { return top.Signal(syscall.SIGTERM) },
	} {
		screen := &safeBuffer{}
		cmd := exec.Command("script", "-qec", "stty cols 100 rows 12; stty -g; "+
			"sh -c 'echo pid=$$; exec "+binary+" top "+p.Admin+"'; echo status=$?; stty -g", "/dev/null")
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "SHELL=/bin/sh", "TERM=xterm"}
		cmd.Stdout = screen
		keyboard, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		eventually(t, 10*time.Second, "two frames", func() bool { return strings.Count(screen.String(), "replicas answer") >= 2 })
		pid, err := strconv.Atoi(regexp.MustCompile(`pid=(\d+)`).FindStringSubmatch(screen.String())[1])
		if err != nil {
			t.Fatal(err)
		}
		top, err := os.FindProcess(pid)
		if err == nil {
			err = end(keyboard, top)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		found := regexp.MustCompile(`(?s)^(\S+)\r\n.*\x1b\[\?1049h\x1b\[\?25l(.*)\x1b\[\?25h\x1b\[\?1049lstatus=0\r\n(\S+)\r\n$`).FindStringSubmatch(screen.String())
		if found == nil || found[1] != found[3] {
			t.Fatalf("%s: the terminal is not left as it was:\n%q", name, screen)
		}
		for frame := range strings.SplitSeq(found[2], "\x1b[H") {
			if lines := strings.Split(frame, "\r\n"); frame != "" && (len(lines) != 12 || !strings.Contains(lines[11], "enlarge the window to see more")) {
				t.Errorf("%s: a frame of %d lines in a window of 12: %q", name, len(lines), frame)
			}
		}
	}
}
