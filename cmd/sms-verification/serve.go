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
	logs := newLogs(cmd.ErrOrStderr(), cfg.LogLevel, cfg.DebugMode && isTerminal(cmd.ErrOrStderr()))
	defer logs.Close()
	phone := newLineWriter(cmd.OutOrStdout())
	defer phone.Close()
	for _, warning := range cfg.Warnings() {
		logs.Warn(warning)
	}
	a, err := newApp(cfg, logs, phone)
	if err != nil {
		return err
	}
	logs.Info("serving", "address", a.public.Addr().String(), "admin", a.adminAddr(), "debug_mode", cfg.DebugMode)
	return a.run(cmd.Context())
}
