package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Prints version, commit and Go version",
		Args:  usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, c := buildOf()
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "sms-verification %s (commit %s, %s)\n", v, c, runtime.Version())
			return err
		},
	}
}
