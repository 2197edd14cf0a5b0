package mlx

import (
	"strconv"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
	"github.com/mlxlens/mlxlens/mlx/internal/gate"
)

// ActiveMemory returns the bytes that arrays hold now, 0 before the library is
// loaded. Binds mlx_get_active_memory.
func ActiveMemory() int { return memoryFigure(capi.GetActiveMemory) }

// PeakMemory returns the most bytes that arrays have held at once.
// Binds mlx_get_peak_memory.
func PeakMemory() int { return memoryFigure(capi.GetPeakMemory) }

// CacheMemory returns the bytes that no array holds any more and MLX keeps for the
// next ones. Binds mlx_get_cache_memory.
func CacheMemory() int { return memoryFigure(capi.GetCacheMemory) }

// ClearCache gives that memory back to the system, and what glibc's malloc keeps of freed
// memory too: after work whose sizes do not come again, such as a part of a long prompt.
// Binds mlx_clear_cache.
func ClearCache() {
	if Load() == nil {
		_ = gate.Run(func() { // out of turn it does nothing, as a full cache does no harm
			capi.ClearCache()
			capi.TrimHeap()
		})
	}
}

// roomToKeep is the part of MemoryLimit that TrimCache leaves a GPU.
const roomToKeep = 16

// TrimCache is ClearCache of a CPU, and of a GPU where more than a sixteenth of MemoryLimit is kept: there
// freeing and asking anew wait for all that is under way. Between the parts of a long work whose sizes come again.
func TrimCache() {
	if !GPU.Available() || CacheMemory() > MemoryLimit()/roomToKeep {
		ClearCache()
	}
}

// ReturnFreedMemory makes the C library give the memory of every freed array of 1 MB or
// more back to the system at once, until the process ends: what the process takes is then
// what its arrays take. With glibc the parts of a long prompt otherwise leave some 200 MB
// behind; asking the system anew takes a few percent of the time. Elsewhere it does
// nothing.
func ReturnFreedMemory() {
	if Load() == nil {
		_ = gate.Run(capi.MapBlocks)
	}
}

func memoryFigure(f func(*int) int32) int {
	if Load() != nil {
		return 0
	}
	var n int
	f(&n)
	return n
}

// MemoryLimit returns the bytes beyond which MLX waits for memory to come free, and this
// package refuses to evaluate; at first most of the machine's memory, or of what a limit on the
// process's address space or its cgroup leaves.
// Binds mlx_get_memory_limit.
func MemoryLimit() int { return memoryFigure(capi.GetMemoryLimit) }

// SetMemoryLimit sets MemoryLimit and returns what it was. What the system cannot give is refused
// under a greater limit too. Binds mlx_set_memory_limit.
func SetMemoryLimit(bytes int) (before int, err error) {
	return setLimit("set_memory_limit", capi.SetMemoryLimit, bytes, func() { allow(bytes) })
}

// SetCacheLimit bounds CacheMemory and returns the bound before; 0 keeps nothing.
// Binds mlx_set_cache_limit.
func SetCacheLimit(bytes int) (before int, err error) {
	return setLimit("set_cache_limit", capi.SetCacheLimit, bytes, func() {})
}

// SetWiredLimit bounds the memory that the system must not page out, on macOS 15 or later, and
// returns the bound before. Elsewhere it does nothing. Binds mlx_set_wired_limit.
func SetWiredLimit(bytes int) (before int, err error) {
	return setLimit("set_wired_limit", capi.SetWiredLimit, bytes, func() {})
}

func setLimit(op string, f func(*int, int) int32, bytes int, then func()) (before int, err error) {
	if err := Load(); err != nil {
		return 0, err
	}
	if bytes < 0 {
		return 0, newError(op, ErrMemory, "a limit of "+strconv.Itoa(bytes)+" bytes")
	}
	err = inGate(op, func() error {
		if f(&before, bytes) != 0 {
			return mlxError(op, nil)
		}
		then()
		return nil
	})
	return before, err
}

// ResetPeakMemory makes PeakMemory count from now on. Binds mlx_reset_peak_memory.
func ResetPeakMemory() {
	if Load() == nil {
		_ = gate.Run(func() { capi.ResetPeakMemory() })
	}
}
