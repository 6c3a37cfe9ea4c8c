package main

import "syscall"

// endWithParent makes the kernel end a process when the benchmark was killed
// and could not clean up.
func endWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
