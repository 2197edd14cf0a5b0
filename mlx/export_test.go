package mlx

import "github.com/mlxlens/mlxlens/mlx/internal/capi"

// HeldFunctions is how many Go functions the library holds.
func HeldFunctions() int { return capi.NumFunctions() }
