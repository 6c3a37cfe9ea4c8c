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
	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/config"
	"github.com/flowroute/sms-verification/redisstore"
)

// limitsReport is what limits finds. Its JSON is for programs: members are only
// added.
type limitsReport struct {
	RecipientEnds string         `json:"recipient_ends"` // as in the log
	Limits        []limitRow     `json:"limits"`
	RefusedUntil  *time.Time     `json:"refused_until"` // null: not refused
	RefusedBy     string         `json:"refused_by,omitempty"`
	Cleared       *clearedCounts `json:"cleared,omitempty"`
}

// limitRow is one window of a limit.
type limitRow struct {
	Limit      string     `json:"limit"` // as a 429 names it
	Counts     string     `json:"counts"`
	Used       int64      `json:"used"`
	Max        int64      `json:"max"`
	NextFree   *time.Time `json:"next_free"` // null: now
	RetryAfter int64      `json:"retry_after"`
}

// clearedCounts is what --clear made Redis forget.
type clearedCounts struct {
	Messages   int64 `json:"messages"`
	WrongCodes int64 `json:"wrong_codes"`
	Refunds    int64 `json:"refunds"`
}

func limitsCommand() *cobra.Command {
	var asJSON, clear bool
	cmd := &cobra.Command{
		Use:   "limits NUMBER",
		Short: "Shows what stands against a number under the limits, and until when it is refused",
		Long: "Shows what stands against a number under SEND_LIMITS and GUESS_LIMITS, and until when it is refused.\n\n" +
			"It needs the settings of the service: CODE_SECRET is in the keys of Redis. Under a new secret limits count anew.\n" +
			"Limits that numbers share, such as SEND_LIMITS_TOTAL, are not shown.",
		Example: "  sms-verification limits 12065551234\n  sms-verification limits 12065551234 --clear",
		Args:    exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			number, err := codes.ParsePhone(args[0])
			if err != nil {
				return usageError{errors.New("limits: NUMBER must be 1 and ten digits, such as 12065551234; a leading + is accepted")}
			}
			r, err := limits(cmd, number, clear)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), r)
			}
			return printLimits(cmd.OutOrStdout(), r)
		},
	}
	config.Flags(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the findings as JSON")
	cmd.Flags().BoolVar(&clear, "clear", false, "clear what is counted for this number: its messages, wrong codes and refunds")
	return cmd
}

func limits(cmd *cobra.Command, number codes.Phone, clear bool) (*limitsReport, error) {
	cfg, err := settings(cmd)
	if err != nil {
		return nil, err
	}
	if cfg.DebugMode {
		return nil, &config.Error{Problems: []string{
			"DEBUG_MODE: the limits of a service in debug mode are inside its process, where this command cannot see them; set REDIS_URL instead"}}
	}
	logs := app.NewLogs(cmd.ErrOrStderr(), cfg.LogLevel, false)
	defer logs.Close()
	redisstore.LogTo(logs.Logger)
	store, err := app.OpenStore(cfg, app.DialOptions(cfg), nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = store.Close() }()
	r, err := readLimits(cmd.Context(), store, cfg, number, clear)
	if err != nil {
		return nil, fmt.Errorf("limits: Redis cannot be used; see REDIS_URL, REDIS_MODE and the permissions of its user: %w", err)
	}
	return r, nil
}

// readLimits reads what stands against a number, after it was cleared if that
// is asked for.
func readLimits(ctx context.Context, store *redisstore.Store, cfg *config.Config, number codes.Phone, clear bool) (*limitsReport, error) {
	recipient := codes.NewHasher(cfg.CodeSecret()).Phone(number)
	ofNumber := []codes.Limit{
		{Kind: codes.SendLimit, Subject: recipient, Windows: cfg.SendLimits},
		{Kind: codes.GuessLimit, Subject: recipient, Windows: cfg.GuessLimits},
	}
	r := &limitsReport{RecipientEnds: number.LastTwo(), Limits: []limitRow{}}
	if clear {
		var cleared redisstore.Cleared
		if err := insist(ctx, func() (err error) { cleared, err = store.ClearLimits(ctx, recipient); return err }); err != nil {
			return nil, err
		}
		r.Cleared = &clearedCounts{Messages: cleared.Sends, WrongCodes: cleared.Guesses, Refunds: cleared.Refunds}
	}
	var standings []redisstore.Standing
	if err := insist(ctx, func() (err error) { standings, err = store.Standings(ctx, ofNumber); return err }); err != nil {
		return nil, err
	}
	r.add(standings, time.Now())
	return r, nil
}

const insistFor = 2 * time.Second

// insist calls an operation again while Redis is not reached: one that has to
// be found and dialled first may take longer than an operation may.
func insist(ctx context.Context, do func() error) error {
	for end := time.Now().Add(insistFor); ; {
		err := do()
		if !errors.Is(err, codes.ErrNotReached) || time.Now().After(end) || ctx.Err() != nil {
			return err
		}
	}
}

// add adds what stands, as of a time.
func (r *limitsReport) add(standings []redisstore.Standing, now time.Time) {
	for _, s := range standings {
		row := limitRow{
			Limit: s.Kind.Setting() + " " + s.Window.Text, Counts: "messages", Used: s.Used, Max: s.Window.Max,
			RetryAfter: int64((s.Wait + time.Second - 1) / time.Second),
		}
		if s.Kind == codes.GuessLimit {
			row.Counts = "wrong codes"
		}
		if s.Wait > 0 {
			at := now.Add(time.Duration(row.RetryAfter) * time.Second).UTC().Truncate(time.Second)
			row.NextFree = &at
			if r.RefusedUntil == nil || at.After(*r.RefusedUntil) {
				r.RefusedUntil, r.RefusedBy = &at, row.Limit
			}
		}
		r.Limits = append(r.Limits, row)
	}
}

func printLimits(out io.Writer, r *limitsReport) error {
	w := &strings.Builder{}
	fmt.Fprintf(w, "Number ending in %s\n", r.RecipientEnds)
	if c := r.Cleared; c != nil {
		fmt.Fprintf(w, "Cleared: %d message(s), %d wrong code(s), %d refund(s)\n", c.Messages, c.WrongCodes, c.Refunds)
	}
	if len(r.Limits) == 0 {
		fmt.Fprintln(w, "SEND_LIMITS and GUESS_LIMITS are off")
	}
	for _, row := range r.Limits {
		next := "the next is allowed now"
		if row.NextFree != nil {
			next = "the next place is free at " + clockTime(*row.NextFree)
		}
		fmt.Fprintf(w, "%s: %d of %d %s; %s\n", row.Limit, row.Used, row.Max, row.Counts, next)
	}
	if r.RefusedUntil != nil {
		fmt.Fprintf(w, "Refused until %s by %s: until then a request for a code is answered 429\n", clockTime(*r.RefusedUntil), r.RefusedBy)
	} else {
		fmt.Fprintln(w, "Not refused: the limits of this number allow a new code now")
	}
	_, err := io.WriteString(out, w.String())
	return err
}

func clockTime(t time.Time) string { return t.Format("2006-01-02 15:04:05 UTC") }
