// Command bench measures the built service on this machine, with a real
// redis-server and the Flowroute simulator. It starts them on loopback and ends
// them when it is done.
//
//	go run ./cmd/bench speed     requests per second, compared with a baseline or another build
//	go run ./cmd/bench memory    bytes of Redis memory for each pending entry
//	go run ./cmd/bench growth    the same load with more entries, and with more replicas
//	go run ./cmd/bench start     start time, memory and size of a replica, compared with their targets
//	go run ./cmd/bench capacity  all of these, written to a document
//
// It knows the service only as a program with an HTTP API, so that it can
// measure any commit. The flags are the same for all commands; -help lists
// them. CONTRIBUTING.md explains how to read the results. It runs on Linux.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench is one run of the program: its flags and what it has measured.
type bench struct {
	rounds    int
	length    time.Duration // of each run
	near, far []int         // connections with Redis on loopback, and at the distance
	distance  time.Duration
	workloads []workload
	services  []service // speed compares the others with the first; growth and start measure the first
	baselines []string
	entries   int
	raw       string // file
	progress  io.Writer

	samples []sample  // of speed
	bytes   []float64 // of memory: for each stage, an entry with everything beside it
	takes   []takes   // of start
}

// service is a build of the service: a binary, or the folder of its source.
type service struct{ name, path string }

// command measures one thing and writes its table to out.
type command func(ctx context.Context, out io.Writer) error

func run(ctx context.Context, args []string, out, progress io.Writer) error {
	b := &bench{progress: progress}
	commands := map[string]command{
		"speed": b.speed, "memory": b.memory, "growth": b.growth, "start": b.start, "capacity": b.capacity,
	}
	switch {
	case len(args) > 0 && (args[0] == baselineName || args[0] == autoPipelineName): // started by speed
		return baseline(ctx, args[0])
	case len(args) == 0 || commands[args[0]] == nil:
		return errors.New("usage: bench speed|memory|growth|start|capacity [flags]")
	}
	if err := b.parse(args[0], args[1:]); err != nil {
		return err
	}
	return commands[args[0]](ctx, out)
}

func (b *bench) parse(command string, args []string) error {
	b.near, b.far = []int{1, 32, 64}, []int{1, 32}
	b.workloads, b.services = workloads(), []service{{"service", "."}}
	b.baselines = []string{baselineName}
	flags := flag.NewFlagSet(command, flag.ContinueOnError)
	flags.IntVar(&b.rounds, "rounds", 5, "rounds; each runs everything once")
	seconds := flags.Float64("seconds", 2, "seconds of each run")
	flags.Func("connections", "numbers of connections with Redis on loopback; empty: not measured (default 1,32,64)", list(&b.near, parseConnections))
	flags.DurationVar(&b.distance, "distance", time.Millisecond, "how far away Redis is, each way; 0: loopback only")
	flags.Func("distance-connections", "numbers of connections with Redis at that distance (default 1,32)", list(&b.far, parseConnections))
	flags.Func("workloads", "workloads (default create,wrong,right)", list(&b.workloads, parseWorkload))
	flags.Func("service", "builds of the service, each name=binary or name=folder of the source, such as old=/tmp/old,new=. (default service=.)", list(&b.services, parseService))
	pipeline := flags.Bool(autoPipelineName, command == "capacity", "measure the baseline with go-redis' AutoPipeline too")
	flags.StringVar(&b.raw, "raw", "", "file to which speed writes every run, in the format of Go benchmarks, for benchstat")
	flags.IntVar(&b.entries, "entries", 1_000_000, "pending entries of memory; growth has up to as many")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if b.rounds < 1 || *seconds <= 0 || b.distance < 0 || flags.NArg() > 0 {
		return errors.New("-rounds and -seconds must be above 0, -distance at least 0, and nothing may follow the flags")
	}
	if b.entries < 1 || b.entries > 1_000_000 {
		return errors.New("-entries: 1 to 1000000, the most that SEND_LIMITS_TOTAL allows")
	}
	if len(b.services) == 0 || len(b.workloads) == 0 {
		return errors.New("-service and -workloads must not be empty")
	}
	if b.distance == 0 {
		b.far = nil
	}
	if *pipeline {
		b.baselines = append(b.baselines, autoPipelineName)
	}
	b.length = time.Duration(*seconds * float64(time.Second))
	return nil
}

// list returns a function that parses a list with commas, such as 1,32.
func list[T any](into *[]T, parse func(string) (T, error)) func(string) error {
	return func(text string) error {
		*into = nil
		for item := range strings.FieldsFuncSeq(text, func(c rune) bool { return c == ',' }) {
			value, err := parse(item)
			if err != nil {
				return err
			}
			*into = append(*into, value)
		}
		return nil
	}
}

func parseConnections(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%q is not a number above 0", text)
	}
	return n, nil
}

func parseWorkload(name string) (workload, error) {
	i := slices.IndexFunc(workloads(), func(w workload) bool { return w.name == name })
	if i < 0 {
		return workload{}, fmt.Errorf("there is no workload %q", name)
	}
	return workloads()[i], nil
}

func parseService(text string) (service, error) {
	name, path, _ := strings.Cut(text, "=")
	if name == "" || path == "" {
		return service{}, fmt.Errorf("%q is not name=path", text)
	}
	return service{name, path}, nil
}

func (b *bench) report(format string, args ...any) {
	_, _ = fmt.Fprintf(b.progress, format+"\n", args...)
}
