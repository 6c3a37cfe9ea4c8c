// Command bench measures the built service on this machine, with a real
// redis-server and the Flowroute simulator. It knows the service only as a
// program with an HTTP API, so that it can measure any commit. CONTRIBUTING.md
// lists the commands and explains how to read the results. It runs on Linux.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		log.Fatal("bench: ", err)
	}
}

// bench holds the flags, and what was measured.
type bench struct {
	rounds      int
	length      time.Duration // of each run
	connections []int
	distance    time.Duration
	workloads   []workload
	services    []program // speed compares the others with the first; growth and start measure the first
	baseline    bool
	entries     int

	medians map[row]values // of speed
	bytes   []float64      // of memory: for each stage, an entry with everything beside it
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case failure:
			err = r.error
		default:
			panic(r)
		}
	}()
	b := &bench{}
	commands := map[string]func(context.Context, *env, io.Writer){
		"speed": b.speed, "memory": b.memory, "growth": b.growth, "start": b.start, "capacity": b.capacity,
	}
	switch {
	case len(args) == 1 && args[0] == baselineName: // started by speed
		return serveBaseline(ctx)
	case len(args) == 0 || commands[args[0]] == nil:
		return errors.New("usage: bench speed|memory|growth|start|capacity [flags]")
	}
	b.parse(args[0], args[1:])
	e := newEnv()
	defer e.close()
	for i, p := range b.services {
		b.services[i] = e.build(ctx, p)
	}
	commands[args[0]](ctx, e, out)
	return nil
}

func (b *bench) parse(command string, args []string) {
	flags := flag.NewFlagSet(command, flag.ContinueOnError)
	flags.IntVar(&b.rounds, "rounds", 5, "rounds; each runs everything once")
	seconds := flags.Float64("seconds", 2, "seconds of each run")
	connections := flags.String("connections", "1,32,64", "numbers of connections")
	flags.DurationVar(&b.distance, "distance", time.Millisecond, "how far away Redis is, each way; 0: loopback only")
	names := flags.String("workloads", "create,wrong,right", "workloads of speed")
	services := flags.String("service", "service=.", "builds of the service, each name=binary or name=folder of the source, such as old=/tmp/old,new=.")
	flags.BoolVar(&b.baseline, baselineName, true, "measure the baseline too")
	flags.IntVar(&b.entries, "entries", 1_000_000, "pending entries that memory stores; growth stores up to as many")
	check(flags.Parse(args))
	b.length = time.Duration(*seconds * float64(time.Second))
	for _, item := range strings.Split(*connections, ",") {
		n, err := strconv.Atoi(item)
		if err != nil || n < 1 {
			check(fmt.Errorf("-connections: %q is not a number above 0", item))
		}
		b.connections = append(b.connections, n)
	}
	for _, name := range strings.Split(*names, ",") {
		i := slices.IndexFunc(workloads, func(w workload) bool { return w.name == name })
		if i < 0 {
			check(fmt.Errorf("-workloads: there is no %q", name))
		}
		b.workloads = append(b.workloads, workloads[i])
	}
	for _, service := range strings.Split(*services, ",") {
		name, path, _ := strings.Cut(service, "=")
		if name == "" || path == "" {
			check(fmt.Errorf("-service: %q is not name=path", service))
		}
		b.services = append(b.services, program{name: name, path: path})
	}
	switch {
	case flags.NArg() > 0:
		check(fmt.Errorf("%q follows the flags", flags.Arg(0)))
	case b.rounds < 1 || b.length <= 0 || b.distance < 0:
		check(errors.New("-rounds and -seconds must be above 0, -distance at least 0"))
	case b.entries < 1 || b.entries > 1_000_000:
		check(errors.New("-entries: 1 to 1000000, the most that SEND_LIMITS_TOTAL allows"))
	}
}

// failure is an error that ends a command. When a step fails, there is nothing
// to measure, so check and must panic with it, and run returns the error.
type failure struct{ error }

func check(err error) {
	if err != nil {
		panic(failure{err})
	}
}

func must[T any](value T, err error) T {
	check(err)
	return value
}
