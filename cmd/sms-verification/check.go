package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowroute/sms-verification/cmd/sms-verification/internal/app"
	"github.com/flowroute/sms-verification/config"
	"github.com/flowroute/sms-verification/redisstore"
	"github.com/flowroute/sms-verification/redisstore/embedded"
)

func checkCommand() *cobra.Command {
	var asJSON, strict, race bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Checks the settings and Redis; sends nothing",
		Long: "Checks the settings and Redis; sends nothing.\n\n" +
			"Prints, for the service and for each profile, the odds of guessing a code and the message with its number of\n" +
			"segments, and the highest possible spend per day and month.",
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			print := printReport
			if asJSON {
				print = func(out io.Writer, r *report) error { return printJSON(out, r) }
			}
			return check(cmd, print, strict, race)
		},
	}
	config.Flags(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	cmd.Flags().BoolVar(&strict, "strict", false, "exit with status 1 on any warning")
	cmd.Flags().BoolVar(&race, "race", false, fmt.Sprintf("check many codes in parallel on this Redis, below REDIS_KEY_PREFIX, for at most %v and with at most\n"+
		"%d keys, and fail if one is accepted twice or compared too often", raceTime, raceKeys))
	return cmd
}

func check(cmd *cobra.Command, print func(io.Writer, *report) error, strict, race bool) error {
	out := cmd.OutOrStdout()
	cfg, err := settings(cmd)
	var wrong *config.Error
	if errors.As(err, &wrong) {
		return errors.Join(err, print(out, &report{Problems: wrong.Problems, Warnings: append([]string{}, wrong.Warnings...)}))
	}
	if err != nil {
		return err
	}
	logs := app.NewLogs(cmd.ErrOrStderr(), cfg.LogLevel, false)
	defer logs.Close()
	redisstore.LogTo(logs.Logger)
	traces, err := newTraces(cmd.Context(), logs)
	if err != nil {
		return err
	}
	traces.Close()

	r := newReport(cfg)
	inspection, raced, redisErr := checkRedis(cmd.Context(), cfg, race)
	r.addRedis(inspection, raced, redisErr)
	if err := print(out, r); err != nil {
		return err
	}
	if redisErr != nil {
		return errors.New("check: " + redisUnusable)
	}
	if !r.OK {
		return errors.New("check --race: codes are not safe on this Redis: " + raced.found())
	}
	if n := len(r.Warnings); strict && n > 0 {
		return fmt.Errorf("check: %d warning(s), and --strict allows none", n)
	}
	return nil
}

const checkTimeout = 5 * time.Second

// checkRedis inspects Redis and, if asked to, races on it.
func checkRedis(ctx context.Context, cfg *config.Config, race bool) (found redisstore.Inspection, raced *raceReport, err error) {
	options := app.DialOptions(cfg)
	if cfg.DebugMode {
		server, err := embedded.Start()
		if err != nil {
			return found, nil, err
		}
		defer server.Close()
		options = redisstore.DialOptions{URL: server.URL(), Mode: redisstore.Standalone}
	}
	store, err := app.OpenStore(cfg, options, nil)
	if err != nil {
		return found, nil, err
	}
	defer func() { _ = store.Close() }()
	if found, err = inspect(ctx, store, cfg); err != nil || !race {
		return found, nil, withCertificateHint(err, cfg)
	}
	raced, err = raceRedis(ctx, cfg, options)
	return found, raced, err
}

// withCertificateHint adds the likely cause when a server closes a TLS
// connection: servers that require a client certificate do so without a message.
func withCertificateHint(err error, cfg *config.Config) error {
	if err == nil || cfg.RedisTLSCert != "" || !strings.HasPrefix(cfg.RedisURL.Reveal(), "rediss:") {
		return err
	}
	for _, closed := range []string{"connection reset", "broken pipe", "EOF"} {
		if strings.Contains(err.Error(), closed) {
			return fmt.Errorf("%w; if this Redis requires a client certificate, set REDIS_TLS_CERT and REDIS_TLS_KEY", err)
		}
	}
	return err
}

func inspect(ctx context.Context, store *redisstore.Store, cfg *config.Config) (redisstore.Inspection, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if err := store.Prepare(ctx); err != nil || cfg.DebugMode { // the Redis of debug mode ends with the process anyway
		return redisstore.Inspection{}, err
	}
	return store.Inspect(ctx)
}
