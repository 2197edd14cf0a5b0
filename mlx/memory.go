package mlx

import "github.com/mlxlens/mlxlens/mlx/internal/capi"

// ActiveMemory returns the bytes that arrays hold now, 0 before the library is
// loaded. Binds mlx_get_active_memory.
func ActiveMemory() int { return memoryFigure(capi.GetActiveMemory) }

// PeakMemory returns the most bytes that arrays have held at once.
// Binds mlx_get_peak_memory.
func PeakMemory() int { return memoryFigure(capi.GetPeakMemory) }

func memoryFigure(f func(*int) int32) int {
	if Load() != nil {
		return 0
	}
	var n int
	f(&n)
	return n
}
