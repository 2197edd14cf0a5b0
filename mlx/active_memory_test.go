package mlx_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/require"
)

// These tests compare what is allocated before and after. They run first, by the name of this
// file, so that no other test's arrays are freed meanwhile.

func TestNothingGrowsOverTenThousandGraphs(t *testing.T) {
	s := scope(t)
	graph := func() {
		inner := s.NewScope()
		defer inner.Close()
		x := mlx.Full(inner, 1, mlx.Float32, 64, 64)
		for range 5 {
			x = mlx.Within(x, func(x *mlx.Array) *mlx.Array { return mlx.Softmax(mlx.Matmul(x, x), -1) })
		}
		require.NoError(t, mlx.Eval(x))
	}
	graph()
	before := mlx.ActiveMemory()
	n := 10_000
	if testing.Short() {
		n = 500
	}
	for range n {
		graph()
	}
	require.Equal(t, before, mlx.ActiveMemory())
}

func TestCollectorFreesWhatNoScopeOwns(t *testing.T) {
	require.NoError(t, mlx.Load())
	runtime.GC()
	before := mlx.ActiveMemory()
	for range 100 {
		require.NoError(t, mlx.Eval(mlx.Zeros(mlx.On(mlx.CPU), mlx.Float32, 1<<16)))
	}
	require.Eventually(t, func() bool {
		runtime.GC()
		return mlx.ActiveMemory() <= before+1<<18
	}, 10*time.Second, 10*time.Millisecond)
}

func TestClearedCacheHoldsNoBuffers(t *testing.T) {
	s := mlx.NewScope(mlx.CPU)
	require.NoError(t, mlx.Eval(mlx.Ones(s, mlx.Float32, 1<<20)))
	s.Close()
	require.NoError(t, mlx.Do(context.Background(), func() error { return nil })) // what is queued to be freed is
	before := mlx.CacheMemory()
	require.GreaterOrEqual(t, before, 4<<20)
	mlx.ClearCache()
	require.Less(t, mlx.CacheMemory(), 4<<20, "the collector may free something meanwhile")
}

func TestTrimmedCacheIsEmptyOnACPUAndBoundedOnAGPU(t *testing.T) {
	require.NoError(t, mlx.Load())
	s := mlx.NewScope(mlx.DefaultDevice())
	require.NoError(t, mlx.Eval(mlx.Ones(s, mlx.Float32, 1<<20)))
	s.Close()
	require.NoError(t, mlx.Do(context.Background(), func() error { return nil }))
	bound := 4<<20 - 1 // the collector may free something meanwhile
	if mlx.GPU.Available() {
		bound = mlx.MemoryLimit() / 16
	}
	mlx.TrimCache()
	require.LessOrEqual(t, mlx.CacheMemory(), bound)
}

func TestLackingMemoryIsAnErrorAfterOneRetry(t *testing.T) {
	const block, room = 16 << 20, 64 << 20
	require.NoError(t, mlx.Eval(mlx.Zeros(nil, mlx.Float32, 1)))
	runtime.GC()
	mlx.ClearCache()
	before, err := mlx.SetMemoryLimit(mlx.ActiveMemory() + room)
	require.NoError(t, err)
	defer func() {
		_, err := mlx.SetMemoryLimit(before)
		require.NoError(t, err)
	}()
	on := mlx.On(mlx.CPU)
	for i := range 40 {
		x := mlx.Full(on, float64(i), mlx.Float32, block/4)
		require.NoError(t, mlx.Eval(x), "%d blocks were dropped, and the retry frees them", i)
	}
	var kept []*mlx.Array
	for len(kept) < 20 && err == nil {
		x := mlx.Full(on, 1, mlx.Float32, block/4)
		if err = mlx.Eval(x); err == nil {
			kept = append(kept, x)
		}
	}
	require.ErrorIs(t, err, mlx.ErrMemory)
	require.LessOrEqual(t, len(kept), room/block)
	require.GreaterOrEqual(t, len(kept), room/block-2)
	for _, x := range kept {
		x.Free()
	}
	require.NoError(t, mlx.Eval(mlx.Full(on, 1, mlx.Float32, block/4)), "and then there is room again")
	require.Error(t, mlx.Zeros(on, mlx.Float32, room).Err(), "more than the limit at once")
}
