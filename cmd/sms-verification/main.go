// Command sms-verification sends one-time codes by SMS through Flowroute and
// verifies them.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/flowroute/sms-verification/config"
)

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1 // failed while running
	exitUsage  = 2 // bad usage or configuration
)

func main() {
	os.Exit(run(untilSignal(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// untilSignal returns a context that the first signal cancels. The second
// signal ends the process at once. SIGHUP counts too, unless it was ignored when
// the process started, as under nohup.
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

// run runs the program and returns its exit status.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := rootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	var usage usageError
	var settings *config.Error
	switch {
	case errors.As(err, &settings):
		printError(stderr, settings)
		return exitUsage
	case errors.As(err, &usage):
		printError(stderr, err, "\nsms-verification --help lists the commands and their flags.")
		return exitUsage
	}
	printError(stderr, "sms-verification: ", err)
	return exitFailed
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "sms-verification",
		Short: "Sends one-time codes by SMS through Flowroute and verifies them",
		Long: "Sends one-time codes by SMS through Flowroute and verifies them.\n\n" +
			"Without a command it runs the service, as serve does. Settings come from flags, the environment, credentials.yaml and config.yaml.",
		Args:          usage(cobra.NoArgs),
		RunE:          serveCommand,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	config.Flags(root.Flags())

	serve := &cobra.Command{
		Use:   "serve",
		Short: "Runs the service (default)",
		Args:  usage(cobra.NoArgs),
		RunE:  serveCommand,
	}
	config.Flags(serve.Flags())

	root.AddCommand(serve, checkCommand(), limitsCommand(), healthcheckCommand(), demoCommand(), sendCommand(), verifyCommand(),
		topCommand(), simCommand(), keysCommand(), versionCommand())
	strict(root)
	return root
}

// strict makes cobra's own commands return usage errors too.
func strict(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	help, _, _ := root.Find([]string{"help"})
	help.Args = usage(func(_ *cobra.Command, args []string) error {
		if found, rest, err := root.Find(args); err != nil || len(rest) > 0 {
			return fmt.Errorf("unknown command %q for %q", args[len(args)-1], found.CommandPath())
		}
		return nil
	})
	completion, _, _ := root.Find([]string{"completion"})
	completion.Args = usage(cobra.NoArgs)
	completion.RunE = func(*cobra.Command, []string) error {
		return usageError{errors.New("completion: name a shell: bash, zsh, fish or powershell")}
	}
	for _, shell := range completion.Commands() {
		shell.Args = usage(cobra.NoArgs)
	}
}
