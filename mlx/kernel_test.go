package mlx_test

import (
	"testing"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/require"
)

func TestKernelsNeedAGPU(t *testing.T) {
	source := mlx.KernelSource{Name: "twice", Inputs: []string{"x"}, Outputs: []string{"y"}, Source: "y[0] = x[0] % 2;"}
	if !mlx.MetalAvailable() {
		_, err := mlx.NewMetalKernel(source)
		require.ErrorIs(t, err, mlx.ErrDevice)
		require.ErrorIs(t, mlx.StartCapture("x.gputrace"), mlx.ErrDevice)
		_, err = mlx.MetallibPath()
		require.ErrorIs(t, err, mlx.ErrDevice)
	}
	if !mlx.CUDAAvailable() {
		_, err := mlx.NewCUDAKernel(source)
		require.ErrorIs(t, err, mlx.ErrDevice)
	}
	for name, bad := range map[string]mlx.KernelSource{
		"no name": {Outputs: []string{"y"}, Source: "x"}, "no results": {Name: "f", Source: "x"}, "no identifier": {Name: "f()", Outputs: []string{"y"}, Source: "x"},
		"a NUL": {Name: "f", Outputs: []string{"y"}, Source: "x\x00"},
	} {
		_, err := mlx.NewMetalKernel(bad)
		require.Error(t, err, name)
		require.NotErrorIs(t, err, mlx.ErrDevice, name)
	}
}
