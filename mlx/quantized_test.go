package mlx_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
)

// MLX 0.32.2 takes global scales for QQMM on a CPU and leaves them out of the product, and has
// none for the other products.
func TestAGlobalScaleThatAProductWouldLeaveOutIsRefused(t *testing.T) {
	s := scope(t)
	x, weight := random(s, 1, -1, 1, 1, 64), random(s, 2, -1, 1, 8, 64)
	plain := mlx.Quantization{Mode: "nvfp4"}
	scaled := mlx.Quantization{Mode: "nvfp4", GlobalScale: mlx.Scalar(s, float32(4))}
	w, scales, _ := mlx.Quantize(weight, scaled)
	within(t, weight, mlx.Dequantize(w, scales, nil, scaled, mlx.Float32), 0.2, "a global scale is taken back")
	for want, y := range map[error]*mlx.Array{
		mlx.ErrShape:  mlx.QuantizedMatmul(x, w, scales, nil, scaled),
		mlx.ErrDevice: mlx.QQMM(x, w, scales, scaled, scaled.GlobalScale),
	} {
		require.ErrorIs(t, y.Err(), want)
		require.ErrorContains(t, y.Err(), "global scale")
	}
	require.ErrorContains(t, mlx.GatherQMM(x, mlx.Stack(0, w), mlx.Stack(0, scales), nil, true, scaled, mlx.Picks{}).Err(), "global scale")

	w, scales, _ = mlx.Quantize(weight, plain)
	packed, rows, _ := mlx.Quantize(x, plain)
	rounded := mlx.Dequantize(packed, rows, nil, plain, mlx.Float32)
	within(t, mlx.QuantizedMatmul(rounded, w, scales, nil, plain), mlx.QQMM(x, w, scales, plain, nil), 1e-5, "what a CPU has of QQMM")
	for name, y := range map[string]*mlx.Array{
		"two rows": mlx.QQMM(random(s, 3, -1, 1, 2, 64), w, scales, plain, nil), "dense": mlx.QQMM(x, weight, nil, plain, nil),
		"gathered": mlx.GatherQQMM(x, mlx.Stack(0, w), mlx.Stack(0, scales), plain, nil, mlx.Picks{}),
	} {
		require.ErrorIs(t, y.Err(), mlx.ErrDevice, name)
		require.ErrorContains(t, y.Err(), "use a GPU", name)
	}
}
