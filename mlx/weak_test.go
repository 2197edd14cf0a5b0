package mlx_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
)

func TestAWeakNumberDoesNotWiden(t *testing.T) {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	for x, want := range map[mlx.Dtype]mlx.Dtype{
		mlx.BFloat16: mlx.BFloat16, mlx.Float16: mlx.Float16, mlx.Float32: mlx.Float32, mlx.Float64: mlx.Float64, mlx.Complex64: mlx.Complex64,
		mlx.Int8: mlx.Float32, mlx.Bool: mlx.Float32, mlx.Uint64: mlx.Float32, // as Python's float beside them
	} {
		y := mlx.Multiply(mlx.Weak(mlx.Ones(s, x, 3), 1.5), mlx.Ones(s, x, 3))
		require.NoError(t, y.Err())
		require.Equal(t, want, y.Dtype(), x.String())
		require.Equal(t, []int{3}, y.Shape())
	}
	third, err := mlx.Item[float64](mlx.Weak(mlx.Ones(s, mlx.Float64, 1), 1.0/3))
	require.NoError(t, err)
	require.Equal(t, 1.0/3, third, "float64 keeps all digits")
}
