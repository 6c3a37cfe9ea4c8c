// Command bench measures the service on this machine: the built program, a
// real redis-server and the Flowroute simulator, all on loopback and ended
// with it.
//
//	go run ./cmd/bench speed     requests against the floor, or two builds against each other
//	go run ./cmd/bench memory    what a pending entry takes of Redis
//	go run ./cmd/bench growth    the same load with more entries, and with more replicas
//	go run ./cmd/bench start     start, memory and size of a replica, against their targets
//	go run ./cmd/bench capacity  all of it, written as a document
//
// Each command lists its flags with -help. CONTRIBUTING.md says how to read
// what they print.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/flowroute/sms-verification/redisstore"
)

func main() {
	redisstore.LogTo(slog.New(slog.DiscardHandler)) // what fails says so itself
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// command is one thing to measure. It writes its table to out and tells on
// progress what it is doing.
type command func(ctx context.Context, args []string, out, progress io.Writer) error

func run(ctx context.Context, args []string, out, progress io.Writer) error {
	commands := map[string]command{
		"speed":      speed,
		"memory":     memory,
		"growth":     growth,
		"start":      footprint,
		"capacity":   capacity,
		floorCommand: floor, // started by speed
	}
	if len(args) > 0 && commands[args[0]] != nil {
		return commands[args[0]](ctx, args[1:], out, progress)
	}
	return errors.New("usage: bench speed|memory|growth|start|capacity [flags]")
}
