package mlx_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
)

// Beside a GPU, what the CPU alone computes is not translated by a compiler that a machine may not have, unless it is asked for.
func TestFunctionsOfTheCPUAreCalledAsTheyAreBesideAGPU(t *testing.T) {
	runtime.LockOSThread() // MLX keeps traces for each
	defer runtime.UnlockOSThread()
	s := scope(t)
	calls := 0
	f := func(a []*mlx.Array) []*mlx.Array {
		calls++
		return one(mlx.Exp(mlx.Sin(a[0])))
	}
	x := mlx.FromSlice(s, []float32{1, 2, 3})
	twice := func() int {
		calls = 0
		compiled := mlx.Compile(f, false)
		for range 2 {
			require.InDeltaSlice(t, []float32{2.3197768, 2.4825777, 1.1515628}, floats(t, compiled(one(x))[0]), 1e-5)
		}
		return calls
	}
	restore := mlx.BesideAGPU()
	require.Equal(t, 2, twice())
	restore()

	compiling(t)
	require.Equal(t, 1, twice(), "asked for")
}
