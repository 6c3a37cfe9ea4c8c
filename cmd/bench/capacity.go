package main

import (
	"bytes"
	"context"
	_ "embed"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/prometheus/procfs"
)

//go:embed capacity.tmpl
var capacityText string

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

// figures are operations per second with Redis at one place.
type figures struct {
	Rate, CPU, Redis float64 // of 32 connections; of each busy processor of a replica; of each Redis master
}

// report is what the document shows.
type report struct {
	Machine, Redis, Go           string
	Date, Load                   string
	Speed, Memory, Growth, Start string
	Distance                     string
	Create, Wrong, Right         [2]figures // Redis on loopback, and at the distance
	Alone, Notice                float64    // bytes
	Sends, Guesses               float64
	Fleets                       []fleet
}

// capacitySettings is how much to measure.
type capacitySettings struct {
	rounds   int
	length   time.Duration
	distance time.Duration
	entries  uint64
	sizes    string
}

// capacity measures everything and writes the document.
func capacity(ctx context.Context, args []string, out, progress io.Writer) error {
	var s capacitySettings
	flags := flag.NewFlagSet("capacity", flag.ContinueOnError)
	file := flags.String("o", "deploy/capacity.md", "file to write")
	flags.IntVar(&s.rounds, "rounds", 5, "rounds of speed and growth")
	flags.DurationVar(&s.length, "length", 2*time.Second, "length of each run")
	flags.DurationVar(&s.distance, "distance", time.Millisecond, "how far away Redis is, each way")
	flags.Uint64Var(&s.entries, "entries", 1_000_000, "pending entries of memory")
	flags.StringVar(&s.sizes, "sizes", "1000,100000,1000000", "numbers of live entries of growth")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if s.distance <= 0 {
		return fmt.Errorf("-distance must be above 0")
	}
	r := report{Distance: s.distance.String()}
	if err := r.describe(ctx); err != nil {
		return err
	}
	if err := r.measure(ctx, s, progress); err != nil {
		return err
	}
	var document bytes.Buffer
	if err := r.write(&document); err != nil {
		return err
	}
	_, _ = fmt.Fprintln(out, "writing", *file)
	return os.WriteFile(*file, document.Bytes(), 0o644)
}

func (r *report) measure(ctx context.Context, s capacitySettings, progress io.Writer) error {
	rounds, seconds := strconv.Itoa(s.rounds), fmt.Sprint(s.length.Seconds())
	p, err := parsePlan([]string{"-rounds", rounds, "-seconds", seconds, "-distance", r.Distance, "-" + autoPipeline})
	if err != nil {
		return err
	}
	var speed, memory, grown, started strings.Builder
	samples, notes, err := p.run(ctx, progress)
	if err != nil {
		return err
	}
	speed.WriteString(notes + "\n")
	if err := writeTable(&speed, samples, p.bases()); err != nil {
		return err
	}
	all, err := measureMemory(ctx, p.services, s.entries, progress)
	if err == nil {
		err = writeMemory(&memory, s.entries, all)
	}
	if err != nil {
		return err
	}
	err = growth(ctx, []string{"-rounds", rounds, "-length", s.length.String(), "-entries", s.sizes}, &grown, progress)
	if err != nil {
		return err
	}
	taken, err := measureStart(ctx, ".", 11, 2*s.length)
	if err == nil {
		err = writeStart(&started, taken)
	}
	r.Speed, r.Memory, r.Growth, r.Start = speed.String(), memory.String(), grown.String(), started.String()
	r.plan(samples, all)
	return err
}

func (r *report) write(out io.Writer) error {
	t, err := template.New("capacity").Funcs(template.FuncMap{"number": number}).Parse(capacityText)
	if err != nil {
		return err
	}
	return t.Execute(out, r)
}

// plan works out the fleets from what was measured with Redis at the distance.
func (r *report) plan(samples []sample, all []kept) {
	var perCycle, redisPerCycle float64 // microseconds
	places := []string{"loopback", r.Distance}
	for workload, f := range map[string]*[2]figures{"create": &r.Create, "wrong": &r.Wrong, "right": &r.Right} {
		var own [2][]sample
		for _, s := range samples {
			if i := slices.Index(places, s.place); s.workload == workload && s.system == "service" && s.connections == planned {
				own[i] = append(own[i], s)
			}
		}
		for i := range own {
			f[i] = figures{median(each(own[i], rate)), 1e6 / median(each(own[i], cpu)), 1e6 / median(each(own[i], redisCPU))}
		}
		perCycle, redisPerCycle = perCycle+1e6/f[1].CPU, redisPerCycle+1e6/f[1].Redis
	}
	r.Alone, r.Notice = all[0].each, all[1].each-all[0].each
	r.Sends, r.Guesses = all[2].each-all[1].each, all[3].each-all[2].each
	for _, day := range []float64{100_000, 1_000_000, 10_000_000, 100_000_000} {
		f := fleet{PerDay: day, PerSecond: peak * day / dayLong}
		f.Pending = f.PerSecond * lifetime
		f.Gigabytes = (f.Pending*(r.Alone+r.Notice) + day*(r.Sends+r.Guesses)) / 1e9
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
	processors, err := proc.CPUInfo()
	if err != nil {
		return err
	}
	load, err := proc.LoadAvg()
	if err != nil {
		return err
	}
	r.Machine = fmt.Sprintf("%d processors %s", len(processors), processors[0].ModelName)
	r.Load = fmt.Sprintf("%.2f", load.Load1)
	e, err := newEnv(ctx)
	if err != nil {
		return err
	}
	defer e.close()
	r.Redis, err = e.redis.info(ctx, "server", "redis_version")
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
