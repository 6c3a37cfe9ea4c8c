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
// measure any commit. Each command lists its flags with -help. CONTRIBUTING.md
// explains how to read the results.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
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

// command measures one thing. It writes its table to out and reports on
// progress what it is doing.
type command func(ctx context.Context, args []string, out, progress io.Writer) error

func run(ctx context.Context, args []string, out, progress io.Writer) error {
	commands := map[string]command{
		"speed":         speed,
		"memory":        memory,
		"growth":        growth,
		"start":         start,
		"capacity":      capacity,
		baselineCommand: baseline, // started by speed
	}
	if len(args) > 0 && commands[args[0]] != nil {
		return commands[args[0]](ctx, args[1:], out, progress)
	}
	return errors.New("usage: bench speed|memory|growth|start|capacity [flags]")
}
