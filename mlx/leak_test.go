package mlx_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
)

// forward builds a graph as a transformer's block has it, some 20 operations.
func forward(x, w *mlx.Array) *mlx.Array {
	h := mlx.RMSNorm(x, nil, 1e-5)
	q, k, v := mlx.MatmulT(h, w), mlx.MatmulT(h, w), mlx.MatmulT(h, w)
	pattern := mlx.Softmax(mlx.Scale(mlx.Matmul(q, mlx.Swapaxes(k, -1, -2)), 0.125), -1)
	x = mlx.Add(x, mlx.MatmulT(mlx.Matmul(pattern, v), w))
	h = mlx.LayerNorm(x, nil, nil, 1e-5)
	x = mlx.Add(x, mlx.MatmulT(mlx.SiLU(mlx.MatmulT(h, w)), w))
	return mlx.Sum(mlx.Index(x, mlx.From(1), mlx.Every(2)))
}

// settled waits for the collector until active memory and the library's arrays are down.
func settled(t *testing.T, before int) {
	t.Helper()
	require.Eventually(t, func() bool {
		runtime.GC()
		return mlx.ActiveMemory() <= before+1<<16
	}, 20*time.Second, 5*time.Millisecond, "active memory was %d", before)
}

func TestTenThousandGraphsLeaveNothing(t *testing.T) {
	graphs := 10_000
	if testing.Short() {
		graphs = 1000
	}
	s := scope(t)
	x, w := random(s, 1, -1, 1, 4, 16), random(s, 2, -1, 1, 16, 16)
	require.NoError(t, mlx.Eval(x, w))
	before, handles := mlx.ActiveMemory(), mlx.LiveArrays()
	for range graphs {
		inner := s.NewScope()
		require.NoError(t, mlx.Eval(forward(inner.Hold(x), w)))
		inner.Close()
	}
	settled(t, before)
	require.LessOrEqual(t, mlx.LiveArrays(), handles+100, "with scopes")

	// without scopes the collector finds them
	on := mlx.On(mlx.CPU)
	x, w = on.Hold(x), on.Hold(w)
	most := 0
	for range graphs {
		require.NoError(t, mlx.Eval(forward(x, w)))
		most = max(most, mlx.ActiveMemory())
	}
	settled(t, before)
	require.Eventually(t, func() bool {
		runtime.GC()
		return mlx.LiveArrays() <= handles+100
	}, 20*time.Second, 5*time.Millisecond, "without scopes")
	t.Logf("%d graphs without scopes held %d kB at most", graphs, most>>10)
}

func TestAServerWithALargeHeapDoesNotGrow(t *testing.T) {
	heap, requests := 1024, 1500
	if testing.Short() {
		heap, requests = 64, 200
	}
	var live [][]byte // a gigabyte, which makes collections rare
	for range heap {
		live = append(live, make([]byte, 1<<20))
	}
	s := scope(t)
	x, w := random(s, 1, -1, 1, 64, 64), random(s, 2, -1, 1, 64, 64)
	on := mlx.On(mlx.CPU)
	x, w = on.Hold(x), on.Hold(w)
	before, most := mlx.ActiveMemory(), 0
	for i := range requests {
		request := on.NewScope()
		answer, err := mlx.Item[float32](forward(request.Hold(x), w))
		require.NoError(t, err)
		request.Close()
		_ = fmt.Sprint(i, answer) // garbage of the Go side
		most = max(most, mlx.ActiveMemory())
	}
	require.LessOrEqual(t, most, before+8<<20, "one request's arrays at a time")
	settled(t, before)
	runtime.KeepAlive(live)
}
