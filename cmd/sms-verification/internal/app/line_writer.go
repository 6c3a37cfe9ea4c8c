package app

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// LineWriter writes lines from a goroutine of its own, so that a writer that
// blocks, such as a pipe that nobody reads, never blocks a request. Lines that do
// not fit its queue are dropped and counted. Lines that must not be lost have a
// queue of their own, so that routine lines never displace them.
type LineWriter struct {
	wake    chan struct{} // holds a value when there may be lines
	closing chan struct{}
	done    chan struct{}

	mu                sync.Mutex
	routine, kept     lineQueue
	next              int64 // number of the next line
	dropped, reported int64
}

const (
	maxRoutine = 4096
	maxKept    = 16384       // an hour of messages at five a second, some 8 MB
	maxBatch   = 16 << 10    // bytes per write
	lineFlush  = time.Second // how long Close waits for a slow writer
)

// lineQueue holds up to max lines, each with its number.
type lineQueue struct {
	max   int
	lines []queuedLine
}

type queuedLine struct {
	number int64
	text   []byte
}

// NewLineWriter returns a LineWriter to out. Close it after use.
func NewLineWriter(out io.Writer) *LineWriter {
	w := &LineWriter{
		wake: make(chan struct{}, 1), closing: make(chan struct{}), done: make(chan struct{}),
		routine: lineQueue{max: maxRoutine}, kept: lineQueue{max: maxKept},
	}
	go w.run(out)
	return w
}

func (w *LineWriter) run(out io.Writer) {
	defer close(w.done)
	var batch []byte
	for ending := false; !ending; {
		select {
		case <-w.wake:
		case <-w.closing:
			ending = true
		}
		for batch = w.take(batch[:0]); len(batch) > 0; batch = w.take(batch[:0]) {
			_, _ = out.Write(batch)
		}
	}
}

// take appends queued lines to batch, up to maxBatch bytes: a write costs more than
// the lines in it.
func (w *LineWriter) take(batch []byte) []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(batch) < maxBatch {
		line := w.pop()
		if line == nil {
			break
		}
		batch = append(batch, line...)
	}
	return batch
}

// pop removes and returns the next line, or nil. Lines keep their order, unless the
// queue of kept lines is more than half full: then these go first. w.mu is held.
func (w *LineWriter) pop() []byte {
	r, k := w.routine.lines, w.kept.lines
	switch {
	case len(k) > 0 && (len(r) == 0 || k[0].number < r[0].number || len(k) > w.kept.max/2):
		return w.kept.pop()
	case len(r) > 0:
		return w.routine.pop()
	case w.dropped > w.reported:
		line := fmt.Appendf(nil, `{"level":"WARN","msg":"log lines dropped","lines":%d}`+"\n", w.dropped-w.reported)
		w.reported = w.dropped
		return line
	}
	return nil
}

func (q *lineQueue) pop() []byte {
	line := q.lines[0].text
	q.lines[0].text = nil
	if q.lines = q.lines[1:]; len(q.lines) == 0 {
		q.lines = nil
	}
	return line
}

// Write queues a copy of one routine line.
func (w *LineWriter) Write(line []byte) (int, error) { return w.add(&w.routine, line) }

// Kept returns a writer for lines that must not be lost.
func (w *LineWriter) Kept() io.Writer { return keptLines{w} }

type keptLines struct{ w *LineWriter }

func (k keptLines) Write(line []byte) (int, error) { return k.w.add(&k.w.kept, line) }

func (w *LineWriter) add(q *lineQueue, line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(q.lines) >= q.max {
		w.dropped++
		return len(line), nil
	}
	q.lines = append(q.lines, queuedLine{w.next, append([]byte(nil), line...)})
	w.next++
	select {
	case w.wake <- struct{}{}:
	default:
	}
	return len(line), nil
}

// droppedLines returns how many lines were dropped so far.
func (w *LineWriter) droppedLines() float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return float64(w.dropped)
}

// Close writes the queued lines, for at most lineFlush. Lines that abandoned
// requests write later are lost.
func (w *LineWriter) Close() {
	close(w.closing)
	select {
	case <-w.done:
	case <-time.After(lineFlush):
	}
}
