package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/prometheus/procfs"
)

// takes is one thing that a replica takes.
type takes struct {
	what, unit    string
	value, target float64
}

var errMissed = errors.New("a target is missed")

// start measures what a replica takes. A missed target is errMissed.
func (b *bench) start(ctx context.Context, out io.Writer) error {
	e, err := newEnv(ctx)
	if err != nil {
		return err
	}
	defer e.close()
	b.report("building, starting")
	p, err := e.build(ctx, b.services[0])
	if err != nil {
		return err
	}
	info, err := os.Stat(p.command[0])
	if err != nil {
		return err
	}
	took := make([]float64, 2*b.rounds+1)
	var last *system
	for i := range took {
		if last != nil {
			last.end()
		}
		begun := time.Now()
		if last, err = e.startSystem(ctx, p, e.redisAddr); err != nil {
			return err
		}
		took[i] = time.Since(begun).Seconds() * 1e3
	}
	time.Sleep(settling)
	idle, loaded, err := b.resident(ctx, e, last)
	if err != nil {
		return err
	}
	b.takes = []takes{
		{"start until ready, median", "ms", median(took), 150},
		{"resident when idle", "MiB", idle, 25},
		{"resident with 64 connections, most", "MiB", loaded, 60},
		{"binary", "MB", float64(info.Size()) / 1e6, 25},
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, t := range b.takes {
		_, _ = fmt.Fprintf(w, "%s\t%.1f %s\t%s\n", t.what, t.value, t.unit, verdict(t.value, t.target))
		if t.value > t.target {
			err = errMissed
		}
	}
	return errors.Join(w.Flush(), err)
}

// resident returns the resident memory of a service in MiB: idle, and the most
// under a load of whole verifications.
func (b *bench) resident(ctx context.Context, e *env, s *system) (idle, most float64, err error) {
	p, err := procfs.NewProc(s.pid)
	if err != nil {
		return 0, 0, err
	}
	before, err := p.NewStatus()
	if err != nil {
		return 0, 0, err
	}
	_, err = e.load(ctx, load{
		addrs: []string{s.addr}, connections: 64, length: 2 * b.length, limit: unlimited,
		step: func(c *client, _ uint64) error {
			n := e.used.Add(1) - 1
			if err := c.create(n, n); err != nil {
				return err
			}
			if err := c.wrong(n); err != nil {
				return err
			}
			return c.right(n)
		},
	})
	if err != nil {
		return 0, 0, err
	}
	after, err := p.NewStatus()
	return float64(before.VmRSS) / (1 << 20), float64(after.VmHWM) / (1 << 20), err
}
