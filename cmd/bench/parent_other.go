//go:build !linux

package main

import "syscall"

// endWithParent has no means here.
func endWithParent() *syscall.SysProcAttr { return nil }
