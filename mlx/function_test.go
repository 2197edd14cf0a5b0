package mlx_test

import (
	"path/filepath"
	"testing"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/require"
)

func TestFunctionsSurviveAFile(t *testing.T) {
	s := scope(t)
	w, x := mlx.FromSlice(s, []float32{2, 3}), mlx.FromSlice(s, []float32{10, 20})
	path := filepath.Join(t.TempDir(), "f.mlxfn")
	f := func(a []*mlx.Array) []*mlx.Array { return two(mlx.Multiply(a[0], w), mlx.Sum(a[0])) }
	require.NoError(t, mlx.ExportFunction(path, f, false, x))
	g, err := mlx.ImportFunction(path)
	require.NoError(t, err)
	out := g.Call(mlx.FromSlice(s, []float32{1, 5}))
	require.Len(t, out, 2)
	near(t, []float32{2, 15}, out[0], "x·w")
	near(t, []float32{6}, out[1], "Σ x")
	require.Error(t, g.Call(mlx.Ones(s, mlx.Float32, 3))[0].Err(), "no trace for this shape")

	named := func(a []*mlx.Array, k map[string]*mlx.Array) []*mlx.Array { return one(mlx.Subtract(a[0], k["less"])) }
	require.NoError(t, mlx.ExportFunctionKwargs(path, named, true, one(x), map[string]*mlx.Array{"less": w}))
	g, err = mlx.ImportFunction(path)
	require.NoError(t, err)
	near(t, []float32{8, 17}, g.CallKwargs(one(x), map[string]*mlx.Array{"less": w})[0], "named")
	near(t, []float32{0, 0, 0}, g.CallKwargs(one(mlx.Ones(s, mlx.Float32, 3)), map[string]*mlx.Array{"less": mlx.Ones(s, mlx.Float32, 3)})[0], "shapeless")
	require.Error(t, mlx.Eval(g.Call(x)...), "the name is missing")

	exporter, err := mlx.NewExporter(path, f, false)
	require.NoError(t, err)
	require.NoError(t, exporter.Add(x))
	require.Error(t, exporter.Add(mlx.Ones(s, mlx.Float32, 3)), "w does not fit it")
	require.NoError(t, exporter.Close())
	require.ErrorIs(t, exporter.Add(x), mlx.ErrFreed)
	g, err = mlx.ImportFunction(path)
	require.NoError(t, err)
	near(t, []float32{20, 60}, g.Call(x)[0], "by an exporter")

	for _, bad := range []string{filepath.Join(t.TempDir(), "none"), t.TempDir(), "%s%n", ""} {
		_, err := mlx.ImportFunction(bad)
		require.Error(t, err, bad)
	}
	panics := func([]*mlx.Array) []*mlx.Array { panic("boom") }
	require.ErrorIs(t, mlx.ExportFunction(path, panics, false, x), mlx.ErrPanic)
}
