package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowroute/sms-verification/config"
)

// healthcheckTimeout is shorter than the timeout of a container's health check.
const healthcheckTimeout = 2 * time.Second

func healthcheckCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "healthcheck",
		Short: "Asks the service on this machine whether it is ready; exit status 1 if not",
		Long: "Asks the service on this machine whether it is ready; exit status 1 if not.\n\n" +
			"For the health check of a container: images need no shell and no curl for it. It asks /readyz at LISTEN_ADDR,\n" +
			"which it reads from the same settings as the service, except for flags that only the service was given.",
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

// askReady returns nil if the service that listens on addr is ready, else why not.
func askReady(ctx context.Context, addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	if port == "0" {
		return errors.New("LISTEN_ADDR has port 0, which is another one at every start; set a port")
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost" // who listens everywhere listens there
	}
	ctx, cancel := context.WithTimeout(ctx, healthcheckTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return err
	}
	// Not by way of a proxy that the environment may name.
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
