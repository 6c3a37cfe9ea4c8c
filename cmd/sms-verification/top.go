package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/flowroute/sms-verification/cmd/sms-verification/internal/top"
	"github.com/flowroute/sms-verification/config"
)

func topCommand() *cobra.Command {
	var once bool
	cmd := &cobra.Command{
		Use:   "top [ADDRESS ...]",
		Short: "Shows the metrics of running replicas in a terminal",
		Long: "Shows the metrics of running replicas in a terminal: codes, checks, limits, latencies, Redis and Flowroute.\n\n" +
			"ADDRESS is the ADMIN_ADDR of a replica, as host:port or as the URL of its metrics. Several replicas are added up.\n" +
			"The default is the ADMIN_ADDR of the settings. Press q to quit.",
		Example: "  sms-verification top\n  sms-verification top 10.0.0.1:9464 10.0.0.2:9464\n  sms-verification top --once",
	}
	cmd.Flags().BoolVar(&once, "once", false, "print one frame and exit")
	cmd.RunE = func(cmd *cobra.Command, addresses []string) error {
		if len(addresses) == 0 {
			local, err := localAdmin()
			if err != nil {
				return err
			}
			addresses = []string{local}
		}
		t, err := top.New(addresses)
		if err != nil {
			return usageError{err}
		}
		return t.Run(cmd.Context(), once, cmd.InOrStdin(), cmd.OutOrStdout())
	}
	return cmd
}

// localAdmin returns the ADMIN_ADDR of the settings, as this machine reaches it.
func localAdmin() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	addr, err := config.LoadAdminAddr(config.Source{Environ: os.Environ(), Dir: dir})
	if err != nil {
		return "", err
	}
	if addr == "" {
		return "", usageError{errors.New("top: ADMIN_ADDR is off in these settings; give the ADMIN_ADDR of a replica")}
	}
	return localAddr(addr)
}
