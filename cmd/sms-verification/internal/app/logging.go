package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/flowroute/sms-verification/api"
)

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
	handler := func(w io.Writer) slog.Handler {
		if text {
			return slog.NewTextHandler(w, options)
		}
		return slog.NewJSONHandler(w, options)
	}
	l.Logger = slog.New(keepingHandler{routine: handler(l.lines), kept: handler(l.lines.Kept())})
	return l
}

// keepingHandler keeps the lines that must not be lost apart from the others:
// those of messages that were sent, and the warnings of the process. Requests
// that fail are warnings too, but anybody can make as many as he likes.
type keepingHandler struct{ routine, kept slog.Handler }

func (h keepingHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return h.routine.Enabled(ctx, l)
}

func (h keepingHandler) Handle(ctx context.Context, r slog.Record) error {
	switch line := api.LineOf(ctx); {
	case line == api.SentLine, line == api.OtherLine && r.Level >= slog.LevelWarn:
		return h.kept.Handle(ctx, r)
	}
	return h.routine.Handle(ctx, r)
}

func (h keepingHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return keepingHandler{h.routine.WithAttrs(attrs), h.kept.WithAttrs(attrs)}
}

func (h keepingHandler) WithGroup(name string) slog.Handler {
	return keepingHandler{h.routine.WithGroup(name), h.kept.WithGroup(name)}
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
