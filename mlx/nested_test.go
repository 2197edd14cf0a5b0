package mlx_test

import (
	"testing"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/require"
)

// Transformations as functions of functions.
var nestable = map[string]func(f mlx.Func) mlx.Func{
	"grad": func(f mlx.Func) mlx.Func {
		return func(a []*mlx.Array) []*mlx.Array { return mlx.Grad(f)(a...) }
	},
	"compile":    func(f mlx.Func) mlx.Func { return mlx.Compile(f, false) },
	"vmap":       func(f mlx.Func) mlx.Func { return mlx.Vmap(f, nil, nil) },
	"checkpoint": mlx.Checkpoint,
	"sum":        func(f mlx.Func) mlx.Func { return func(a []*mlx.Array) []*mlx.Array { return one(mlx.Sum(f(a)[0])) } },
	"vjp": func(f mlx.Func) mlx.Func {
		return func(a []*mlx.Array) []*mlx.Array {
			_, products := mlx.VJP(f, a, one(mlx.Ones(a[0].Scope(), mlx.Float32)))
			return products
		}
	},
	"jvp": func(f mlx.Func) mlx.Func {
		return func(a []*mlx.Array) []*mlx.Array {
			_, products := mlx.JVP(f, a, one(mlx.OnesLike(a[0])))
			return products
		}
	},
}

// What mlx.core 0.32.2 gives for Σ exp(sin x), transformed from the right to the left, of x = [1 2 3],
// and, where a vmap is among them, of [x 2x].
var nested = map[[4]string][]float32{
	{"grad", "compile"}:                {1.25338, -1.03312, -1.14004},
	{"compile", "grad"}:                {1.25338, -1.03312, -1.14004},
	{"compile", "grad", "compile"}:     {1.25338, -1.03312, -1.14004},
	{"grad", "sum", "grad", "compile"}: {-1.27482, -1.82747, .96612},
	{"compile", "compile"}:             {5.95392},
	{"vjp", "compile"}:                 {1.25338, -1.03312, -1.14004},
	{"compile", "vjp"}:                 {1.25338, -1.03312, -1.14004},
	{"jvp", "compile"}:                 {-.91977},
	{"compile", "jvp"}:                 {-.91977},
	{"grad", "checkpoint"}:             {1.25338, -1.03312, -1.14004},
	{"grad", "checkpoint", "compile"}:  {1.25338, -1.03312, -1.14004},
	{"grad", "compile", "checkpoint"}:  {1.25338, -1.03312, -1.14004},
	{"compile", "grad", "checkpoint"}:  {1.25338, -1.03312, -1.14004},
	{"grad", "checkpoint", "checkpoint"}: {
		1.25338, -1.03312, -1.14004},
	{"grad", "sum", "grad", "checkpoint"}: {-1.27482, -1.82747, .96612},
	{"jvp", "checkpoint"}:                 {-.91977},
	{"vmap", "compile"}:                   {5.95392, 3.70797},
	{"compile", "vmap"}:                   {5.95392, 3.70797},
	{"vmap", "checkpoint"}:                {5.95392, 3.70797},
	{"compile", "vmap", "checkpoint"}:     {5.95392, 3.70797},
	{"vmap", "grad"}:                      {1.25338, -1.03312, -1.14004, -1.03312, -.30667, .72611},
	{"vmap", "grad", "compile"}:           {1.25338, -1.03312, -1.14004, -1.03312, -.30667, .72611},
	{"vmap", "compile", "grad"}:           {1.25338, -1.03312, -1.14004, -1.03312, -.30667, .72611},
	{"compile", "vmap", "grad"}:           {1.25338, -1.03312, -1.14004, -1.03312, -.30667, .72611},
	{"grad", "sum", "vmap"}:               {1.25338, -1.03312, -1.14004, -1.03312, -.30667, .72611},
	{"grad", "sum", "vmap", "compile"}:    {1.25338, -1.03312, -1.14004, -1.03312, -.30667, .72611},
	{"grad", "sum", "vmap", "checkpoint"}: {1.25338, -1.03312, -1.14004, -1.03312, -.30667, .72611},
	{"vmap", "jvp"}:                       {-.91977, -.61368},
}

func TestNestedTransformationsGiveWhatPythonGives(t *testing.T) {
	for _, mode := range []mlx.CompileMode{mlx.CompileDisabled, mlx.CompileEnabled} {
		if mode == mlx.CompileEnabled {
			compiling(t)
		}
		s := scope(t)
		x := mlx.FromSlice(s, []float32{1, 2, 3})
		both := mlx.FromSlice(s, []float32{1, 2, 3, 2, 4, 6}, 2, 3)
		for names, want := range nested {
			f := func(a []*mlx.Array) []*mlx.Array { return one(mlx.Sum(mlx.Exp(mlx.Sin(a[0])))) }
			of := x
			for i := len(names) - 1; i >= 0; i-- {
				if names[i] == "" {
					continue
				}
				if names[i] == "vmap" {
					of = both
				}
				f = nestable[names[i]](f)
			}
			for range 2 { // the second time by the trace
				require.InDeltaSlice(t, want, floats(t, f(one(of))[0]), 2e-5, "%v, mode %d", names, mode)
			}
		}
	}
}

// Where a function is called as it is, Compile's inside Grad too, its arrays end with it, and say so.
func TestArraysOfTheInsideOfAFunctionEndWithIt(t *testing.T) {
	compiling(t)
	s := scope(t)
	x := mlx.FromSlice(s, []float32{1, 2, 3})
	for _, names := range [][]string{{"grad"}, {"vjp"}, {"jvp"}, {"checkpoint"}, {"grad", "compile"}, {"compile", "grad"}, {"grad", "checkpoint"}} {
		var argument, middle, held *mlx.Array
		f := func(a []*mlx.Array) []*mlx.Array {
			argument, middle = a[0], mlx.Exp(a[0])
			held = s.Hold(middle)
			require.NoError(t, argument.Err())
			return one(mlx.Sum(middle))
		}
		for i := len(names) - 1; i >= 0; i-- {
			f = nestable[names[i]](f)
		}
		require.NoError(t, mlx.Eval(f(one(x))...))
		for _, a := range []*mlx.Array{argument, middle} {
			for use, err := range map[string]error{"err": a.Err(), "eval": mlx.Eval(a), "add": mlx.Add(a, x).Err(), "hold": s.Hold(a).Err()} {
				require.ErrorIs(t, err, mlx.ErrStandIn, "%v: %s", names, use)
				require.ErrorContains(t, err, "return it from the function", "%v: %s", names, use)
			}
		}
		if names[0] == "compile" {
			require.ErrorIs(t, mlx.Eval(held), mlx.ErrStandIn)
		} else {
			require.InDeltaSlice(t, []float32{2.71828, 7.38906, 20.0855}, floats(t, held), 1e-4, "%v", names)
		}
	}
}
