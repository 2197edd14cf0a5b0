package mlx_test

import (
	"testing"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/require"
)

// forOtherShapes are functions whose places, in a trace for other shapes, are those that the arguments
// have when it is run. MLX's own traces, and Python's, keep the numbers: they read another element,
// or write outside the array.
var forOtherShapes = map[string]mlx.Func{
	"the last row": func(a []*mlx.Array) []*mlx.Array { return one(mlx.Index(a[0], mlx.At(-1))) },
	"a row":        func(a []*mlx.Array) []*mlx.Array { return one(mlx.Index(a[0], mlx.At(1), mlx.NewAxis, mlx.Whole)) },
	"an element":   func(a []*mlx.Array) []*mlx.Array { return one(mlx.Index(a[0], mlx.At(0), mlx.At(-1))) },
	"the last of rows": func(a []*mlx.Array) []*mlx.Array {
		return one(mlx.Index(a[0], mlx.FromSlice(a[0].Scope(), []int32{1, 0}), mlx.At(-1)))
	},
	"all":                func(a []*mlx.Array) []*mlx.Array { return one(mlx.Index(a[0], mlx.From(0), mlx.Every(1))) },
	"update":             updateAt(mlx.IndexUpdate, mlx.At(1)),
	"update the last":    updateAt(mlx.IndexUpdate, mlx.Whole, mlx.At(-1)),
	"add to an element":  updateAt(mlx.IndexAdd, mlx.At(1), mlx.At(-1)),
	"multiply a column":  updateAt(mlx.IndexMultiply, mlx.Ellipsis, mlx.At(0)),
	"maximum of a row":   updateAt(mlx.IndexMaximum, mlx.At(-2)),
	"minimum of all":     updateAt(mlx.IndexMinimum, mlx.Whole, mlx.At(1)),
	"the sum of the row": func(a []*mlx.Array) []*mlx.Array { return one(mlx.Sum(mlx.Index(a[0], mlx.At(-1)))) },
}

func updateAt(update func(x, u *mlx.Array, index ...mlx.Indexer) *mlx.Array, index ...mlx.Indexer) mlx.Func {
	return func(a []*mlx.Array) []*mlx.Array {
		return one(update(a[0], mlx.Scalar(a[0].Scope(), float32(3)), index...))
	}
}

func grid(s *mlx.Scope, rows, cols int) *mlx.Array {
	return mlx.Reshape(mlx.Arange(s, 0, float64(rows*cols), 1, mlx.Float32), rows, cols)
}

func TestPlacesOfTracesAreThoseOfTheArguments(t *testing.T) {
	compiling(t)
	s := scope(t)
	for name, f := range forOtherShapes {
		for _, first := range []*mlx.Array{grid(s, 3, 4), grid(s, 2, 2)} {
			for how, traced := range asTraces(t, f, first) {
				for _, other := range []*mlx.Array{first, grid(s, 5, 6), grid(s, 2, 3), grid(s, 4, 3)} {
					want, got := f(one(other))[0], traced(one(other))[0]
					require.NoError(t, mlx.Eval(got), "%s, %s, %v", name, how, other)
					require.Equal(t, want.String(), got.String(), "%s, %s", name, how)
					require.Equal(t, floats(t, want), floats(t, got), "%s, %s, %v", name, how, other)
				}
			}
		}
	}
	for how, traced := range asTraces(t, updateAt(mlx.IndexUpdate, mlx.At(1<<20)), mlx.Zeros(s, mlx.Float32, 1<<20+1)) {
		require.Error(t, traced(one(mlx.Zeros(s, mlx.Float32, 3)))[0].Err(), "%s: there is no such element", how)
	}
}

// A range that happens to be all of an axis, and what MLX's traces keep the lengths of.
func TestRangesAndDiagonalsAreNotTracedForOtherShapes(t *testing.T) {
	compiling(t)
	s := scope(t)
	for name, f := range map[string]func(x *mlx.Array) *mlx.Array{
		"index":        func(x *mlx.Array) *mlx.Array { return mlx.Index(x, mlx.Between(0, 4)) },
		"slice":        func(x *mlx.Array) *mlx.Array { return mlx.Slice(x, 1, mlx.To(9)) },
		"update":       func(x *mlx.Array) *mlx.Array { return mlx.IndexUpdate(x, mlx.Scalar(s, float32(1)), mlx.From(1)) },
		"slice_update": func(x *mlx.Array) *mlx.Array { return mlx.SliceUpdate(x, mlx.Ones(s, mlx.Float32, 1, 4), 0, 1) },
		"diagonal":     func(x *mlx.Array) *mlx.Array { return mlx.Diagonal(x, mlx.Diagonals{}) },
		"diag":         func(x *mlx.Array) *mlx.Array { return mlx.Diag(x, 0) },
		"trace":        func(x *mlx.Array) *mlx.Array { return mlx.Trace(x, mlx.Diagonals{}) },
		"reflect":      func(x *mlx.Array) *mlx.Array { return mlx.Pad(x, mlx.PadReflect, 0, [2]int{1, 1}) },
		"unflatten 1":  func(x *mlx.Array) *mlx.Array { return mlx.Unflatten(mlx.ExpandDims(x, 0), 0, 1, -1) },
	} {
		err := mlx.Eval(mlx.Compile(func(a []*mlx.Array) []*mlx.Array { return one(f(a[0])) }, true)(one(grid(s, 4, 4)))...)
		require.ErrorIs(t, err, mlx.ErrShape, name)
		require.ErrorContains(t, err, "without shapeless", name)
	}
	halves := func(a []*mlx.Array) []*mlx.Array { return one(mlx.Unflatten(a[0], -1, 2, -1)) }
	for how, traced := range asTraces(t, halves, grid(s, 3, 4)) {
		require.Equal(t, "float32[3 2 2]", traced(one(grid(s, 3, 4)))[0].String(), how)
		require.Equal(t, "float32[5 2 2]", traced(one(grid(s, 5, 4)))[0].String(), how)
		y := traced(one(grid(s, 3, 2)))[0] // MLX reads 12 elements of these 6
		if how == "compiled" {
			require.Equal(t, "float32[3 2 1]", y.String())
			continue
		}
		require.ErrorIs(t, y.Err(), mlx.ErrShape, how)
	}
}
