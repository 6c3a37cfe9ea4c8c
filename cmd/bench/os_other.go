//go:build !linux

package main

import (
	"errors"
	"syscall"
	"time"
)

// The benchmark compiles on other systems but runs on Linux only.

func endWithParent() *syscall.SysProcAttr { return nil }

func cpuTime(int) (time.Duration, error) {
	return 0, errors.New("the benchmark needs Linux to read processor time")
}

func sleepUntil(due time.Time) { time.Sleep(time.Until(due)) }
