package main

import (
	"io"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/term"

	"github.com/flowroute/sms-verification/codes/codestest"
)

// TestTop: top shows the requests of a running service, whether its address is an
// argument or a setting.
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
		"every interface":     {env: []string{"ADMIN_ADDR=:" + port}},
		"from a file":         {files: []string{"config.yaml", "admin_addr: " + addr + "\n"}},
		"other settings lack": {env: []string{"ADMIN_ADDR=" + addr, "CODE_LENGTH=none", "FLOWROUTE_SECRET_KEY_FILE=/nonexistent"}},
	} {
		top := startIn(t, dirWith(t, c.files...), c.env, append([]string{"top"}, c.args...)...)
		top.exits(t, 0)
		contains(t, name, top.stdout.String(), "1 of 1 replicas answer; rates over 1 s", ":"+port, "HTTP POST /verify", "MAX_IN_FLIGHT")
		lacks(t, name, top.stdout.String()+top.stderr.String(), "\x1b") // which only a terminal understands
	}
}

func TestTopWithoutAnswer(t *testing.T) {
	t.Parallel()
	_, errOut := command(t, 1, nil, "top", "--once", "127.0.0.1:1")
	contains(t, "nobody answers", errOut, "no replica answers")
	for env, want := range map[string]string{"ADMIN_ADDR=off": "ADMIN_ADDR is off", "ADMIN_ADDR=nowhere": "ADMIN_ADDR (environment)"} {
		contains(t, env, refuses(t, 2, []string{env}, "top"), want)
	}
}

// TestTopTerminal: top redraws the terminal, and restores it however it ends.
func TestTopTerminal(t *testing.T) {
	t.Parallel()
	p := serveReady(t, debugEnvironment())
	for name, end := range map[string]func(x *terminal){
		"q":       func(x *terminal) { _, _ = io.WriteString(x.keys, "xq") },
		"Ctrl-C":  func(x *terminal) { _, _ = io.WriteString(x.keys, "\x03") },
		"SIGTERM": func(x *terminal) { x.signal(syscall.SIGTERM) },
	} {
		screen, tty := openTerminal(t)
		before, err := term.GetState(int(tty.Fd()))
		if err == nil {
			err = pty.Setsize(tty, &pty.Winsize{Rows: 12, Cols: 100})
		}
		if err != nil {
			t.Fatal(err)
		}
		top := prepare(t.TempDir(), nil, "top", p.Admin)
		top.cmd.Stdin, top.cmd.Stdout = tty, tty
		x := atTerminal(t, screen, top)
		codestest.Await(t, 10*time.Second, "two frames", func() bool { return strings.Count(x.screen.String(), "replicas answer") >= 2 })
		end(x)
		x.exits(t, 0)
		if after, err := term.GetState(int(tty.Fd())); err != nil || !reflect.DeepEqual(after, before) {
			t.Errorf("%s: the terminal is not restored: %v", name, err)
		}
		const enter, leave = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
		codestest.Await(t, time.Second, "the end of the picture", func() bool { return strings.HasSuffix(x.screen.String(), leave) })
		frames, found := strings.CutPrefix(strings.TrimSuffix(x.screen.String(), leave), enter)
		if !found {
			t.Errorf("%s: begins with %.20q", name, frames)
		}
		for frame := range strings.SplitSeq(frames, "\x1b[H") {
			if lines := strings.Split(frame, "\r\n"); frame != "" && (len(lines) != 12 || !strings.Contains(lines[11], "enlarge the window to see more")) {
				t.Errorf("%s: a frame of %d lines in a window of 12: %q", name, len(lines), frame)
			}
		}
	}
}
