package mlx_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/require"
)

// What Python's compile(shapeless=True) is for: one trace, and one file, for every number of rows.
func TestOneTraceServesEveryNumberOfRows(t *testing.T) {
	compiling(t)
	runtime.LockOSThread() // traces belong to threads
	defer runtime.UnlockOSThread()
	s := scope(t)
	w := grid(s, 4, 4)
	bias := mlx.Arange(s, 0, 4, 1, mlx.Float32)
	for name, f := range map[string]mlx.Func{
		"elementwise": func(a []*mlx.Array) []*mlx.Array { return one(mlx.GELU(mlx.Add(mlx.Exp(a[0]), bias))) },
		"reductions": func(a []*mlx.Array) []*mlx.Array {
			return one(mlx.Divide(mlx.Subtract(a[0], mlx.KeepDims(mlx.Mean, a[0], -1)), mlx.ExpandDims(mlx.Var(a[0], 0, 1), 1)))
		},
		"product": func(a []*mlx.Array) []*mlx.Array { return one(mlx.Add(mlx.MatmulT(a[0], w), mlx.Matmul(a[0], w))) },
		"softmax": func(a []*mlx.Array) []*mlx.Array {
			return one(mlx.Softmax(mlx.Matmul(a[0], mlx.Swapaxes(a[0], -1, -2)), -1))
		},
		"norms": func(a []*mlx.Array) []*mlx.Array {
			return one(mlx.RMSNorm(mlx.LayerNorm(a[0], bias, bias, 1e-5), bias, 1e-5))
		},
		"reshape": func(a []*mlx.Array) []*mlx.Array { return one(mlx.Reshape(mlx.Concatenate(0, a[0], w), -1, 2)) },
	} {
		traces := 0
		counted := func(a []*mlx.Array) []*mlx.Array { traces++; return f(a) }
		for how, traced := range asTraces(t, counted, grid(s, 3, 4)) {
			before := traces
			for _, rows := range []int{3, 7, 2} {
				x := grid(s, rows, 4)
				require.Equal(t, format(t, f(one(x))[0]), format(t, traced(one(x))[0]), "%s, %s, %d rows", name, how, rows)
			}
			require.Equal(t, before, traces, "%s, %s: it was traced again", name, how)
		}
	}
}

func format(t *testing.T, a *mlx.Array) string {
	t.Helper()
	text, err := a.Format()
	require.NoError(t, err)
	return text
}

// MLX's replay reads beyond the operands, or computes with lengths of the first call.
func TestTracesAreNotUsedForLengthsThatTheyDoNotHoldFor(t *testing.T) {
	if !inChild(t) {
		return
	}
	compiling(t)
	s := scope(t)
	for name, f := range map[string]mlx.Func{
		"the columns are as many": func(a []*mlx.Array) []*mlx.Array { return one(mlx.Matmul(a[0], grid(s, 4, 2))) },
		"a shape is looked at":    func(a []*mlx.Array) []*mlx.Array { return one(mlx.Scale(a[0], a[0].Dim(1))) },
		"a size is looked at":     func(a []*mlx.Array) []*mlx.Array { return one(mlx.Scale(a[0], a[0].Size())) },
		"a repetition":            func(a []*mlx.Array) []*mlx.Array { return one(mlx.Tile(a[0], 2, 1)) },
		"a gradient": func(a []*mlx.Array) []*mlx.Array {
			return mlx.Grad(func(b []*mlx.Array) []*mlx.Array { return one(mlx.Sum(mlx.Square(b[0]))) })(a...)
		},
		"an array that is kept": func(a []*mlx.Array) []*mlx.Array {
			y := mlx.Exp(a[0])
			y.Scope().Keep(y)
			return one(mlx.Tile(y, 1, 2))
		},
		"an inner scope": func(a []*mlx.Array) []*mlx.Array {
			inner := a[0].Scope().NewScope()
			return one(mlx.Tile(mlx.Exp(inner.Hold(a[0])), 1, 2))
		},
		"an axis that is gone": func(a []*mlx.Array) []*mlx.Array { return one(mlx.Squeeze(mlx.ExpandDims(a[0], 0), 0)) },
		"a sum over one":       func(a []*mlx.Array) []*mlx.Array { return one(mlx.Sum(a[0], 1)) },
	} {
		for how, traced := range asTraces(t, f, grid(s, 3, 4)) {
			for _, other := range []*mlx.Array{grid(s, 3, 1), grid(s, 3, 5), grid(s, 1, 1), grid(s, 2, 64)} {
				want, got := f(one(other))[0], traced(one(other))[0]
				if mlx.Eval(want) != nil || how == "exported" && got.Err() != nil {
					require.ErrorIs(t, mlx.Eval(got), mlx.ErrShape, "%s, %s, %v", name, how, other)
					continue
				}
				require.Equal(t, format(t, want), format(t, got), "%s, %s, %v", name, how, other)
			}
		}
	}
}

