package main

import (
	"cmp"
	"runtime"
	"runtime/debug"

	"github.com/flowroute/sms-verification/cmd/sms-verification/internal/telemetry"
)

// Set by the linker in release builds.
var (
	version = ""
	commit  = ""
)

// build returns what the linker set, else what the Go tool recorded.
func build() telemetry.Build {
	b := telemetry.Build{Version: "(devel)", Commit: "unknown", GoVersion: runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		b.Version = cmp.Or(info.Main.Version, b.Version)
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				b.Commit = s.Value
			}
		}
	}
	b.Version, b.Commit = cmp.Or(version, b.Version), cmp.Or(commit, b.Commit)
	return b
}
