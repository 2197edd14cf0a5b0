package mlx_test

import (
	"runtime"
	"sync"
	"testing"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/require"
)

// freshThreads starts goroutines on threads of their own that do one function each. Threads
// that all wait at once are not those that the tests before have used.
func freshThreads(t *testing.T, n int) chan<- func() {
	work, end := make(chan func()), make(chan bool)
	var waiting, ended sync.WaitGroup
	waiting.Add(n)
	for range n {
		ended.Go(func() {
			runtime.LockOSThread() // and never unlocked: the thread ends too
			waiting.Done()
			select {
			case f := <-work:
				f()
				<-end
			case <-end:
			}
		})
	}
	waiting.Wait()
	t.Cleanup(func() {
		close(end)
		ended.Wait()
	})
	return work
}

// MLX gives each thread default streams of its own, and no other thread can evaluate what is
// computed on them. No operation may leave anything there.
func TestAnyThreadEvaluatesWhatAnyOtherBuilt(t *testing.T) {
	cases := map[string][]recordedCase{}
	for _, c := range recordedCases(t) {
		if c.Out != nil && refused(c) == "" {
			cases[c.Op] = append(cases[c.Op], c)
		}
	}
	require.Greater(t, len(cases), 200)
	work := freshThreads(t, len(cases)+runtime.GOMAXPROCS(0)+16)
	for op, all := range cases {
		s := scope(t)
		ins, outs := make([][]*mlx.Array, len(all)), make([][]*mlx.Array, len(all))
		for k, c := range all {
			ins[k] = make([]*mlx.Array, len(c.In))
			for i, r := range c.In {
				if r != nil {
					ins[k][i] = fromBytes(s, dtypeNamed(r.Dtype), r.bytes(t), r.Shape)
				}
			}
		}
		built := make(chan bool)
		work <- func() {
			defer close(built)
			for k, c := range all {
				outs[k] = recorded[op](s, ins[k], c.Params)
			}
		}
		<-built
		for k, out := range outs {
			require.NoError(t, mlx.Eval(out...), "%s with %s", op, all[k].Params)
		}
	}
}
