package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/flowroute/sms-verification/cmd/sms-verification/internal/app"
	"github.com/flowroute/sms-verification/config"
	"github.com/flowroute/sms-verification/redisstore"
)

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "sms-verification",
		Short: "Texts one-time codes through Flowroute and checks them",
		Long: "Texts one-time codes through Flowroute and checks them.\n\n" +
			"Without a command it serves. Settings come from flags, the environment, credentials.yaml and config.yaml.",
		Args:          usage(cobra.NoArgs),
		RunE:          serveCommand,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	config.Flags(root.Flags())

	serve := &cobra.Command{
		Use:   "serve",
		Short: "Runs the service (the default)",
		Args:  usage(cobra.NoArgs),
		RunE:  serveCommand,
	}
	config.Flags(serve.Flags())

	root.AddCommand(serve, checkCommand(), limitsCommand(), healthcheckCommand(), demoCommand(), sendCommand(), verifyCommand(), topCommand(), simCommand(), keysCommand(), versionCommand())
	strict(root)
	return root
}

// strict makes mistakes in the use of cobra's own commands usage errors too.
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
		return usageError{errors.New("completion: say for which shell: bash, zsh, fish or powershell")}
	}
	for _, shell := range completion.Commands() {
		shell.Args = usage(cobra.NoArgs)
	}
}

// usage makes what is wrong with the arguments a usage error.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError{err}
		}
		return nil
	}
}

// exactly demands so many arguments, and says which.
func exactly(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := cobra.ExactArgs(n)(cmd, args); err != nil {
			return usageError{fmt.Errorf("%w; write %s", err, cmd.UseLine())}
		}
		return nil
	}
}

// settings loads the configuration for a command.
func settings(cmd *cobra.Command) (*config.Config, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	return config.Load(config.Source{Flags: cmd.Flags(), Environ: os.Environ(), Dir: dir, CheckRedis: func(c *config.Config) error {
		return redisstore.CheckOptions(app.DialOptions(c))
	}})
}
