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

// limitsReport is the result of limits. Its JSON is an interface: members are only
// added.
type limitsReport struct {
	RecipientEnds string         `json:"recipient_ends"` // the last two digits, as in the log
	Limits        []limitRow     `json:"limits"`
	RefusedUntil  *time.Time     `json:"refused_until"` // null: the number is not refused
	RefusedBy     string         `json:"refused_by,omitempty"`
	Cleared       *clearedCounts `json:"cleared,omitempty"`

	Unverified     []unverifiedRow `json:"unverified"` // limits that the number shares with others
	UnverifiedMode string          `json:"unverified_mode"`
}

// limitRow is one window of a limit.
type limitRow struct {
	Limit      string     `json:"limit"` // as a 429 names it
	Counts     string     `json:"counts"`
	Used       int64      `json:"used"`
	Max        int64      `json:"max"`
	NextFree   *time.Time `json:"next_free"` // null: one more is allowed now
	RetryAfter int64      `json:"retry_after"`
}

// unverifiedRow is one window of UNVERIFIED_LIMITS.
type unverifiedRow struct {
	limitRow
	Share int64 `json:"share"` // part of Max that verified codes add
}

// clearedCounts counts what --clear removed.
type clearedCounts struct {
	Messages   int64 `json:"messages"`
	WrongCodes int64 `json:"wrong_codes"`
	Refunds    int64 `json:"refunds"`
}

