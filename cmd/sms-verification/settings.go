package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"github.com/flowroute/sms-verification/cmd/sms-verification/internal/app"
	"github.com/flowroute/sms-verification/cmd/sms-verification/internal/telemetry"
	"github.com/flowroute/sms-verification/config"
	"github.com/flowroute/sms-verification/redisstore"
)

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

// newTraces reads the variables of OpenTelemetry; a mistake in them is one in
// the settings.
func newTraces(ctx context.Context, logs *app.Logs) (*telemetry.Traces, error) {
	traces, err := telemetry.NewTraces(ctx, build(), logs.Logger)
	if err != nil {
		return nil, &config.Error{Problems: []string{err.Error()}}
	}
	return traces, nil
}
