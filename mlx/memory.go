package mlx

import (
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
		gate.Run(func() {
			capi.ClearCache()
			capi.TrimHeap()
		})
	}
}

// ReturnFreedMemory makes the C library give the memory of every freed array of 1 MB or
// more back to the system at once, until the process ends: what the process takes is then
// what its arrays take. With glibc the parts of a long prompt otherwise leave some 200 MB
// behind; asking the system anew takes a few percent of the time. Elsewhere it does
// nothing.
func ReturnFreedMemory() {
	if Load() == nil {
		gate.Run(capi.MapBlocks)
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
