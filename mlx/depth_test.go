package mlx_test

import (
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/require"
)

// chain is x after n operations in a row.
func chain(x *mlx.Array, n int, f func(*mlx.Array) *mlx.Array) *mlx.Array {
	for range n {
		x = f(x)
	}
	return x
}

// A graph too deep for C's stack is refused where MLX recurses, and evaluated.
func TestDeepGraphsAreRefusedOrComputed(t *testing.T) {
	if !inChild(t) {
		return
	}
	one32 := mlx.Scalar(nil, float32(1))
	i32 := mlx.Scalar(nil, int32(1))
	row := mlx.Ones(nil, mlx.Float32, 3, 4)
	for kind, f := range map[string]func(*mlx.Array) *mlx.Array{
		"unary":      mlx.Sin,
		"binary":     func(x *mlx.Array) *mlx.Array { return mlx.Add(x, one32) },
		"promoted":   func(x *mlx.Array) *mlx.Array { return mlx.Add(i32, x) },
		"of several": func(x *mlx.Array) *mlx.Array { return mlx.LayerNorm(x, nil, nil, 1e-5) },
	} {
		if testing.Short() && kind != "unary" {
			continue
		}
		for _, n := range []int{2000, 50000} {
			deep := func(a []*mlx.Array) []*mlx.Array { return one(chain(a[0], n, f)) }
			for name, try := range map[string]func() error{
				"grad": func() error {
					return mlx.Eval(mlx.Grad(func(a []*mlx.Array) []*mlx.Array { return one(mlx.Sum(deep(a)[0])) })(row)...)
				},
				"vmap":    func() error { return mlx.Eval(mlx.Vmap(deep, nil, nil)(one(row))...) },
				"compile": func() error { return mlx.Eval(mlx.Compile(deep, false)(one(row))...) },
				"export":  func() error { return mlx.ExportFunction(filepath.Join(t.TempDir(), "x"), deep, false, row) },
				"dot":     func() error { return mlx.ExportToDOT(io.Discard, nil, chain(row, n, f)) },
				"print":   func() error { return mlx.PrintGraph(io.Discard, nil, chain(row, n, f)) },
			} {
				fmt.Println(kind, n, name)
				err := try()
				if n < 10000 {
					require.NoError(t, err, "%s of %d %s", name, n, kind)
				} else {
					require.ErrorIs(t, err, mlx.ErrMemory, "%s of %d %s", name, n, kind)
				}
				runtime.GC()
			}
		}
	}
	require.NoError(t, mlx.Eval(chain(row, 200000, mlx.Sin)))
}

// What was evaluated has no depth, however it came to that.
func TestALongLoopIsNotADeepGraph(t *testing.T) {
	s := scope(t)
	x := mlx.Scalar(s, float32(1))
	for range 50000 {
		inner := s.NewScope()
		y := mlx.Sin(inner.Hold(x))
		if err := mlx.Eval(mlx.Add(y, y)); err != nil { // and y with it
			t.Fatal(err)
		}
		next := s.Hold(y)
		x.Free()
		x = next
		inner.Close()
	}
	require.NoError(t, mlx.ExportToDOT(io.Discard, nil, mlx.Sin(x)))
}
