//go:build !linux

package cli

import "syscall"

// residentBytes returns the most memory that the process has had in RAM, 0 when it is not
// known. Darwin counts it in bytes.
func residentBytes() int64 {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return usage.Maxrss
}
