package main

import (
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"
)

// lineWriter passes lines on to a writer from a goroutine of its own. A writer
// that blocks, such as a pipe that nobody reads, never holds up a request:
// lines that do not fit the queue are dropped and counted.
type lineWriter struct {
	lines   chan []byte
	done    chan struct{}
	dropped atomic.Int64
}

const (
	lineQueue = 4096
	lineFlush = time.Second // how long Close waits for a slow writer
)

func newLineWriter(out io.Writer) *lineWriter {
	w := &lineWriter{lines: make(chan []byte, lineQueue), done: make(chan struct{})}
	go w.pass(out)
	return w
}

func (w *lineWriter) pass(out io.Writer) {
	defer close(w.done)
	told := int64(0)
	for line := range w.lines {
		_, _ = out.Write(line)
		if dropped := w.dropped.Load(); dropped > told && len(w.lines) == 0 {
			_, _ = fmt.Fprintf(out, `{"level":"WARN","msg":"log lines dropped","lines":%d}`+"\n", dropped-told)
			told = dropped
		}
	}
}

// Write queues a copy of one line.
func (w *lineWriter) Write(line []byte) (int, error) {
	select {
	case w.lines <- append([]byte(nil), line...):
	default:
		w.dropped.Add(1)
	}
	return len(line), nil
}

// Close passes on what is queued, as far as that is quick. Nothing may be
// written after it.
func (w *lineWriter) Close() {
	close(w.lines)
	select {
	case <-w.done:
	case <-time.After(lineFlush):
	}
}

func newLogger(out io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: level}))
}
