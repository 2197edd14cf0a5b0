package mlx_test

import (
	"testing"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestScopeOwnsWhatIsComputedInIt(t *testing.T) {
	outer := scope(t)
	weight := mlx.FromSlice(mlx.On(mlx.CPU), []float32{1, 2})
	inner := outer.NewScope()
	x := mlx.FromSlice(inner, []float32{3, 4})
	y := mlx.Add(x, weight)
	kept := outer.Hold(y)
	free := mlx.Add(weight, weight)
	inner.Close()
	inner.Close()
	require.ErrorIs(t, mlx.Eval(y), mlx.ErrFreed)
	assert.Equal(t, []float32{4, 6}, floats(t, kept))
	assert.Equal(t, []float32{2, 4}, floats(t, free), "made from weights alone, it has no scope")
	require.ErrorIs(t, mlx.FromSlice(inner, []float32{1}).Err(), mlx.ErrFreed)
}

func TestKeptArrayOutlivesItsScope(t *testing.T) {
	require.NoError(t, mlx.Load())
	s := mlx.NewScope(mlx.CPU)
	x := mlx.FromSlice(s, []float32{1})
	s.Keep(x)
	s.Close()
	assert.Equal(t, []float32{1}, floats(t, x))
	x.Free()
	x.Free()
	require.ErrorIs(t, mlx.Eval(x), mlx.ErrFreed)
}

func TestWithinKeepsOnlyTheResult(t *testing.T) {
	s := scope(t)
	x := mlx.FromSlice(s, []float32{1, 2})
	var middle *mlx.Array
	y := mlx.Within(x, func(x *mlx.Array) *mlx.Array {
		middle = mlx.Exp(x)
		return mlx.Log(middle)
	})
	require.ErrorIs(t, mlx.Eval(middle), mlx.ErrFreed)
	assert.InDeltaSlice(t, []float32{1, 2}, floats(t, y), 1e-6)
}
