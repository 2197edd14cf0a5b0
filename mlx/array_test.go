package mlx_test

import (
	"context"
	"testing"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func scope(t testing.TB) *mlx.Scope {
	t.Helper()
	require.NoError(t, mlx.Load())
	s := mlx.NewScope(mlx.CPU)
	t.Cleanup(s.Close)
	return s
}

func floats(t testing.TB, a *mlx.Array) []float32 {
	t.Helper()
	xs, err := mlx.Data[float32](a)
	require.NoError(t, err)
	return xs
}

func TestDataIsRowMajorWhateverTheLayout(t *testing.T) {
	s := scope(t)
	x := mlx.FromSlice(s, []float32{1, 2, 3, 4, 5, 6}, 2, 3)
	assert.Equal(t, []float32{1, 4, 2, 5, 3, 6}, floats(t, mlx.Transpose(x)))
	assert.Equal(t, []float32{1, 1, 1}, floats(t, mlx.BroadcastTo(mlx.Scalar(s, float32(1)), 3)))
	assert.Equal(t, []float32{2, 5}, floats(t, mlx.Slice(x, 1, mlx.Between(1, 2))))
	assert.Empty(t, floats(t, mlx.FromSlice(s, []float32{}, 0, 3)))
}

func TestAccessorsCheckTheTypeAndTheState(t *testing.T) {
	s := scope(t)
	x := mlx.Add(mlx.FromSlice(s, []float32{1, 2, 3, 4}, 2, 2), mlx.Zeros(s, mlx.Float32))
	_, err := mlx.Data[int32](x)
	require.ErrorIs(t, err, mlx.ErrDtype, "another type")
	_, err = mlx.Item[float32](x)
	require.ErrorIs(t, err, mlx.ErrShape, "four elements")
	_, err = mlx.Item[int64](mlx.Sum(x))
	require.ErrorIs(t, err, mlx.ErrDtype)
	near(t, []float32{1, 3, 2, 4}, mlx.Transpose(x), "logical order, not that of memory")
	near(t, []float32{5, 5, 5}, mlx.BroadcastTo(mlx.Scalar(s, float32(5)), 3), "a broadcast")
	near(t, nil, mlx.Zeros(s, mlx.Float32, 0), "nothing")
	y := mlx.Exp(x)
	y.Free()
	y.Free()
	_, err = mlx.Data[float32](y)
	require.ErrorIs(t, err, mlx.ErrFreed)
	require.ErrorIs(t, mlx.Eval(mlx.Add(x, y)), mlx.ErrFreed)
	_, err = y.Format()
	require.ErrorIs(t, err, mlx.ErrFreed)
	require.False(t, y.Ready())
}

func TestElementsAreShown(t *testing.T) {
	s := scope(t)
	x := mlx.FromSlice(s, []float32{1, 2, 3, 4}, 2, 2)
	text, err := mlx.Transpose(x).Format()
	require.NoError(t, err)
	require.Contains(t, text, "1, 3")
	strides, err := mlx.Transpose(x).Strides()
	require.NoError(t, err)
	require.Equal(t, []int{1, 2}, strides)
	require.NoError(t, mlx.Do(context.Background(), func() error { return mlx.Eval(x) }))
}
