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

type timer struct{}

func newTimer() (*timer, error) { return &timer{}, nil }

func (*timer) sleep(d time.Duration) error { time.Sleep(d); return nil }

func (*timer) close() {}
