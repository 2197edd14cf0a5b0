package model_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// summing is a block that adds to each position the sum of all before and at it (a recurrence)
// and the two before it (a convolution).
type summing struct{}

func (summing) Forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	n := x.Dim(1)
	near := pass.Tail(layer, x, 2)
	near = mlx.Add(mlx.Slice(near, 1, mlx.Between(0, n)), mlx.Slice(near, 1, mlx.Between(1, n+1)))
	all := pass.Recur(layer, x.Scope(), []int{x.Dim(0), 1, x.Dim(2)}, func(sum *mlx.Array) (out, next *mlx.Array) {
		out = mlx.Add(mlx.Cumsum(x, 1), sum)
		return out, mlx.Slice(out, 1, mlx.Between(n-1, n))
	})
	return mlx.Add(x, mlx.Add(mlx.Scale(near, 0.1), mlx.Scale(all, 0.01)))
}

func TestPiecesThroughARecurrenceAndAConvolutionAreTheWhole(t *testing.T) {
	m, ok := modeltest.Tiny(t).(*model.Transformer)
	require.True(t, ok)
	for i := range m.Blocks {
		m.Blocks[i] = summing{}
	}
	s := mlx.NewScope(m.Device())
	defer s.Close()
	logits := func(ids []int, cache *model.Cache) []float32 {
		t.Helper()
		values, err := mlx.Data[float32](model.Forward(m, model.Tokens(s, ids), cache, nil))
		require.NoError(t, err)
		return values
	}
	ids := modeltest.Sixty[:20]
	whole := logits(ids, nil)
	cache := model.NewCache(m)
	var pieces []float32
	for _, cut := range [][2]int{{0, 1}, {1, 2}, {2, 9}, {9, 10}, {10, 20}} {
		pieces = append(pieces, logits(ids[cut[0]:cut[1]], cache)...)
	}
	require.InDeltaSlice(t, whole, pieces, 1e-3)
	require.NoError(t, cache.Eval())
	const floats = 3 // a state, and two rows before
	require.Equal(t, m.Sizes.Layers*floats*m.Sizes.DModel*4, cache.Bytes())
	cache.Close()
	require.Zero(t, cache.Bytes())
}

func TestAConvolutionOfEachChannelIsTheSameOnEveryDevice(t *testing.T) {
	require.NoError(t, mlx.Load())
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	x := mlx.RandomNormal(mlx.RandomKey(s, 1), 0, 1, mlx.Float32, 2, 9, 5)
	w := mlx.RandomNormal(mlx.RandomKey(s, 2), 0, 1, mlx.Float32, 5, 4, 1)
	want, err := mlx.Data[float32](mlx.Conv1D(x, w, mlx.Conv{Groups: 5})) // what a GPU computes
	require.NoError(t, err)
	for _, layout := range []*mlx.Array{w, mlx.Swapaxes(w, 1, 2)} {
		got, err := mlx.Data[float32](model.Convolve(x, layout))
		require.NoError(t, err)
		require.InDeltaSlice(t, want, got, 1e-6)
	}
}
