package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowroute/sms-verification/config"
)

// healthcheckTimeout is shorter than the usual timeout of a container's health check.
const healthcheckTimeout = 2 * time.Second

func healthcheckCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "healthcheck",
		Short: "Checks that the service on this machine is ready; exit status 1 if not",
		Long: "Checks that the service on this machine is ready; exit status 1 if not.\n\n" +
			"It is the health check of a container whose image has no shell and no curl. It requests /readyz at LISTEN_ADDR,\n" +
			"which it reads from the environment and the files, as serve does. Flags given to serve must be repeated.",
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := settings(cmd)
			if err != nil {
				return err
			}
			if err := askReady(cmd.Context(), cfg.ListenAddr); err != nil {
				return fmt.Errorf("healthcheck: %w", err)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "ready")
			return err
		},
	}
	config.Flags(cmd.Flags())
	return cmd
}

// askReady returns nil if the service that listens on addr is ready.
func askReady(ctx context.Context, addr string) error {
	addr, err := localAddr(addr)
	if err != nil {
		return err
	}
	if strings.HasSuffix(addr, ":0") {
		return errors.New("LISTEN_ADDR has port 0, so the port changes at every start; set a port")
	}
	ctx, cancel := context.WithTimeout(ctx, healthcheckTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/readyz", nil)
	if err != nil {
		return err
	}
	// A transport of its own, so that a proxy in the environment is not used.
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode == http.StatusOK {
		return nil
	}
	body, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10))
	return fmt.Errorf("%s: %s", response.Status, strings.TrimSpace(string(body)))
}
