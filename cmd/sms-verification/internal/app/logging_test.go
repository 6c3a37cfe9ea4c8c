package app

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestLineWriterPassesEverythingOn(t *testing.T) {
	var out bytes.Buffer
	w := NewLineWriter(&out)
	line := []byte("line 0000\n")
	for i := range 1000 {
		copy(line[5:], fmt.Sprintf("%04d", i)) // the caller may reuse its bytes
		if n, err := w.Write(line); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	w.Close()
	lines := strings.Split(out.String(), "\n")
	if len(lines) != 1001 || lines[0] != "line 0000" || lines[999] != "line 0999" {
		t.Errorf("%d lines, the last but one %q", len(lines), lines[len(lines)-2])
	}
}

// TestKeptLines: when the reader stops, routine lines are dropped, but none that must
// be kept, whichever came first.
func TestKeptLines(t *testing.T) {
	reader, writer := io.Pipe()
	l := NewLogs(writer, slog.LevelInfo, false)
	a := slog.New(l.Handler()).With("a", 1)
	const flood = 4 * maxRoutine
	for i := range flood {
		a.Info("routine")
		if i%64 == 0 {
			a.Warn("warning of the process", "n", i/64)
		}
	}
	patience := time.AfterFunc(10*time.Second, func() { _ = reader.Close() })
	defer patience.Stop()
	in, routine, warnings := bufio.NewScanner(reader), 0, 0
	for in.Scan() && !strings.Contains(in.Text(), "log lines dropped") {
		if strings.Contains(in.Text(), "routine") {
			routine++
			continue
		}
		if want := fmt.Sprintf(`"n":%d}`, warnings); !strings.Contains(in.Text(), want) {
			t.Fatalf("%s, want %s", in.Text(), want)
		}
		warnings++
	}
	if warnings != flood/64 || routine < maxRoutine || routine > maxRoutine+maxBatch/len("routine") {
		t.Errorf("%d of %d warnings and %d routine lines", warnings, flood/64, routine)
	}
	l.Close()
}

// TestKeptLinesAreBounded: lines are dropped once their queue is full. If that of
// kept lines is more than half full, these are written first.
func TestKeptLinesAreBounded(t *testing.T) {
	w := &LineWriter{wake: make(chan struct{}, 1), routine: lineQueue{max: 2}, kept: lineQueue{max: 4}}
	for i := range 5 {
		_, _ = fmt.Fprintf(w, "r%d", i)
		_, _ = fmt.Fprintf(w.Kept(), "k%d", i)
	}
	got := ""
	for line := w.pop(); line != nil; line = w.pop() {
		got += string(line) + " "
	}
	if want := `k0 k1 r0 r1 k2 k3 {"level":"WARN","msg":"log lines dropped","lines":4}` + "\n "; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestLineWriterClose: Close waits for a slow writer, but not for ever. A Write
// after Close does no harm.
func TestLineWriterClose(t *testing.T) {
	t.Parallel()
	reader, writer := io.Pipe()
	defer func() { _ = reader.Close() }()
	w := NewLineWriter(writer)
	_, _ = w.Write([]byte("nobody reads this\n"))
	begun := time.Now()
	w.Close()
	if took := time.Since(begun); took < lineFlush/2 || took > 2*lineFlush {
		t.Errorf("Close took %v", took)
	}
	_, _ = w.Write([]byte("late\n"))

	var out bytes.Buffer
	w = NewLineWriter(&out)
	var late sync.WaitGroup
	for range 8 {
		late.Go(func() {
			for range 1000 {
				_, _ = w.Write([]byte("x\n"))
			}
		})
	}
	w.Close()
	late.Wait()
}

// TestLogForPeople: the log is JSON, or text for a person at a terminal.
func TestLogForPeople(t *testing.T) {
	for _, test := range []struct {
		text bool
		want string
	}{{false, `"msg":"hello"`}, {true, "msg=hello"}} {
		var out bytes.Buffer
		l := NewLogs(&out, 0, test.text)
		l.Info("hello")
		l.Close()
		if !strings.Contains(out.String(), test.want) {
			t.Errorf("the log is %q, want %q in it", out.String(), test.want)
		}
	}
	file, err := os.Create(t.TempDir() + "/log")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no terminals here: ", err)
	}
	defer func() { _ = terminal.Close() }()
	if IsTerminal(file) || IsTerminal(&bytes.Buffer{}) || !IsTerminal(terminal) {
		t.Error("a terminal and a file are confused")
	}
}
