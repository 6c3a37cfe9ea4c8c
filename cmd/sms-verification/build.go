package main

import (
	"runtime"
	"runtime/debug"

	"github.com/flowroute/sms-verification/cmd/sms-verification/internal/telemetry"
)

// Set by the linker in release builds.
var (
	version = ""
	commit  = ""
)

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
