package redistest

import "syscall"

// endWithParent makes the kernel end a Redis whose test binary panicked or was
// killed, and so could not clean up.
func endWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
