package mlx

import (
	"fmt"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
	"github.com/mlxlens/mlxlens/mlx/internal/gate"
)

// Device is where arrays are computed. Each has one stream, used by every
// goroutine in turn.
type Device uint8

// The devices of MLX.
const (
	CPU Device = iota
	GPU        // Apple's through Metal, or Nvidia's through CUDA
)

func (d Device) String() string {
	switch d {
	case CPU:
		return "cpu"
	case GPU:
		return "gpu"
	}
	return fmt.Sprintf("device(%d)", uint8(d))
}

func (d Device) kind() capi.DeviceType {
	if d == GPU {
		return capi.DeviceTypeGpu
	}
	return capi.DeviceTypeCpu
}

// DefaultDevice returns the GPU when the library can use one, else the CPU.
func DefaultDevice() Device {
	if loaded.gpu {
		return GPU
	}
	return CPU
}

// Available reports whether the library can compute on d.
func (d Device) Available() bool {
	return Load() == nil && (d == CPU || d == GPU && loaded.gpu)
}

func stream(d Device) capi.Stream { return gate.Stream(d.kind()) }
