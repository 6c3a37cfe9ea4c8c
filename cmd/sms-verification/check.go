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
		Short: "Checks the settings and Redis, and says what they are worth; sends nothing",
		Long: "Checks the settings and Redis, and says what they are worth: the odds of guessing a code, and how a\n" +
			"message looks and how many segments it takes, for the service and for each profile; and the most that\n" +
			"can be spent in a day and a month. Sends nothing.",
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
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the findings as JSON")
	cmd.Flags().BoolVar(&strict, "strict", false, "exit with status 1 on any warning")
	cmd.Flags().BoolVar(&race, "race", false, fmt.Sprintf("make many parallel checks on Redis, below REDIS_KEY_PREFIX, for at most %v and %d keys,\n"+
		"and fail if a code is accepted twice or compared too often", raceTime, raceKeys))
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
	found, redisErr := checkRedis(cmd.Context(), cfg, race)
	r.addRedis(found, redisErr)
	if err := print(out, r); err != nil {
		return err
	}
	if redisErr != nil {
		return errors.New("check: Redis cannot be used; see REDIS_URL, REDIS_MODE and the permissions of its user")
	}
	if !r.OK {
		return errors.New("check --race: this Redis does not keep the promise of the service: " + found.race.found())
	}
	if n := len(r.Warnings); strict && n > 0 {
		return fmt.Errorf("check: %d warning(s), and --strict allows none", n)
	}
	return nil
}

const checkTimeout = 5 * time.Second

// redisFindings is what check finds out about Redis.
type redisFindings struct {
	redisstore.Inspection
	race *raceReport // nil if it was not asked for
}

func checkRedis(ctx context.Context, cfg *config.Config, race bool) (found redisFindings, err error) {
	options := app.DialOptions(cfg)
	if cfg.DebugMode {
		server, err := embedded.Start()
		if err != nil {
			return found, err
		}
		defer server.Close()
		options = redisstore.DialOptions{URL: server.URL(), Mode: redisstore.Standalone}
	}
	store, err := app.OpenStore(cfg, options, nil)
	if err != nil {
		return found, err
	}
	defer func() { _ = store.Close() }()
	if err := inspect(ctx, store, cfg, &found); err != nil || !race {
		return found, withCertificateHint(err, cfg)
	}
	found.race, err = raceRedis(ctx, cfg, options)
	return found, err
}

// withCertificateHint adds what is likely wrong if a server closes connections
// under TLS: it does so before it says that it wants a client certificate.
func withCertificateHint(err error, cfg *config.Config) error {
	if err == nil || cfg.RedisTLSCert != "" || !strings.HasPrefix(cfg.RedisURL.Reveal(), "rediss:") {
		return err
	}
	for _, closed := range []string{"connection reset", "broken pipe", "EOF"} {
		if strings.Contains(err.Error(), closed) {
			return fmt.Errorf("%w; if this Redis wants a client certificate, set REDIS_TLS_CERT and REDIS_TLS_KEY", err)
		}
	}
	return err
}

func inspect(ctx context.Context, store *redisstore.Store, cfg *config.Config, found *redisFindings) (err error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if err := store.Prepare(ctx); err != nil {
		return err
	}
	if !cfg.DebugMode { // else what it keeps is gone with the process anyway
		found.Inspection, err = store.Inspect(ctx)
	}
	return err
}
