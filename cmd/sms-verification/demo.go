package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowroute/sms-verification/cmd/sms-verification/internal/app"
	"github.com/flowroute/sms-verification/config"
)

func demoCommand() *cobra.Command {
	var keep bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Shows one verification from end to end; needs no account and no Redis",
		Args:  usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo(cmd.Context(), keep, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().BoolVar(&keep, "keep", false, "keep the service running afterwards")
	return cmd
}

// demo runs the service in debug mode and calls it as an application does. It
// reads no environment and no file.
func demo(ctx context.Context, keep bool, out, errOut io.Writer) error {
	cfg, err := config.Load(config.Source{Set: map[string]string{
		"DEBUG_MODE":  "true",
		"LISTEN_ADDR": "127.0.0.1:0",
		"ADMIN_ADDR":  "off",
		"ORG_NAME":    "Example Shop",
	}})
	if err != nil {
		return err
	}
	phone := make(demoPhone, 16)
	logs := app.NewLogs(errOut, slog.LevelWarn, app.IsTerminal(errOut))
	defer logs.Close()
	a, err := app.New(cfg, logs, nil, build(), io.MultiWriter(phone, out))
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- a.Run(serving) }()

	err = demoSteps(ctx, a, phone, out)
	if err == nil && keep {
		_, _ = fmt.Fprintf(out, "\nThe service keeps running at %s until Ctrl-C; open it in a browser.\n", "http://"+a.Addr())
		<-ctx.Done()
	}
	stop()
	return errors.Join(err, <-ended)
}

// demoPhone keeps the SMS that the phone showed.
type demoPhone chan string

func (p demoPhone) Write(view []byte) (int, error) {
	select {
	case p <- string(view):
	default:
	}
	return len(view), nil
}

// next returns the next SMS. It is there once its create is answered.
func (p demoPhone) next() string {
	select {
	case view := <-p:
		return view
	default:
		return ""
	}
}

func demoSteps(ctx context.Context, a *app.App, phone demoPhone, out io.Writer) error {
	err := awaitReady(ctx, a)
	step := func(title, path, body string, want int) {
		if err == nil {
			_, _ = fmt.Fprintf(out, "\n# %s\n", title)
			err = show(ctx, a, out, path, body, want)
		}
	}
	step("The application asks for a code. The person receives it:", "/", `{"auth_id": "signup-1", "recipient": "12065550142"}`, http.StatusOK)
	code := firstDigits(phone.next())
	verify := func(code string) string {
		return fmt.Sprintf(`{"auth_id": "signup-1", "code": "%s", "recipient": "12065550142"}`, code)
	}
	step("The person mistypes it:", "/verify", verify(otherCode(code)), http.StatusBadRequest)
	step("Then the person types it correctly:", "/verify", verify(code), http.StatusOK)
	step("A code works once:", "/verify", verify(code), http.StatusBadRequest)
	return err
}

const demoTimeout = 10 * time.Second

func awaitReady(ctx context.Context, a *app.App) error {
	deadline := time.Now().Add(demoTimeout)
	for !a.Ready() {
		if time.Now().After(deadline) || ctx.Err() != nil {
			return errors.New("demo: the service did not become ready")
		}
		time.Sleep(time.Millisecond)
	}
	return nil
}

// show sends a request, and prints it as a curl command with its answer.
func show(ctx context.Context, a *app.App, out io.Writer, path, body string, want int) error {
	_, _ = fmt.Fprintf(out, "$ curl %s -H 'Content-Type: application/json' -d '%s'\n", "http://"+a.Addr()+path, body)
	ctx, cancel := context.WithTimeout(ctx, demoTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+a.Addr()+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(out, "%d %s\n", response.StatusCode, bytes.TrimSpace(answer)); err != nil {
		return err
	}
	if response.StatusCode != want {
		return fmt.Errorf("demo: status %d, expected %d", response.StatusCode, want)
	}
	return nil
}

// firstDigits returns the code in an SMS as the phone shows it: the first digits
// after the line with the number.
func firstDigits(view string) string {
	_, text, _ := strings.Cut(view, "SMS to +")
	_, text, _ = strings.Cut(text, "\n")
	start := strings.IndexAny(text, "0123456789")
	if start < 0 {
		return ""
	}
	digits := text[start:]
	return digits[:len(digits)-len(strings.TrimLeft(digits, "0123456789"))]
}

// otherCode returns a wrong code of the same length.
func otherCode(code string) string {
	first := byte('1')
	if strings.HasPrefix(code, "1") {
		first = '2'
	}
	return string(first) + code[min(1, len(code)):]
}
