package main

import (
	"context"
	"net"
	"os"

	"github.com/spf13/cobra"

	"github.com/flowroute/sms-verification/cmd/sms-verification/internal/app"
	"github.com/flowroute/sms-verification/cmd/sms-verification/internal/telemetry"
	"github.com/flowroute/sms-verification/config"
	"github.com/flowroute/sms-verification/redisstore"
)

// redisUnusable is the error of commands that need Redis.
const redisUnusable = "Redis cannot be used; see REDIS_URL, REDIS_MODE and the permissions of its user"

// settings loads the configuration of a command.
func settings(cmd *cobra.Command) (*config.Config, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	return config.Load(config.Source{Flags: cmd.Flags(), Environ: os.Environ(), Dir: dir, CheckRedis: func(c *config.Config) error {
		return redisstore.CheckOptions(app.DialOptions(c))
	}})
}

// newTraces sets up tracing from the OpenTelemetry variables. A mistake in them
// is a configuration error.
func newTraces(ctx context.Context, logs *app.Logs) (*telemetry.Traces, error) {
	traces, err := telemetry.NewTraces(ctx, build(), logs.Logger)
	if err != nil {
		return nil, &config.Error{Problems: []string{err.Error()}}
	}
	return traces, nil
}

// localAddr returns the address at which this machine reaches a listener on addr.
func localAddr(addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port), err
}
