// Command sms-verification texts one-time codes and checks them.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/flowroute/sms-verification/cmd/sms-verification/internal/app"
	"github.com/flowroute/sms-verification/config"
)

func main() {
	os.Exit(run(untilSignal(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// untilSignal returns a context that the first signal ends. The second one
// ends the process at once, however soon it comes. SIGHUP counts too, unless
// the process was started to outlive its terminal, as nohup does it.
func untilSignal() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(signals, syscall.SIGHUP)
	}
	go func() {
		<-signals
		cancel()
		<-signals
		os.Exit(exitFailed)
	}()
	return ctx
}

// Exit statuses.
const (
	exitFine   = 0
	exitFailed = 1 // while running
	exitUsage  = 2 // bad usage or configuration
)

// usageError is a command line that cannot be understood.
type usageError struct{ error }

// run is the whole program.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := rootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitFine
	}
	var usage usageError
	var settings *config.Error
	switch {
	case errors.As(err, &settings):
		complain(stderr, settings)
		return exitUsage
	case errors.As(err, &usage):
		complain(stderr, err, "\nsms-verification --help lists the commands and their flags.")
		return exitUsage
	}
	complain(stderr, "sms-verification: ", err)
	return exitFailed
}

// complain prints a line, unless stderr is a pipe that nobody reads: that must
// not keep the process from ending.
func complain(stderr io.Writer, text ...any) {
	w := app.NewLineWriter(stderr)
	_, _ = io.WriteString(w, fmt.Sprint(text...)+"\n")
	w.Close()
}
