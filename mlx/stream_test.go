package mlx_test

import (
	"testing"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/require"
)

func TestStreamsComputeBesideEachOther(t *testing.T) {
	st, err := mlx.NewStream(mlx.CPU)
	require.NoError(t, err)
	require.Equal(t, mlx.CPU, st.Device())
	require.Contains(t, mlx.Streams(), st)
	other := st.Scope().NewScope()
	defer other.Close()
	s := scope(t)
	x, y := mlx.Ones(other, mlx.Float32, 100, 100), mlx.Ones(s, mlx.Float32, 100, 100)
	z := mlx.Matmul(x, x)
	require.Equal(t, st, z.Stream())
	require.NoError(t, mlx.AsyncEval(z, mlx.Matmul(y, y)))
	require.NoError(t, st.Synchronize())
	require.True(t, z.Ready())
	require.NoError(t, z.Wait())
	near(t, []float32{200}, mlx.Index(mlx.Add(z, mlx.Matmul(y, y)), mlx.At(3), mlx.At(4)), "across streams")
	require.Error(t, mlx.Stream(99).Synchronize())
	require.ErrorIs(t, mlx.Zeros(mlx.Stream(99).Scope(), mlx.Float32, 2).Err(), mlx.ErrDevice)
	if !mlx.GPU.Available() {
		_, err := mlx.NewStream(mlx.GPU)
		require.ErrorIs(t, err, mlx.ErrDevice)
		require.ErrorIs(t, mlx.Zeros(mlx.On(mlx.GPU), mlx.Float32, 2).Err(), mlx.ErrDevice)
	}
	info, err := mlx.CPU.Info()
	require.NoError(t, err)
	require.NotEmpty(t, info)
	n, err := mlx.CPU.Count()
	require.NoError(t, err)
	require.Equal(t, 1, n)
}
