package main

import (
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func serveCommand(cmd *cobra.Command, _ []string) error {
	cfg, err := settings(cmd)
	if err != nil {
		return err
	}
	signal.Ignore(syscall.SIGPIPE) // the service outlives whoever reads its log
	logs := newLineWriter(cmd.ErrOrStderr())
	defer logs.Close()
	phone := newLineWriter(cmd.OutOrStdout())
	defer phone.Close()
	logger := newLogger(logs, cfg.LogLevel)
	for _, warning := range cfg.Warnings() {
		logger.Warn(warning)
	}
	a, err := newApp(cfg, logger, phone)
	if err != nil {
		return err
	}
	logger.Info("serving", "address", a.public.Addr().String(), "admin", a.adminAddr(), "debug_mode", cfg.DebugMode)
	return a.run(cmd.Context())
}
