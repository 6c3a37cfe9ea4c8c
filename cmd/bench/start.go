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
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

const mega = 1 << 20

// What a replica may take.
const (
	targetStart  = 150.0 // milliseconds until it is ready, Redis being there
	targetIdle   = 25.0  // MiB resident
	targetLoad   = 60.0  // MiB resident at most, under load
	targetBinary = 25.0  // million bytes
)

// figure is one thing that a replica takes.
type figure struct {
	what, unit    string
	value, target float64
}

// footprint measures what a replica takes, and fails if that is too much.
func footprint(ctx context.Context, args []string, out, progress io.Writer) error {
	flags := flag.NewFlagSet("start", flag.ContinueOnError)
	dir := flags.String("dir", ".", "folder of the source of the service")
	starts := flags.Int("starts", 11, "how often to start")
	length := flags.Duration("length", 5*time.Second, "length of the load")
	connections := flags.Int("connections", 64, "connections of the load")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *starts < 1 || *length <= 0 || *connections < 1 {
		return errors.New("-starts, -length and -connections must be above 0")
	}
	_, _ = fmt.Fprintln(progress, "building, starting")
	figures, err := measureFootprint(ctx, *dir, *starts, *connections, *length)
	if err != nil {
		return err
	}
	if err := writeFootprint(out, figures); err != nil {
		return err
	}
	if slices.ContainsFunc(figures, func(f figure) bool { return f.value > f.target }) {
		return errors.New("a target is missed")
	}
	return nil
}

func writeFootprint(out io.Writer, figures []figure) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, f := range figures {
		_, _ = fmt.Fprintf(w, "%s\t%.1f %s\t%s\n", f.what, f.value, f.unit, verdict(f.value, f.target))
	}
	return w.Flush()
}

func measureFootprint(ctx context.Context, dir string, starts, connections int, length time.Duration) ([]figure, error) {
	l, err := openLab(ctx)
	if err != nil {
		return nil, err
	}
	defer l.close()
	binary, err := l.build(ctx, "start", dir)
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
		s, err := l.startService(ctx, "service", binary)
		if err != nil {
			return nil, err
		}
		took[i] = time.Since(begun).Seconds() * 1e3
		if i == len(took)-1 {
			idle, loaded, err = l.resident(ctx, s, connections, length)
		}
		s.close()
		if err != nil {
			return nil, err
		}
	}
	return []figure{
		{"start until ready, median", "ms", median(took), targetStart},
		{"resident when idle", "MiB", idle, targetIdle},
		{fmt.Sprintf("resident with %d connections, most", connections), "MiB", loaded, targetLoad},
		{"binary", "MB", float64(info.Size()) / 1e6, targetBinary},
	}, nil
}

// resident returns the resident memory of a service in MiB, idle and the most
// under load.
func (l *lab) resident(ctx context.Context, s *system, connections int, length time.Duration) (idle, most float64, err error) {
	if idle, err = statusOf(s.pid(), "VmRSS"); err != nil {
		return 0, 0, err
	}
	load := load{
		addrs: []string{s.addr}, connections: connections, length: length, limit: math.MaxUint64,
		step: func(c *client, op uint64) error { return cycle(c, l, 0, op) },
	}
	if _, err := load.run(ctx); err != nil {
		return 0, 0, err
	}
	most, err = statusOf(s.pid(), "VmHWM")
	return idle, most, err
}

// statusOf reads a size from /proc/PID/status, in MiB.
func statusOf(pid int, name string) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), "\n"+name+":")
	text, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	kilobytes, err := strconv.ParseFloat(text, 64)
	return kilobytes * 1024 / mega, err
}
