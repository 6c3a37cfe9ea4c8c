package app

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/term"
)

// LineWriter passes lines on to a writer from a goroutine of its own. A writer
// that blocks, such as a pipe that nobody reads, never holds up a request:
// lines that do not fit the queue are dropped and counted.
type LineWriter struct {
	lines   chan []byte
	closing chan struct{}
	done    chan struct{}
	dropped atomic.Int64
	told    int64 // of dropped
}

const (
	lineQueue = 4096
	lineFlush = time.Second // how long Close waits for a slow writer
)

// NewLineWriter returns a LineWriter to out, which is closed after use.
func NewLineWriter(out io.Writer) *LineWriter {
	w := &LineWriter{lines: make(chan []byte, lineQueue), closing: make(chan struct{}), done: make(chan struct{})}
	go w.run(out)
	return w
}

func (w *LineWriter) run(out io.Writer) {
	defer close(w.done)
	for {
		select {
		case line := <-w.lines:
			w.pass(out, line)
		case <-w.closing:
			for len(w.lines) > 0 {
				w.pass(out, <-w.lines)
			}
			return
		}
	}
}

func (w *LineWriter) pass(out io.Writer, line []byte) {
	_, _ = out.Write(line)
	if dropped := w.dropped.Load(); dropped > w.told && len(w.lines) == 0 {
		_, _ = fmt.Fprintf(out, `{"level":"WARN","msg":"log lines dropped","lines":%d}`+"\n", dropped-w.told)
		w.told = dropped
	}
}

// Write queues a copy of one line.
func (w *LineWriter) Write(line []byte) (int, error) {
	select {
	case w.lines <- append([]byte(nil), line...):
	default:
		w.dropped.Add(1)
	}
	return len(line), nil
}

// lost is how many lines were dropped so far.
func (w *LineWriter) lost() float64 { return float64(w.dropped.Load()) }

// Close passes on what is queued, as far as that is quick. A request that was
// given up may still write after it, in vain.
func (w *LineWriter) Close() {
	close(w.closing)
	select {
	case <-w.done:
	case <-time.After(lineFlush):
	}
}

// Logs is where the program says what happens.
type Logs struct {
	*slog.Logger
	level *slog.LevelVar // may be changed at any time
	lines *LineWriter
}

// NewLogs returns logs that go to out, as JSON or, for people, as text. They
// are closed after use.
func NewLogs(out io.Writer, level slog.Level, text bool) *Logs {
	l := &Logs{level: &slog.LevelVar{}, lines: NewLineWriter(out)}
	l.level.Set(level)
	options := &slog.HandlerOptions{Level: l.level}
	if text {
		l.Logger = slog.New(slog.NewTextHandler(l.lines, options))
	} else {
		l.Logger = slog.New(slog.NewJSONHandler(l.lines, options))
	}
	return l
}

// IsTerminal reports whether somebody sits at the stream of a command.
func IsTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// Close passes on what is still to be written; see LineWriter.
func (l *Logs) Close() { l.lines.Close() }

// ownHost refuses to change anything for a Host that is neither an address nor
// a name of this machine. A web page whose name its owner lets lead here would
// otherwise send any request that it likes.
func ownHost(adminAddr string, next http.HandlerFunc) http.Handler {
	own := []string{"localhost"}
	if name, err := os.Hostname(); err == nil {
		own = append(own, name)
	}
	if name, _, err := net.SplitHostPort(adminAddr); err == nil {
		own = append(own, name)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = strings.Trim(r.Host, "[]")
		}
		isOwn := slices.ContainsFunc(own, func(name string) bool { return name != "" && strings.EqualFold(name, host) })
		if _, err := netip.ParseAddr(host); err != nil && !isOwn && r.Method != http.MethodGet && r.Method != http.MethodHead {
			http.Error(w, "unknown Host; use localhost, an address, or the host of ADMIN_ADDR", http.StatusForbidden)
			return
		}
		next(w, r)
	})
}

// serveLevel shows the level on GET, and sets it on PUT with level=debug, info,
// warn or error, until the process ends. (A web page that the operator happens
// to visit can make his browser send a POST, but not a PUT.)
func (l *Logs) serveLevel(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	switch r.Method {
	case http.MethodPut:
		was := l.level.Level()
		if err := l.level.UnmarshalText([]byte(r.FormValue("level"))); err != nil {
			http.Error(w, "level must be debug, info, warn or error", http.StatusBadRequest)
			return
		}
		l.Warn("log level changed", "from", was, "to", l.level.Level())
	case http.MethodGet, http.MethodHead:
	default:
		w.Header().Set("Allow", "GET, HEAD, PUT")
		http.Error(w, "GET shows the level, PUT with level=debug sets it", http.StatusMethodNotAllowed)
		return
	}
	_, _ = fmt.Fprintln(w, strings.ToLower(l.level.Level().String()))
}
