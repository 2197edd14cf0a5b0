package mlx_test

import (
	"path/filepath"
	"testing"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/require"
)

// compiling turns compiling on until the test ends: on a CPU it is off.
func compiling(t *testing.T) {
	t.Helper()
	require.NoError(t, mlx.SetCompileMode(mlx.CompileNoFuse))
	t.Cleanup(func() { require.NoError(t, mlx.SetCompileMode(mlx.CompileDisabled)) })
}

// asTraces are f compiled, and exported and imported, for other shapes than its first arguments'.
func asTraces(t *testing.T, f mlx.Func, first ...*mlx.Array) map[string]mlx.Func {
	t.Helper()
	compiled := mlx.Compile(f, true)
	require.NoError(t, mlx.Eval(compiled(first)...))
	path := filepath.Join(t.TempDir(), "f.mlxfn")
	require.NoError(t, mlx.ExportFunction(path, f, true, first...))
	imported, err := mlx.ImportFunction(path)
	require.NoError(t, err)
	return map[string]mlx.Func{"compiled": compiled, "exported": func(a []*mlx.Array) []*mlx.Array { return imported.Call(a...) }}
}

// The clamp of an index was made with the length of the axis at the first call: other lengths
// read outside the array, or the wrong element.
func TestTracesForOtherShapesHoldNone(t *testing.T) {
	if !inChild(t) {
		return
	}
	compiling(t)
	s := scope(t)
	upTo := func(n int) *mlx.Array { return mlx.Arange(s, 0, float64(n), 1, mlx.Float32) }
	ids := func(xs ...int32) *mlx.Array { return mlx.FromSlice(s, xs) }
	take := func(a []*mlx.Array) []*mlx.Array { return one(mlx.Take(a[0], a[1], 0)) }
	for how, f := range asTraces(t, take, mlx.BroadcastTo(mlx.Scalar(s, float32(1)), 1<<30), ids(5)) {
		require.Equal(t, []float32{9}, floats(t, f(two(upTo(10), ids(1<<30-1)))[0]), how)
		require.Equal(t, []float32{15}, floats(t, f(two(upTo(20), ids(15)))[0]), how)
		require.Equal(t, []float32{19}, floats(t, f(two(upTo(20), ids(-1)))[0]), how)
		require.Equal(t, []float32{0, 19}, floats(t, f(two(upTo(20), ids(-1000, 1000)))[0]), how)
	}
	flat := func(a []*mlx.Array) []*mlx.Array { return one(mlx.Take(a[0], a[1], mlx.Flat)) }
	for how, f := range asTraces(t, flat, mlx.Ones(s, mlx.Float32, 100, 100), ids(9999)) {
		require.Equal(t, []float32{5}, floats(t, f(two(mlx.Reshape(upTo(6), 2, 3), ids(9999)))[0]), how)
	}
	// rows: as many as there are, but of the length that the trace has
	for how, f := range asTraces(t, take, mlx.Ones(s, mlx.Float32, 50, 3), ids(49)) {
		require.Equal(t, []float32{3, 4, 5}, floats(t, f(two(mlx.Reshape(upTo(6), 2, 3), ids(49)))[0]), how)
		// an error, or the row where MLX has dropped the trace and made another
		y := f(two(mlx.Reshape(upTo(6), 3, 2), ids(0)))
		if err := mlx.Eval(y...); err == nil {
			require.Equal(t, []float32{0, 1}, floats(t, y[0]), how)
		}
	}
	along := func(a []*mlx.Array) []*mlx.Array { return one(mlx.TakeAlongAxis(a[0], a[1], 1)) }
	for how, f := range asTraces(t, along, mlx.Ones(s, mlx.Float32, 2, 1000), mlx.FromSlice(s, []int32{999, 999}, 2, 1)) {
		require.Equal(t, []float32{2, 5}, floats(t, f(two(mlx.Reshape(upTo(6), 2, 3), mlx.FromSlice(s, []int32{999, 999}, 2, 1)))[0]), how)
	}
}

func TestWhatIsOfFixedSizesIsNotTracedForOtherShapes(t *testing.T) {
	compiling(t)
	s := scope(t)
	x, i := mlx.Ones(s, mlx.Float32, 4, 4), mlx.FromSlice(s, []int32{1})
	for name, f := range map[string]mlx.Func{
		"scatter": func(a []*mlx.Array) []*mlx.Array {
			return one(mlx.IndexUpdate(a[0], mlx.Scalar(s, float32(1)), i))
		},
		"put":     func(a []*mlx.Array) []*mlx.Array { return one(mlx.PutAlongAxis(a[0], mlx.Reshape(i, 1, 1), a[0], 0)) },
		"dynamic": func(a []*mlx.Array) []*mlx.Array { return one(mlx.SliceDynamic(a[0], i, []int{0}, []int{2, 4})) },
		"masked": func(a []*mlx.Array) []*mlx.Array {
			return one(mlx.MaskedScatter(a[0], mlx.Greater(a[0], a[0]), mlx.Flatten(a[0], 0, -1)))
		},
	} {
		err := mlx.Eval(mlx.Compile(f, true)(one(x))...)
		require.ErrorIs(t, err, mlx.ErrShape, name)
		require.ErrorContains(t, err, "without shapeless", name)
		require.NoError(t, mlx.Eval(mlx.Compile(f, false)(one(x))...), name)
	}
	f := mlx.Compile(func(a []*mlx.Array) []*mlx.Array { return one(mlx.Exp(a[0])) }, true)
	require.NoError(t, mlx.Eval(f(one(x))...))
	require.ErrorIs(t, mlx.Eval(f(one(mlx.Zeros(s, mlx.Float32, 0, 4)))...), mlx.ErrShape)
}
