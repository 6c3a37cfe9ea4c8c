package main

import (
	"cmp"
	"runtime"
	"runtime/debug"

	"github.com/flowroute/sms-verification/cmd/sms-verification/internal/telemetry"
)

// The linker sets the commit, and may set another version.
var (
	version = "1.0.0"
	commit  = ""
)

// build describes this binary. Where the linker set no commit it is the one that the Go
// tool recorded.
func build() telemetry.Build {
	b := telemetry.Build{Version: version, Commit: "unknown", GoVersion: runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				b.Commit = s.Value
			}
		}
	}
	b.Commit = cmp.Or(commit, b.Commit)
	return b
}
