package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// sample is one run of a workload against a system.
type sample struct {
	Round       int     `json:"round"`
	Workload    string  `json:"workload"`
	Connections int     `json:"connections"`
	System      string  `json:"system"`
	CPUPerOp    float64 `json:"cpu_us_per_op"`
	RedisPerOp  float64 `json:"redis_cpu_us_per_op"`
	Allocs      float64 `json:"allocs_per_op"`
	result
}

// plan is what to run.
type plan struct {
	rounds      int
	seconds     float64
	connections []int
	workloads   []workload
	services    []service // in the order of the table
	floor       bool
	sharing     bool     // the floor that shares round trips too
	env         []string // further settings of the services
	jsonFile    string
}

// service is a build of the service: a binary, or the folder of its source.
type service struct{ name, path string }

func speed(ctx context.Context, args []string, out, progress io.Writer) error {
	p, err := parsePlan(args)
	if err != nil {
		return err
	}
	samples, err := p.run(ctx, progress)
	if err != nil {
		return err
	}
	if p.jsonFile != "" {
		text, err := json.MarshalIndent(samples, "", " ")
		if err == nil {
			err = os.WriteFile(p.jsonFile, append(text, '\n'), 0o600)
		}
		if err != nil {
			return err
		}
	}
	return writeTable(out, samples, p.systems(), p.bases())
}

// systems are the names of what is measured.
func (p *plan) systems() []string {
	var names []string
	for _, s := range p.services {
		names = append(names, s.name)
	}
	if p.floor {
		names = append(names, floorCommand)
	}
	if p.sharing {
		names = append(names, sharingFloor)
	}
	return names
}

// bases are the systems that the table compares the others with.
func (p *plan) bases() []string {
	var bases []string
	if p.floor {
		bases = append(bases, floorCommand)
	}
	if len(p.services) > 1 {
		bases = append(bases, p.services[0].name)
	}
	return bases
}

func parsePlan(args []string) (*plan, error) {
	p := &plan{}
	flags := flag.NewFlagSet("speed", flag.ContinueOnError)
	flags.IntVar(&p.rounds, "rounds", 5, "rounds; each runs everything once")
	flags.Float64Var(&p.seconds, "seconds", 2, "seconds of each run")
	connections := flags.String("connections", "1,16,64,256", "numbers of connections")
	names := flags.String("workloads", "create,verify-right,verify-wrong,cycle", "workloads; an operation of cycle is a create, a wrong and the right code")
	services := flags.String("service", "service=.", "builds of the service to compare, each name=binary or name=folder of the source, such as old=/tmp/old,new=.")
	flags.BoolVar(&p.floor, "floor", true, "measure the floor too")
	flags.BoolVar(&p.sharing, "sharing", false, "and the floor with go-redis' AutoPipeline: what sharing round trips alone gives")
	flags.StringVar(&p.jsonFile, "json", "", "file to write every run to")
	flags.Func("env", "further setting of the services, such as GUESS_LIMITS=off; may be given several times", func(s string) error {
		p.env = append(p.env, s)
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	for _, text := range strings.Split(*connections, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("-connections: %q is not a number above 0", text)
		}
		p.connections = append(p.connections, n)
	}
	for _, name := range strings.Split(*names, ",") {
		w, err := workloadNamed(name)
		if err != nil {
			return nil, err
		}
		p.workloads = append(p.workloads, w)
	}
	for _, text := range strings.Split(*services, ",") {
		name, path, found := strings.Cut(text, "=")
		if !found || name == "" || path == "" {
			return nil, fmt.Errorf("-service: %q is not name=path", text)
		}
		p.services = append(p.services, service{name, path})
	}
	if p.rounds < 1 || p.seconds <= 0 || flags.NArg() > 0 {
		return nil, fmt.Errorf("-rounds and -seconds must be above 0, and nothing may follow the flags")
	}
	return p, nil
}

func (p *plan) run(ctx context.Context, progress io.Writer) ([]sample, error) {
	l, err := openLab(ctx)
	if err != nil {
		return nil, err
	}
	defer l.close()
	systems, err := p.start(ctx, l, progress)
	for _, s := range systems {
		defer s.close()
	}
	if err != nil {
		return nil, err
	}
	known := rates{}
	var samples []sample
	for round := range p.rounds + 1 { // the first is not counted: pools and heaps find their size
		for _, w := range p.workloads {
			for _, connections := range p.connections {
				for i := range systems {
					s := systems[(i+round)%len(systems)] // none is always the first
					if err := l.redis.empty(ctx); err != nil {
						return nil, err
					}
					one := oneRun{lab: l, system: s, workload: w, connections: connections, length: p.length(round)}
					got, err := one.run(ctx, known)
					if err != nil {
						return nil, err
					}
					if got.Round = round; round > 0 {
						samples = append(samples, got)
					}
				}
			}
		}
		_, _ = fmt.Fprintf(progress, "round %d of %d done\n", round, p.rounds)
	}
	return samples, nil
}

// length is how long each run of a round takes.
func (p *plan) length(round int) time.Duration {
	length := time.Duration(p.seconds * float64(time.Second))
	if round == 0 {
		return min(length, time.Second/4)
	}
	return length
}

// start builds and starts everything that is to be compared. On an error it
// returns what runs already.
func (p *plan) start(ctx context.Context, l *lab, progress io.Writer) (systems []*system, err error) {
	for _, s := range p.services {
		binary, err := filepath.Abs(s.path)
		if err != nil {
			return systems, err
		}
		if info, err := os.Stat(binary); err != nil {
			return systems, err
		} else if info.IsDir() {
			_, _ = fmt.Fprintf(progress, "building %s\n", s.name)
			if binary, err = l.build(ctx, s.name, binary); err != nil {
				return systems, err
			}
		}
		running, err := l.startService(ctx, s.name, binary, p.env...)
		if err != nil {
			return systems, err
		}
		systems = append(systems, running)
	}
	for _, name := range p.systems()[len(p.services):] {
		running, err := l.startFloor(ctx, name)
		if err != nil {
			return systems, err
		}
		systems = append(systems, running)
	}
	return systems, nil
}
