package app

import (
	"context"
	"io"
	"log/slog"
	"os"

	"golang.org/x/term"

	"github.com/flowroute/sms-verification/api"
)

// Logs is the log of the process.
type Logs struct {
	*slog.Logger
	level *slog.LevelVar // PUT /loglevel changes it
	lines *LineWriter
}

// NewLogs returns logs that are written to out, as text or as JSON. Close them
// after use.
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

// keepingHandler passes the lines that must not be lost to a queue of their own:
// those of sent messages and the warnings of the process. The warnings of failed
// requests are not among them, because a client can cause any number of them.
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

// IsTerminal reports whether a stream is a terminal.
func IsTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// Close writes the queued lines; see LineWriter.
func (l *Logs) Close() { l.lines.Close() }
