package mlx_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/require"
)

// usesOfShape ask an array for its shape before they compute with it.
var usesOfShape = map[string]func(x *mlx.Array) *mlx.Array{
	"index":           func(x *mlx.Array) *mlx.Array { return mlx.Index(x, mlx.At(1), mlx.Between(1, 2)) },
	"index_update":    func(x *mlx.Array) *mlx.Array { return mlx.IndexUpdate(x, mlx.Ones(nil, mlx.Float32), mlx.At(1)) },
	"take":            func(x *mlx.Array) *mlx.Array { return mlx.Take(x, mlx.FromSlice(nil, []int32{1}), 1) },
	"take_along_axis": func(x *mlx.Array) *mlx.Array { return mlx.TakeAlongAxis(x, mlx.FromSlice(nil, []int32{1, 0}, 2, 1), 1) },
	"gather": func(x *mlx.Array) *mlx.Array {
		return mlx.Gather(x, []*mlx.Array{mlx.FromSlice(nil, []int32{1})}, []int{1}, []int{2, 1})
	},
	"scatter_add": func(x *mlx.Array) *mlx.Array {
		return mlx.ScatterAdd(x, []*mlx.Array{mlx.FromSlice(nil, []int32{1})}, mlx.Ones(nil, mlx.Float32, 1, 2, 1), []int{1})
	},
	"slice": func(x *mlx.Array) *mlx.Array { return mlx.Slice(x, 1, mlx.To(1)) },
	"split": func(x *mlx.Array) *mlx.Array { return mlx.Split(x, 2, 1)[1] },
	"inv":   mlx.Inv,
	"scale": func(x *mlx.Array) *mlx.Array { return mlx.Scale(x, 2) },
	"pad":   func(x *mlx.Array) *mlx.Array { return mlx.Pad(x, mlx.PadConstant, 0, [2]int{1, 1}, [2]int{0, 0}) },
	"fft":   func(x *mlx.Array) *mlx.Array { return mlx.FFT(x, 0, 1, mlx.Backward) },
	"vmap": func(x *mlx.Array) *mlx.Array {
		return mlx.Vmap(func(a []*mlx.Array) []*mlx.Array { return a }, nil, nil)([]*mlx.Array{x})[0]
	},
	"compile": func(x *mlx.Array) *mlx.Array {
		return mlx.Compile(func(a []*mlx.Array) []*mlx.Array { return a }, true)([]*mlx.Array{x})[0]
	},
}

func TestUsesOfAFreedArraySaySo(t *testing.T) {
	for name, f := range usesOfShape {
		x := mlx.Ones(nil, mlx.Float32, 2, 2)
		x.Free()
		require.ErrorIs(t, f(x).Err(), mlx.ErrFreed, name)
	}
	x := mlx.Ones(nil, mlx.Float32, 1)
	x.Free()
	_, err := mlx.Item[float32](x)
	require.ErrorIs(t, err, mlx.ErrFreed)
}

// Free may come between any two questions that an operation asks of an array.
func TestFreeDuringAnyUseIsAnError(t *testing.T) {
	n := 2000
	if testing.Short() {
		n = 300
	}
	for name, f := range usesOfShape {
		t.Run(name, func(t *testing.T) {
			for range n {
				x := mlx.Ones(nil, mlx.Float32, 2, 2)
				var wg sync.WaitGroup
				wg.Go(x.Free)
				y := f(x)
				wg.Wait()
				if y.Err() == nil {
					y.Free()
				}
			}
		})
	}
}

func TestFailedPartsAreAsManyAsAsked(t *testing.T) {
	s := scope(t)
	bad := mlx.Matmul(mlx.Ones(s, mlx.Float32, 2), mlx.Ones(s, mlx.Float32, 3))
	require.Error(t, bad.Err())
	for _, parts := range [][]*mlx.Array{
		mlx.Split(bad, 3, 0), mlx.Split(mlx.Ones(s, mlx.Float32, 4), 3, 0), mlx.Split(nil, 3, 0),
		mlx.SplitAt(bad, []int{1, 2}, 0), mlx.SplitAt(mlx.Ones(s, mlx.Float32, 4), []int{2, 1}, 1),
	} {
		require.Len(t, parts, 3)
		for _, p := range parts {
			require.Error(t, p.Err())
		}
	}
}

func TestInnerDoEndsAtItsOwnDeadline(t *testing.T) {
	s := scope(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	err := mlx.Do(t.Context(), func() error {
		soon, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.NoError(t, mlx.Do(soon, func() error { return mlx.Eval(mlx.Ones(s, mlx.Float32, 2)) }))
		inner, stop := context.WithCancel(t.Context())
		require.ErrorIs(t, mlx.Do(inner, func() error {
			stop()
			return mlx.Eval(mlx.Ones(s, mlx.Float32, 3))
		}), context.Canceled)
		require.ErrorIs(t, mlx.Do(ended, func() error { return nil }), context.Canceled)
		return mlx.Eval(mlx.Ones(s, mlx.Float32, 4)) // the outer one goes on
	})
	require.NoError(t, err)
}
