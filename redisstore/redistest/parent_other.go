//go:build !linux

package redistest

import "syscall"

// endWithParent has no means here: a Redis outlives a test binary that is killed.
func endWithParent() *syscall.SysProcAttr { return nil }
