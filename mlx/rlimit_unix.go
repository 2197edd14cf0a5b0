//go:build !windows

package mlx

import "syscall"

// The limits on a process that are asked for.
const (
	limitAddressSpace = syscall.RLIMIT_AS
	limitStack        = syscall.RLIMIT_STACK
)

// rlimit is the soft limit of a resource; false where the system does not say.
func rlimit(resource int) (uint64, bool) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(resource, &limit); err != nil {
		return 0, false
	}
	return limit.Cur, true
}
