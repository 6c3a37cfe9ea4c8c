package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/flowroute/sms-verification/cmd/sms-verification/internal/telemetry"
)

// Set by the linker in release builds.
var (
	version = ""
	commit  = ""
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

// build is what is running.
func build() telemetry.Build {
	v, c := buildOf()
	return telemetry.Build{Version: v, Commit: c, GoVersion: runtime.Version()}
}

// buildOf falls back on what the Go tool recorded.
func buildOf() (v, c string) {
	v, c = version, commit
	info, ok := debug.ReadBuildInfo()
	if ok && v == "" {
		v = info.Main.Version
	}
	if ok && c == "" {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				c = s.Value
			}
		}
	}
	if v == "" {
		v = "(devel)"
	}
	if c == "" {
		c = "unknown"
	}
	return v, c
}
