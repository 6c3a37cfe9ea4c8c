package main

import (
	"errors"
	"net"
	"os"

	"github.com/spf13/cobra"

	"github.com/flowroute/sms-verification/cmd/sms-verification/internal/top"
	"github.com/flowroute/sms-verification/config"
)

func topCommand() *cobra.Command {
	var once bool
	cmd := &cobra.Command{
		Use:   "top [ADDRESS ...]",
		Short: "Shows what running replicas do, in a terminal",
		Long: "Shows what running replicas do, in a terminal: the way of the codes, limits, latencies, Redis and Flowroute.\n\n" +
			"ADDRESS is a replica's ADMIN_ADDR, as host:port or as the URL of its metrics; several are summed.\n" +
			"Without one it is the ADMIN_ADDR of the settings. q ends it.",
		Example: "  sms-verification top\n  sms-verification top 10.0.0.1:9464 10.0.0.2:9464\n  sms-verification top --once",
	}
	cmd.Flags().BoolVar(&once, "once", false, "print one picture and end")
	cmd.RunE = func(cmd *cobra.Command, addresses []string) error {
		if len(addresses) == 0 {
			local, err := localAdmin()
			if err != nil {
				return err
			}
			addresses = []string{local}
		}
		watched, err := top.New(addresses)
		if err != nil {
			return usageError{err}
		}
		return watched.Run(cmd.Context(), once, cmd.InOrStdin(), cmd.OutOrStdout())
	}
	return cmd
}

// localAdmin is where the settings here put ADMIN_ADDR, as seen from here.
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
		return "", usageError{errors.New("top: ADMIN_ADDR is off here; name the address of a replica that has it on")}
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", err
	}
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port), nil
}
