package main

import (
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/flowroute/sms-verification/cmd/sms-verification/internal/app"
	"github.com/flowroute/sms-verification/config"
)

// ballast is the size of an allocation that is never written to, so that it takes
// no physical memory. The live heap is a few megabytes; without the ballast it is
// collected dozens of times a second under load, for a tenth of the CPU time.
// Unlike a larger GOGC it does not multiply a large heap.
const ballast = 20 << 20

func serveCommand(cmd *cobra.Command, _ []string) error {
	cfg, err := settings(cmd)
	if err != nil {
		return err
	}
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		defer runtime.KeepAlive(make([]byte, ballast))
	}
	signal.Ignore(syscall.SIGPIPE) // the service must survive the reader of its log
	logs := app.NewLogs(cmd.ErrOrStderr(), cfg.LogLevel, cfg.DebugMode && app.IsTerminal(cmd.ErrOrStderr()))
	defer logs.Close()
	phone := app.NewLineWriter(cmd.OutOrStdout())
	defer phone.Close()
	for _, warning := range startWarnings(cfg) {
		logs.Warn(warning)
	}
	traces, err := newTraces(cmd.Context(), logs)
	if err != nil {
		return err
	}
	defer traces.Close()
	a, err := app.New(cfg, logs, traces, build(), phone)
	if err != nil {
		return err
	}
	logs.Info("serving", "address", a.Addr(), "admin", a.AdminAddr(), "debug_mode", cfg.DebugMode)
	return a.Run(cmd.Context())
}

// startWarnings returns the warnings about settings that check prints too. In
// debug mode it leaves out those about weak codes.
func startWarnings(cfg *config.Config) []string {
	warnings := append(cfg.Warnings(), messageWarnings(cfg)...)
	if cfg.DebugMode {
		return warnings
	}
	return append(warnings, weakCodes(cfg)...)
}
