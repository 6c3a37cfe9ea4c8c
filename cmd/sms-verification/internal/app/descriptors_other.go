//go:build !unix

package app

import "math"

// fileDescriptors returns how many the process may have open.
func fileDescriptors() int { return math.MaxInt32 }
