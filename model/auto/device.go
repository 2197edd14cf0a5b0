package auto

import "github.com/mlxlens/mlxlens/internal/origin"

// otherDevices says how to get a library that computes on more than this one. mlxlens' wheel has none to give.
func otherDevices() string {
	if origin.Packages() != "" {
		return "mlxlens' Python package computes on the CPU where it is not a Mac's; what computes on NVIDIA's GPUs is built from source, see https://github.com/mlxlens/mlxlens"
	}
	return "on Linux with an NVIDIA GPU `MLX_C_BACKEND=cuda make mlx-c` in a checkout makes one that has"
}
