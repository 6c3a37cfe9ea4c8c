package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/prometheus/procfs"
)

// What a replica may take.
const (
	targetStart  = 150.0 // milliseconds until it is ready, while Redis runs
	targetIdle   = 25.0  // MiB resident
	targetLoad   = 60.0  // MiB resident at most, under load
	targetBinary = 25.0  // million bytes
)

// figure is one thing that a replica takes.
type figure struct {
	what, unit    string
	value, target float64
}

// start measures what a replica takes, and fails if a target is missed.
func start(ctx context.Context, args []string, out, progress io.Writer) error {
	flags := flag.NewFlagSet("start", flag.ContinueOnError)
	path := flags.String("service", ".", "binary of the service, or the folder of its source")
	starts := flags.Int("starts", 11, "how often to start")
	length := flags.Duration("length", 5*time.Second, "length of the load")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *starts < 1 || *length <= 0 {
		return errors.New("-starts and -length must be above 0")
	}
	_, _ = fmt.Fprintln(progress, "building, starting")
	figures, err := measureStart(ctx, *path, *starts, *length)
	if err != nil {
		return err
	}
	if err := writeStart(out, figures); err != nil {
		return err
	}
	if slices.ContainsFunc(figures, func(f figure) bool { return f.value > f.target }) {
		return errors.New("a target is missed")
	}
	return nil
}

func writeStart(out io.Writer, figures []figure) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, f := range figures {
		_, _ = fmt.Fprintf(w, "%s\t%.1f %s\t%s\n", f.what, f.value, f.unit, verdict(f.value, f.target))
	}
	return w.Flush()
}

// verdict says whether a value is within its target; 0 is none.
func verdict(value, target float64) string {
	switch {
	case target == 0:
		return ""
	case value <= target:
		return fmt.Sprintf("%.0f: met", target)
	}
	return fmt.Sprintf("%.0f: MISSED", target)
}

func measureStart(ctx context.Context, path string, starts int, length time.Duration) ([]figure, error) {
	e, err := newEnv(ctx)
	if err != nil {
		return nil, err
	}
	defer e.close()
	binary, err := e.build(ctx, "start", path)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(binary)
	if err != nil {
		return nil, err
	}
	took, idle, loaded := make([]float64, starts), 0.0, 0.0
	for i := range took {
		begun := time.Now()
		s, err := e.startService(ctx, "service", binary, e.redis.addr)
		if err != nil {
			return nil, err
		}
		took[i] = time.Since(begun).Seconds() * 1e3
		if i == len(took)-1 {
			idle, loaded, err = e.resident(ctx, s, length)
		}
		s.end()
		if err != nil {
			return nil, err
		}
	}
	return []figure{
		{"start until ready, median", "ms", median(took), targetStart},
		{"resident when idle", "MiB", idle, targetIdle},
		{"resident with 64 connections, most", "MiB", loaded, targetLoad},
		{"binary", "MB", float64(info.Size()) / 1e6, targetBinary},
	}, nil
}

// resident returns the resident memory of a service in MiB: idle, and the most
// under load.
func (e *env) resident(ctx context.Context, s *system, length time.Duration) (idle, most float64, err error) {
	before, err := memoryOf(s)
	if err != nil {
		return 0, 0, err
	}
	l := load{
		addrs: []string{s.addr}, connections: 64, length: length, limit: math.MaxUint64,
		step: func(c *client, _ uint64) error { return cycle(c, e, e.unused(1)) },
	}
	if _, err := l.run(ctx); err != nil {
		return 0, 0, err
	}
	after, err := memoryOf(s)
	return float64(before.VmRSS) / (1 << 20), float64(after.VmHWM) / (1 << 20), err
}

func memoryOf(s *system) (procfs.ProcStatus, error) {
	p, err := procfs.NewProc(s.pid())
	if err != nil {
		return procfs.ProcStatus{}, err
	}
	return p.NewStatus()
}
