package mlx_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
)

// Each way out of a function that is traced.
var leaks = map[string]func(s *mlx.Scope, a *mlx.Array) *mlx.Array{
	"hold":         func(s *mlx.Scope, a *mlx.Array) *mlx.Array { return s.Hold(a) },
	"held by none": func(_ *mlx.Scope, a *mlx.Array) *mlx.Array { return mlx.On(mlx.CPU).Hold(a) },
	"keep": func(_ *mlx.Scope, a *mlx.Array) *mlx.Array {
		a.Scope().Keep(a)
		return a
	},
	"held result": func(s *mlx.Scope, a *mlx.Array) *mlx.Array { return s.Hold(mlx.Sum(mlx.Exp(a))) },
	"beside one of the scope": func(s *mlx.Scope, a *mlx.Array) *mlx.Array {
		return s.Hold(mlx.Add(mlx.Ones(s, mlx.Float32), a))
	},
	"of a gradient": func(s *mlx.Scope, a *mlx.Array) *mlx.Array {
		return s.Hold(mlx.Grad(func(b []*mlx.Array) []*mlx.Array { return one(mlx.Sum(mlx.Square(b[0]))) })(a)[0])
	},
	"inside a gradient": func(s *mlx.Scope, a *mlx.Array) *mlx.Array {
		var kept *mlx.Array
		mlx.Grad(func(b []*mlx.Array) []*mlx.Array {
			kept = s.Hold(mlx.Square(b[0]))
			return one(mlx.Sum(b[0]))
		})(a)
		return kept
	},
}

// tracers call f with an array that has no elements, and return the transformed function's results.
var tracers = map[string]func(t *testing.T, f mlx.Func, x *mlx.Array) []*mlx.Array{
	"vmap":    func(_ *testing.T, f mlx.Func, x *mlx.Array) []*mlx.Array { return mlx.Vmap(f, nil, nil)(one(x)) },
	"compile": func(_ *testing.T, f mlx.Func, x *mlx.Array) []*mlx.Array { return mlx.Compile(f, false)(one(x)) },
	"export_function": func(t *testing.T, f mlx.Func, x *mlx.Array) []*mlx.Array {
		path := filepath.Join(t.TempDir(), "f.mlxfn")
		require.NoError(t, mlx.ExportFunction(path, f, false, x))
		imported, err := mlx.ImportFunction(path)
		require.NoError(t, err)
		return imported.Call(x)
	},
}

func TestAnArrayKeptFromATraceSaysSo(t *testing.T) {
	compiling(t)
	s := scope(t)
	x := mlx.FromSlice(s, []float32{1, 2}, 2, 1)
	for op, trace := range tracers {
		for how, leak := range leaks {
			var kept *mlx.Array
			out := trace(t, func(a []*mlx.Array) []*mlx.Array {
				kept = leak(s, a[0])
				require.NoError(t, kept.Err(), "inside it is an array as any: %s of %s", how, op)
				return one(mlx.Exp(mlx.Add(a[0], mlx.Subtract(kept, kept))))
			}, x)
			require.InDeltaSlice(t, []float32{2.7182817, 7.389056}, floats(t, out[0]), 1e-5, "%s of %s", how, op)
			for use, err := range map[string]error{"err": kept.Err(), "eval": mlx.Eval(kept), "add": mlx.Add(kept, x).Err(), "hold": mlx.Eval(s.Hold(kept))} {
				require.ErrorIs(t, err, mlx.ErrStandIn, "%s of %s: %s", how, op, use)
				require.ErrorContains(t, err, "mlx: "+op+": the array comes from inside the function that "+op+" traces", how)
			}
			require.Contains(t, kept.String(), "return it from the function")
		}
	}
}

func TestEvaluatingInATraceSaysWhatToReturn(t *testing.T) {
	compiling(t)
	s := scope(t)
	x := mlx.FromSlice(s, []float32{1, 2}, 2)
	for op, trace := range tracers {
		out := trace(t, func(a []*mlx.Array) []*mlx.Array {
			_, err := mlx.Data[float32](mlx.Exp(a[0]))
			require.ErrorIs(t, err, mlx.ErrStandIn, op)
			return a
		}, x)
		require.Equal(t, []float32{1, 2}, floats(t, out[0]), op)
	}
}

// Those of gradients are arrays as any, and so is what a trace is given whole.
func TestArraysOfGradientsMayBeKept(t *testing.T) {
	s := scope(t)
	var kept, whole *mlx.Array
	square := func(a []*mlx.Array) []*mlx.Array {
		kept = s.Hold(mlx.Square(a[0]))
		require.NoError(t, mlx.Eval(a[0]))
		return one(mlx.Sum(kept))
	}
	x := mlx.FromSlice(s, []float32{3, 4})
	require.Equal(t, []float32{6, 8}, floats(t, mlx.Grad(square)(x)[0]))
	require.Equal(t, []float32{9, 16}, floats(t, kept))
	// compiling is off on a CPU: the function is called as it is
	require.Equal(t, []float32{25}, floats(t, mlx.Compile(square, false)(one(x))[0]))
	require.Equal(t, []float32{9, 16}, floats(t, kept))
	out := mlx.Vmap(func(a []*mlx.Array) []*mlx.Array {
		whole = s.Hold(mlx.Square(a[1]))
		return one(mlx.Add(a[0], mlx.Sum(whole)))
	}, []int{0, mlx.Unmapped}, nil)(two(x, x))
	require.Equal(t, []float32{28, 29}, floats(t, out[0]))
	require.Equal(t, []float32{9, 16}, floats(t, whole))
}