// MLX ends the process where a trace reduces over an axis of length 1.
func TestReductionsOverOneElementAreNotTracedForOtherShapes(t *testing.T) {
	if !inChild(t) {
		return
	}
	compiling(t)
	s := scope(t)
	x := grid(s, 3, 1)
	for name, f := range map[string]func(x *mlx.Array, axes ...int) *mlx.Array{"sum": mlx.Sum, "mean": mlx.Mean, "max": mlx.Max, "any": mlx.Any, "norm": mlx.Norm, "median": mlx.Median} {
		sums := func(a []*mlx.Array) []*mlx.Array { return one(f(a[0], 1)) }
		compiled := mlx.Compile(sums, true)
		for _, x := range []*mlx.Array{x, grid(s, 2, 4), grid(s, 4, 1)} {
			require.Equal(t, format(t, f(x, 1)), format(t, compiled(one(x))[0]), name)
		}
		path := filepath.Join(t.TempDir(), "f.mlxfn")
		require.ErrorContains(t, mlx.ExportFunction(path, sums, true, x), "length 1", name)
		imported, err := mlx.ImportFunction(path)
		require.NoError(t, err)
		require.ErrorIs(t, imported.Call(x)[0].Err(), mlx.ErrShape, name)
	}
}

func TestFilesCarryTheLengthsOfTheirTraces(t *testing.T) {
	s := scope(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "named.mlxfn")
	product := func(args []*mlx.Array, named map[string]*mlx.Array) []*mlx.Array {
		return one(mlx.Matmul(args[0], named["w"]))
	}
	require.NoError(t, mlx.ExportFunctionKwargs(path, product, true, one(grid(s, 3, 2)), map[string]*mlx.Array{"w": grid(s, 2, 4)}))
	f, err := mlx.ImportFunction(path)
	require.NoError(t, err)
	require.Equal(t, "float32[5 6]", f.CallKwargs(one(grid(s, 5, 7)), map[string]*mlx.Array{"w": grid(s, 7, 6)})[0].String())
	require.ErrorContains(t, f.CallKwargs(one(grid(s, 5, 2)), map[string]*mlx.Array{"w": grid(s, 7, 6)})[0].Err(), "matmul had operands [[3 2] [2 4]] and gets [[5 2] [7 6]]")

	path = filepath.Join(dir, "two.mlxfn")
	x, err := mlx.NewExporter(path, func(a []*mlx.Array) []*mlx.Array { return one(mlx.Matmul(a[0], a[1])) }, true)
	require.NoError(t, err)
	require.NoError(t, x.Add(grid(s, 3, 2), grid(s, 2, 4)))
	require.NoError(t, x.Add(mlx.ExpandDims(grid(s, 3, 2), 0), grid(s, 2, 4)))
	require.NoError(t, x.Close())
	f, err = mlx.ImportFunction(path)
	require.NoError(t, err)
	for _, a := range []*mlx.Array{grid(s, 3, 3), mlx.ExpandDims(grid(s, 3, 3), 0)} {
		require.ErrorIs(t, f.Call(a, grid(s, 2, 4))[0].Err(), mlx.ErrShape)
		require.NoError(t, mlx.Eval(f.Call(a, grid(s, 3, 4))...))
	}

	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	for name, end := range map[string]string{
		"a length beyond the file": "00000000ffffffffmlxlensT", "no length": "zzzzzzzzzzzzzzzzmlxlensT", "no tape": "{}0000000000000002mlxlensT",
		"a step before its operand": `[{"types":"Cg==","was":[[2],[2]],"steps":[{"op":"exp","in":[1],"out":1}]}]000000000000004amlxlensT`,
	} {
		require.NoError(t, os.WriteFile(path, append(whole[:len(whole):len(whole)], end...), 0o600))
		_, err := mlx.ImportFunction(path)
		require.ErrorIs(t, err, mlx.ErrFile, name)
	}
}
