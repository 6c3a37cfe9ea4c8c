package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/prometheus/procfs"
)

//go:embed capacity.tmpl
var capacityText string

const capacityFile = "deploy/capacity.md"

// The assumptions of the document.
const (
	planned  = 32           // connections: busy, and answers are still quick
	peak     = 5            // times the mean of the day
	busy     = 0.6          // of a processor at the peak
	replicas = 2            // processors of a replica
	shard    = 8e9          // bytes of one Redis master
	lifetime = 3600         // seconds, CODE_EXPIRATION
	dayLong  = 24 * 60 * 60 // seconds, the longest window of the default limits
)

// fleet is what so many verifications a day need. A verification is a create,
// one wrong code and the right one.
type fleet struct {
	PerDay, PerSecond float64 // PerSecond at the peak
	Pending           float64 // entries, if nobody enters a code
	Gigabytes         float64 // of Redis
	Replicas, Masters float64
	CPU, RedisCPU     float64 // processors busy at the peak
}

// line is a kind of request with its operations per second, with Redis on
// loopback and at the distance.
type line struct {
	Name             string
	Rate, CPU, Redis [2]float64 // of 32 connections; of each busy processor of a replica; of each Redis master
}

// report is what the document shows.
type report struct {
	Machine, Redis, Go     string
	Date, Load             string
	Distance               string
	Tables                 []string // the output of speed, memory, growth and start
	Lines                  []line
	Alone, Notice          float64 // bytes
	SendCounts, WrongCodes float64
	Fleets                 []fleet
}

// capacity measures everything and writes the document.
func (b *bench) capacity(ctx context.Context, out io.Writer) error {
	if !slices.Contains(b.near, planned) || !slices.Contains(b.far, planned) || len(b.workloads) < len(workloads()) {
		return fmt.Errorf("capacity needs all workloads, %d among both numbers of connections, and a -distance above 0", planned)
	}
	b.services = b.services[:1]
	r := report{Distance: b.distance.String()}
	if err := r.describe(ctx); err != nil {
		return err
	}
	for _, command := range []command{b.speed, b.memory, b.growth, b.start} {
		var table strings.Builder
		if err := command(ctx, &table); err != nil && !errors.Is(err, errMissed) { // the table shows which one
			return err
		}
		r.Tables = append(r.Tables, table.String())
	}
	r.plan(b)
	document, err := r.text()
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintln(out, "writing", capacityFile)
	return os.WriteFile(capacityFile, document, 0o644)
}

func (r *report) text() ([]byte, error) {
	t, err := template.New("capacity").Funcs(template.FuncMap{"number": number}).Parse(capacityText)
	if err != nil {
		return nil, err
	}
	var document bytes.Buffer
	err = t.Execute(&document, r)
	return document.Bytes(), err
}

// plan works out the fleets from what was measured with Redis at the distance.
func (r *report) plan(b *bench) {
	var perCycle, redisPerCycle float64 // microseconds
	for _, w := range b.workloads {
		l := line{Name: w.plural}
		for i, at := range []string{"loopback", r.Distance} {
			runs := slices.DeleteFunc(slices.Clone(b.samples), func(s sample) bool {
				return s.row != row{w.name, planned, at, b.services[0].name}
			})
			l.Rate[i], l.CPU[i], l.Redis[i] = median(each(runs, rate)), 1e6/median(each(runs, cpu)), 1e6/median(each(runs, redisCPU))
		}
		r.Lines = append(r.Lines, l)
		perCycle, redisPerCycle = perCycle+1e6/l.CPU[1], redisPerCycle+1e6/l.Redis[1]
	}
	r.Alone, r.Notice = b.bytes[0], b.bytes[1]-b.bytes[0]
	r.SendCounts, r.WrongCodes = b.bytes[2]-b.bytes[1], b.bytes[3]-b.bytes[2]
	for _, day := range []float64{100_000, 1_000_000, 10_000_000, 100_000_000} {
		f := fleet{PerDay: day, PerSecond: peak * day / dayLong}
		f.Pending = f.PerSecond * lifetime
		f.Gigabytes = (f.Pending*(r.Alone+r.Notice) + day*(r.SendCounts+r.WrongCodes)) / 1e9
		f.CPU = f.PerSecond * perCycle / 1e6
		f.RedisCPU = f.PerSecond * redisPerCycle / 1e6
		f.Replicas = 1 + math.Ceil(f.CPU/busy/replicas) // one may be down
		f.Masters = max(math.Ceil(f.RedisCPU/busy), math.Ceil(f.Gigabytes*1e9/shard))
		r.Fleets = append(r.Fleets, f)
	}
}

// describe fills in the machine and the versions.
func (r *report) describe(ctx context.Context) error {
	r.Go = runtime.Version()
	r.Date = time.Now().UTC().Format(time.DateOnly)
	proc, err := procfs.NewDefaultFS()
	if err != nil {
		return err
	}
	load, err := proc.LoadAvg()
	if err != nil {
		return err
	}
	processors, err := os.ReadFile("/proc/cpuinfo") // procfs reads it on Linux only
	if err != nil {
		return err
	}
	_, model, _ := strings.Cut(string(processors), "model name\t: ")
	model, _, _ = strings.Cut(model, "\n")
	r.Machine = fmt.Sprintf("%d processors %s", runtime.NumCPU(), model)
	r.Load = fmt.Sprintf("%.2f", load.Load1)
	version, err := exec.CommandContext(ctx, "redis-server", "--version").Output()
	_, after, _ := strings.Cut(string(version), " v=")
	r.Redis, _, _ = strings.Cut(after, " ")
	return err
}

// number writes a number as people read it: 1,200,000, and small ones with
// one or two decimals.
func number(f float64) string {
	switch {
	case f < 1:
		return fmt.Sprintf("%.2f", f)
	case f < 10:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", f), ".0")
	}
	digits := fmt.Sprintf("%.0f", f)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
