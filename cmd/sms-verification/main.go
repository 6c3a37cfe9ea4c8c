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

	"github.com/flowroute/sms-verification/config"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
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
		_, _ = fmt.Fprintln(stderr, settings)
		return exitUsage
	case errors.As(err, &usage):
		_, _ = fmt.Fprintf(stderr, "%v\nsms-verification --help lists the commands and their flags.\n", err)
		return exitUsage
	}
	_, _ = fmt.Fprintln(stderr, "sms-verification:", err)
	return exitFailed
}
