package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/config"
	"github.com/flowroute/sms-verification/redisstore"
	"github.com/flowroute/sms-verification/redisstore/embedded"
)

func checkCommand(cmd *cobra.Command, _ []string) error {
	cfg, err := settings(cmd)
	if err != nil {
		return err
	}
	logs := newLogs(cmd.ErrOrStderr(), cfg.LogLevel, false)
	defer logs.Close()
	redisstore.LogTo(logs.Logger)
	traces, err := newTraces(cmd.Context(), logs)
	if err != nil {
		return err
	}
	traces.Close()

	out := cmd.OutOrStdout()
	_, _ = fmt.Fprintln(out, "Settings: fine")
	reportMessage(out, cfg)
	reportOdds(out, cfg)
	warnings := append(cfg.Warnings(), weakCodes(cfg)...)
	more, redisErr := checkRedis(cmd.Context(), cfg)
	if redisErr == nil {
		_, _ = fmt.Fprintln(out, "Redis: reached, every script ran")
	} else {
		_, _ = fmt.Fprintln(out, "Redis: CANNOT BE USED:", redisErr)
	}
	for _, w := range append(warnings, more...) {
		_, _ = fmt.Fprintln(out, "Warning:", w)
	}
	if redisErr != nil {
		return errors.New("check: Redis cannot be used; see REDIS_URL, REDIS_MODE and the permissions of its user")
	}
	return nil
}

const checkTimeout = 5 * time.Second

func checkRedis(ctx context.Context, cfg *config.Config) (warnings []string, err error) {
	url, mode := cfg.RedisURL.Reveal(), cfg.RedisMode
	if cfg.DebugMode {
		server, err := embedded.Start()
		if err != nil {
			return nil, err
		}
		defer server.Close()
		url, mode = server.URL(), redisstore.Standalone
	}
	store, err := openStore(cfg, url, mode)
	if err != nil {
		return nil, err
	}
	defer func() { _ = store.Close() }()
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if err := store.Prepare(ctx); err != nil {
		return nil, err
	}
	if cfg.DebugMode {
		return nil, nil // what it keeps is gone with the process anyway
	}
	return store.Inspect(ctx), nil
}

func reportMessage(out io.Writer, cfg *config.Config) {
	code := codes.Code(strings.Repeat("0", cfg.CodeLength))
	text := cfg.AuthMessage.Render(code, cfg.OrgName, cfg.CodeExpiration)
	n, ascii := codes.Segments(text)
	encoding := "ASCII"
	if !ascii {
		encoding = "UCS-2, because of a character that is not ASCII"
	}
	_, _ = fmt.Fprintf(out, "Message: %d segment(s), %s\n", n, encoding)
}

// reportOdds tells what the limits are worth against guessing.
func reportOdds(out io.Writer, cfg *config.Config) {
	guesses := codes.MaxGuessesPerDay(limitsOf(cfg), cfg.RetriesAllowed, cfg.CodeExpiration)
	_, _ = fmt.Fprintf(out, "Guessing: %d digit(s), %d wrong codes per entry, at most %s compared per number and day\n",
		cfg.CodeLength, cfg.RetriesAllowed, strconv.FormatFloat(guesses, 'f', -1, 64))
	for _, numbers := range []float64{1, 1_000, 10_000, 100_000} {
		_, _ = fmt.Fprintf(out, "  chance to guess one code in a day, over %6.0f number(s): %.2g\n",
			numbers, codes.Odds(cfg.CodeLength, guesses*numbers))
	}
}

// weakCodes says where the settings fall short of the standards.
func weakCodes(cfg *config.Config) []string {
	const nist = "NIST SP 800-63B-4 asks for "
	var w []string
	if cfg.CodeLength < 6 {
		w = append(w, nist+"at least six digits; set CODE_LENGTH to 6")
	}
	if cfg.CodeExpiration > 10*time.Minute {
		w = append(w, nist+"at most ten minutes, as does OWASP ASVS 5 (6.6); set CODE_EXPIRATION to 600")
	}
	if cfg.RetriesAllowed > 100 {
		w = append(w, nist+"at most 100 failures in a row; set RETRIES_ALLOWED to 5")
	}
	if len(cfg.GuessLimits) == 0 {
		w = append(w, nist+"a count of failures that a new code does not reset; set GUESS_LIMITS")
	}
	if len(cfg.SendLimits) == 0 {
		w = append(w, "SEND_LIMITS is off: one number can be sent any number of messages, at your cost")
	}
	if len(cfg.AllowedPrefixes) == 0 {
		w = append(w, "ALLOWED_PREFIXES is empty: messages go to every country of +1, also where toll fraud lives; set it to us,ca")
	}
	return w
}