func limitsCommand() *cobra.Command {
	var asJSON, clear bool
	cmd := &cobra.Command{
		Use:   "limits NUMBER",
		Short: "Shows how much of each limit a number has used, and until when it is refused",
		Long: "Shows how much of SEND_LIMITS and GUESS_LIMITS a number has used, and how much of UNVERIFIED_LIMITS its exchange,\n" +
			"its area code and all numbers have used. Says until when the number is refused. --clear resets the counts of the\n" +
			"number itself only. Other limits that numbers share, such as SEND_LIMITS_TOTAL, are not shown.\n\n" +
			"Needs the settings of the service, because the Redis keys depend on CODE_SECRET. A new secret starts all counts\n" +
			"from zero.",
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
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	cmd.Flags().BoolVar(&clear, "clear", false, "reset the counts of this number: messages, wrong codes and refunds of rejected messages")
	return cmd
}

func limits(cmd *cobra.Command, number codes.Phone, clear bool) (*limitsReport, error) {
	cfg, err := settings(cmd)
	if err != nil {
		return nil, err
	}
	if cfg.DebugMode {
		return nil, &config.Error{Problems: []string{
			"DEBUG_MODE: the limits of a service in debug mode are inside its process, so this command cannot read them; set REDIS_URL instead"}}
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
		return nil, fmt.Errorf("limits: %s: %w", redisUnusable, err)
	}
	return r, nil
}

// readLimits reads the counts of a number, after clearing them if clear is set.
func readLimits(ctx context.Context, store *redisstore.Store, cfg *config.Config, number codes.Phone, clear bool) (*limitsReport, error) {
	if err := retry(ctx, func() error { return store.Prepare(ctx) }); err != nil { // finds out which scripts the server accepts
		return nil, err
	}
	secret := codes.NewHasher(cfg.CodeSecret())
	recipient := secret.Phone(number)
	own := []codes.Limit{
		{Kind: codes.SendLimit, Subject: recipient, Windows: cfg.SendLimits},
		{Kind: codes.GuessLimit, Subject: recipient, Windows: cfg.GuessLimits},
	}
	r := &limitsReport{
		RecipientEnds: number.LastTwo(), Limits: []limitRow{}, Unverified: []unverifiedRow{},
		UnverifiedMode: cfg.Unverified.Mode.String(),
	}
	if clear {
		var cleared redisstore.Cleared
		if err := retry(ctx, func() (err error) { cleared, err = store.ClearLimits(ctx, recipient); return err }); err != nil {
			return nil, err
		}
		r.Cleared = &clearedCounts{Messages: cleared.Sends, WrongCodes: cleared.Guesses, Refunds: cleared.Refunds}
	}
	var ownStandings, sharedStandings []redisstore.Standing
	if err := retry(ctx, func() (err error) { ownStandings, err = store.Standings(ctx, own); return err }); err != nil {
		return nil, err
	}
	shared := cfg.Unverified.Limits(secret.Destination(number))
	if err := retry(ctx, func() (err error) { sharedStandings, err = store.Unverified(ctx, shared); return err }); err != nil {
		return nil, err
	}
	now := time.Now()
	for _, s := range ownStandings {
		r.Limits = append(r.Limits, r.row(s, now, true))
	}
	for _, s := range sharedStandings {
		row := r.row(s, now, cfg.Unverified.Mode == codes.UnverifiedEnforce)
		r.Unverified = append(r.Unverified, unverifiedRow{limitRow: row, Share: s.Share})
	}
	return r, nil
}

const retryFor = 2 * time.Second

// retry retries an operation while Redis is not reached: finding and dialling a
// server may take longer than the timeout of one operation.
func retry(ctx context.Context, do func() error) error {
	for end := time.Now().Add(retryFor); ; {
		err := do()
		if !errors.Is(err, codes.ErrNotReached) || time.Now().After(end) || ctx.Err() != nil {
			return err
		}
	}
}

// row returns the row of one window. If the window refuses the number for longer
// than those before, row records it in the report.
func (r *limitsReport) row(s redisstore.Standing, now time.Time, refuses bool) limitRow {
	row := limitRow{
		Limit: s.Kind.Setting() + " " + s.Window.Text, Counts: "messages", Used: s.Used, Max: s.Window.Max + s.Share,
		RetryAfter: int64((s.Wait + time.Second - 1) / time.Second),
	}
	switch {
	case s.Kind == codes.GuessLimit:
		row.Counts = "wrong codes"
	case s.Kind.OfUnverified():
		row.Counts = "unverified messages"
	}
	if s.Wait > 0 {
		free := now.Add(time.Duration(row.RetryAfter) * time.Second).UTC().Truncate(time.Second)
		row.NextFree = &free
		if refuses && (r.RefusedUntil == nil || free.After(*r.RefusedUntil)) {
			r.RefusedUntil, r.RefusedBy = &free, row.Limit
		}
	}
	return row
}

func printLimits(out io.Writer, r *limitsReport) error {
	w := &strings.Builder{}
	fmt.Fprintf(w, "Number ending in %s\n", r.RecipientEnds)
	if c := r.Cleared; c != nil {
		fmt.Fprintf(w, "Cleared: %d message(s), %d wrong code(s), %d refund(s) of rejected messages\n", c.Messages, c.WrongCodes, c.Refunds)
	}
	if len(r.Limits) == 0 {
		fmt.Fprintln(w, "SEND_LIMITS and GUESS_LIMITS are off")
	}
	for _, row := range r.Limits {
		fmt.Fprintf(w, "%s: %d of %d %s; %s\n", row.Limit, row.Used, row.Max, row.Counts, row.next())
	}
	for _, row := range r.Unverified {
		share := ""
		if row.Share > 0 {
			share = fmt.Sprintf(" (%d, and %d more for verified codes)", row.Max-row.Share, row.Share)
		}
		fmt.Fprintf(w, "%s: %d of %d %s%s; %s\n", row.Limit, row.Used, row.Max, row.Counts, share, row.next())
	}
	if len(r.Unverified) > 0 && r.UnverifiedMode == codes.UnverifiedShadow.String() {
		fmt.Fprintln(w, "UNVERIFIED_MODE is shadow: UNVERIFIED_LIMITS refuse nothing")
	}
	if r.RefusedUntil != nil {
		fmt.Fprintf(w, "Refused with 429 until %s by %s\n", clockTime(*r.RefusedUntil), r.RefusedBy)
	} else {
		fmt.Fprintln(w, "Not refused: these limits allow a new code now")
	}
	_, err := io.WriteString(out, w.String())
	return err
}

// next says when one more is allowed.
func (r limitRow) next() string {
	if r.NextFree == nil {
		return "the next is allowed now"
	}
	return "the next is allowed at " + clockTime(*r.NextFree)
}

func clockTime(t time.Time) string { return t.Format("2006-01-02 15:04:05 UTC") }
