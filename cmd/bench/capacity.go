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
)

//go:embed capacity.tmpl
var capacityText string

// What a fleet is planned with.
const (
	planned  = 16           // connections: busy, and the answers still quick
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
	PerDay, PerSecond  float64 // PerSecond at the peak
	Pending            float64 // entries, if nobody enters a code
	Gigabytes          float64 // of Redis
	Replicas, Masters  float64
	Processors, Redis1 float64 // busy at the peak, of the replicas and of Redis
}

// report is what the document shows.
type report struct {
	Machine, Redis, Go           string
	Date, Load                   string
	Speed, Memory, Growth, Start string
	Fleets                       []fleet

	Check, Create, Cycle float64 // operations per second of one processor of a replica
	CheckRedis           float64 // the same of Redis
	CreateRedis          float64
	Alone, Notice        float64 // bytes
	Sends, Guesses       float64
}

// capacity measures everything and writes the document.
func capacity(ctx context.Context, args []string, out, progress io.Writer) error {
	var e effort
	flags := flag.NewFlagSet("capacity", flag.ContinueOnError)
	file := flags.String("o", "deploy/capacity.md", "file to write")
	flags.IntVar(&e.rounds, "rounds", 5, "rounds of speed and growth")
	flags.DurationVar(&e.length, "length", 2*time.Second, "length of each run")
	flags.StringVar(&e.connections, "connections", "1,16,64,256", "numbers of connections of speed; 16 must be among them")
	flags.Uint64Var(&e.entries, "entries", 1_000_000, "pending entries that memory is measured with")
	flags.StringVar(&e.sizes, "sizes", "1000,100000,3000000", "numbers of live entries of growth")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var r report
	if err := r.describe(ctx); err != nil {
		return err
	}
	if err := r.measure(ctx, e, progress); err != nil {
		return err
	}
	var document bytes.Buffer
	if err := r.write(&document); err != nil {
		return err
	}
	_, _ = fmt.Fprintln(out, "writing", *file)
	return os.WriteFile(*file, document.Bytes(), 0o644)
}

// effort is how much to measure.
type effort struct {
	rounds      int
	length      time.Duration
	connections string
	entries     uint64
	sizes       string
}

func (r *report) measure(ctx context.Context, e effort, progress io.Writer) error {
	rounds, seconds := strconv.Itoa(e.rounds), fmt.Sprint(e.length.Seconds())
	p, err := parsePlan([]string{"-rounds", rounds, "-seconds", seconds, "-connections", e.connections, "-sharing"})
	if err != nil {
		return err
	}
	if !slices.Contains(p.connections, planned) {
		return fmt.Errorf("-connections: %d must be among them", planned)
	}
	var speed, memory, grown, start strings.Builder
	samples, err := p.run(ctx, progress)
	if err == nil {
		err = writeTable(&speed, samples, p.systems(), p.bases())
	}
	if err != nil {
		return err
	}
	all, err := measureMemory(ctx, e.entries, progress)
	if err == nil {
		err = writeMemory(&memory, e.entries, all)
	}
	if err != nil {
		return err
	}
	err = growth(ctx, []string{"-rounds", rounds, "-length", e.length.String(), "-entries", e.sizes}, &grown, progress)
	if err != nil {
		return err
	}
	figures, err := measureFootprint(ctx, ".", 11, 64, 2*e.length)
	if err == nil {
		err = writeFootprint(&start, figures)
	}
	r.Speed, r.Memory, r.Growth, r.Start = speed.String(), memory.String(), grown.String(), start.String()
	r.plan(samples, all)
	return err
}

func (r *report) write(out io.Writer) error {
	t, err := template.New("capacity").Funcs(template.FuncMap{"number": thousands}).Parse(capacityText)
	if err != nil {
		return err
	}
	return t.Execute(out, r)
}

// plan works out the fleets from what was measured.
func (r *report) plan(samples []sample, all []kept) {
	perOp := func(workload string, of func(sample) float64) float64 { // microseconds
		var values []float64
		for _, s := range samples {
			if s.Workload == workload && s.System != floorCommand && s.System != sharingFloor && s.Connections == planned {
				values = append(values, of(s))
			}
		}
		return median(values)
	}
	r.Check, r.Create = 1e6/perOp("verify-right", cpu), 1e6/perOp("create", cpu)
	r.CheckRedis, r.CreateRedis = 1e6/perOp("verify-right", redisCPU), 1e6/perOp("create", redisCPU)
	r.Cycle = 1e6 / perOp("cycle", cpu)
	r.Alone, r.Notice = all[0].each, all[1].each-all[0].each
	r.Sends, r.Guesses = all[2].each-all[1].each, all[3].each-all[2].each
	for _, day := range []float64{100_000, 1_000_000, 10_000_000, 100_000_000} {
		f := fleet{PerDay: day, PerSecond: peak * day / dayLong}
		f.Pending = f.PerSecond * lifetime
		f.Gigabytes = (f.Pending*(r.Alone+r.Notice) + day*(r.Sends+r.Guesses)) / 1e9
		f.Processors = f.PerSecond / r.Cycle
		f.Redis1 = f.PerSecond * perOp("cycle", redisCPU) / 1e6
		f.Replicas = 1 + math.Ceil(f.Processors/busy/replicas) // one may be down
		f.Masters = max(math.Ceil(f.Redis1/busy), math.Ceil(f.Gigabytes*1e9/shard))
		r.Fleets = append(r.Fleets, f)
	}
}

// describe says what it was measured on.
func (r *report) describe(ctx context.Context) error {
	r.Go = runtime.Version()
	r.Date = time.Now().UTC().Format(time.DateOnly)
	cpuinfo, _ := os.ReadFile("/proc/cpuinfo") // without it the name is missing
	_, rest, _ := strings.Cut(string(cpuinfo), "model name\t: ")
	model, _, _ := strings.Cut(rest, "\n")
	r.Machine = strings.TrimSpace(fmt.Sprintf("%d processors %s", runtime.NumCPU(), model))
	loads, _ := os.ReadFile("/proc/loadavg")
	r.Load, _, _ = strings.Cut(string(loads), " ")
	l, err := openLab(ctx)
	if err != nil {
		return err
	}
	defer l.close()
	info, err := l.redis.client.Info(ctx, "server").Result()
	_, rest, _ = strings.Cut(info, "redis_version:")
	r.Redis, _, _ = strings.Cut(rest, "\r")
	return err
}

// thousands writes a number as people read it: 1,200,000, and small ones with
// as many decimals as say something.
func thousands(f float64) string {
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
