package mlx_test

import (
	"math"
	"testing"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestComputedIndicesAreClamped(t *testing.T) {
	s := scope(t)
	x := mlx.FromSlice(s, []float32{1, 2, 3, 4})
	computed := mlx.Add(mlx.FromSlice(s, []int32{1, 999, -999}), mlx.FromSlice(s, []int32{0}))
	assert.Equal(t, []float32{2, 4, 1}, floats(t, mlx.Take(x, computed, 0)))
}

func TestComputedPlacesOutsideAnArrayAreClamped(t *testing.T) {
	s := scope(t)
	x := mlx.FromSlice(s, []float32{1, 2, 3, 4})
	computed := func(xs ...int32) *mlx.Array { return mlx.Add(mlx.FromSlice(s, xs), mlx.Zeros(s, mlx.Int32, len(xs))) }
	near(t, []float32{4, 1, 3}, mlx.Take(x, computed(1e9, -1e9, 2), 0), "take")
	near(t, []float32{4, 1, 3}, mlx.TakeAlongAxis(x, computed(1e9, -1e9, 2), 0), "take_along_axis")
	near(t, []float32{1, 2, 3, 9}, mlx.PutAlongAxis(x, computed(100), mlx.FromSlice(s, []float32{9}), 0), "put_along_axis")
	near(t, []float32{3, 4}, mlx.Reshape(mlx.Gather(x, []*mlx.Array{computed(77)}, []int{0}, []int{2}), -1), "gather")
	segments := mlx.SegmentedMM(mlx.Reshape(x, 1, 4), mlx.Reshape(x, 4, 1), mlx.Reshape(computed(2, 1e9, -5, 1), 2, 2))
	near(t, []float32{9 + 16, 1}, mlx.Reshape(segments, -1), "segmented_mm")
	near(t, []float32{9, 2, 3, 4}, mlx.Scatter(x, []*mlx.Array{computed(-77)}, mlx.Full(s, 9, mlx.Float32, 1, 1), []int{0}), "scatter")
	near(t, []float32{3, 4}, mlx.SliceDynamic(x, computed(1e9), []int{0}, []int{2}), "slice_dynamic")
	near(t, []float32{7, 7, 3, 4}, mlx.SliceUpdateDynamic(x, mlx.Full(s, 7, mlx.Float32, 2), computed(-1e9), 0), "slice_update_dynamic")
	logits := mlx.Reshape(x, 1, 4)
	want := floats(t, mlx.CrossEntropy(logits, mlx.FromSlice(s, []int32{3})))
	near(t, want, mlx.CrossEntropy(logits, computed(1e9)), "cross_entropy")
	near(t, floats(t, mlx.CrossEntropy(logits, mlx.FromSlice(s, []int32{0}))), mlx.CrossEntropy(logits, computed(-1)), "cross_entropy below 0")
	m := mlx.Reshape(mlx.Arange(s, 0, 8, 1, mlx.Float32), 2, 2, 2)
	near(t, floats(t, mlx.GatherMM(m, m, mlx.Picks{Left: mlx.FromSlice(s, []int32{0}), Right: mlx.FromSlice(s, []int32{1})})), mlx.GatherMM(m, m, mlx.Picks{Left: computed(0), Right: computed(1e6)}), "gather_mm")

	divide := func(f func(a, b *mlx.Array) *mlx.Array, a, b []int32) []int32 {
		got, err := mlx.Data[int32](f(mlx.FromSlice(s, a), computed(b...)))
		require.NoError(t, err)
		return got
	}
	a, b := []int32{7, -7, math.MinInt32, 7, math.MinInt32}, []int32{0, 0, -1, -2, 2}
	quotients := []int32{0, 0, math.MinInt32, -3, -1 << 30}
	if later() {
		quotients[3] = -4
	}
	assert.Equal(t, quotients, divide(mlx.FloorDivide, a, b), "towards 0, and by 0 as NumPy")
	assert.Equal(t, []int32{0, 0, 0, -1, 0}, divide(mlx.Remainder, a, b), "with the sign of the divisor, and by 0 as NumPy")
	minimum := mlx.FloorDivide(mlx.FromSlice(s, []int32{math.MinInt32}), mlx.FromSlice(s, []int32{-1}))
	got, err := mlx.Item[int32](mlx.Reshape(minimum))
	require.NoError(t, err)
	assert.Equal(t, int32(math.MinInt32), got, "the least number by −1, which a processor refuses")
	unsigned, err := mlx.Data[uint8](mlx.FloorDivide(mlx.FromSlice(s, []uint8{200, 7}), mlx.FromSlice(s, []uint8{255, 2})))
	require.NoError(t, err)
	assert.Equal(t, []uint8{0, 3}, unsigned, "255 is not −1")
}
