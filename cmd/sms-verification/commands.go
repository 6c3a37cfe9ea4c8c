package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/flowroute/sms-verification/config"
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

	root.AddCommand(serve, checkCommand(), healthcheckCommand(), demoCommand(), sendCommand(), verifyCommand(), topCommand(), simCommand(), keysCommand(), versionCommand())
	return root
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

// settings loads the configuration for a command.
func settings(cmd *cobra.Command) (*config.Config, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	cfg, err := config.Load(config.Source{Flags: cmd.Flags(), Environ: os.Environ(), Dir: dir})
	if err != nil || cfg.DebugMode {
		return cfg, err
	}
	// Only the Redis client knows what it understands of a URL.
	store, err := openStore(cfg, cfg.RedisURL.Reveal(), cfg.RedisMode)
	if err != nil {
		return nil, err
	}
	return cfg, store.Close()
}
