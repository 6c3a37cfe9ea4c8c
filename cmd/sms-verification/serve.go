package main

import (
	"context"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/flowroute/sms-verification/cmd/sms-verification/internal/telemetry"
	"github.com/flowroute/sms-verification/config"
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
	traces, err := newTraces(cmd.Context(), logs)
	if err != nil {
		return err
	}
	defer traces.Close()
	a, err := newApp(cfg, logs, traces, phone)
	if err != nil {
		return err
	}
	logs.Info("serving", "address", a.public.Addr().String(), "admin", a.adminAddr(), "debug_mode", cfg.DebugMode)
	return a.run(cmd.Context())
}

// newTraces reads the variables of OpenTelemetry; a mistake in them is one in
// the settings.
func newTraces(ctx context.Context, logs *logs) (*telemetry.Traces, error) {
	traces, err := telemetry.NewTraces(ctx, build(), logs.Logger)
	if err != nil {
		return nil, &config.Error{Problems: []string{err.Error()}}
	}
	return traces, nil
}
