package mlx

// Windows has no such limits.
const (
	limitAddressSpace = iota
	limitStack
)

func rlimit(int) (uint64, bool) { return 0, false }
