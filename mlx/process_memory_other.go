//go:build !linux

package mlx

import "github.com/mlxlens/mlxlens/mlx/internal/capi"

// ProcessMemory returns the bytes of RAM that the process takes now, 0 when the system does not
// say: on Linux what is resident, on a Mac the physical footprint, which is what it is held to.
func ProcessMemory() int64 { return capi.PhysicalFootprint() }
