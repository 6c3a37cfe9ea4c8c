//go:build unix

package app

import (
	"math"
	"syscall"
)

// fileDescriptors returns how many the process may have open.
func fileDescriptors() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return math.MaxInt32
	}
	return int(min(limit.Cur, math.MaxInt32))
}
