package mlx_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
)

// The gradients of a function of captured data have no scope: its parameters have none.
func TestTrainingWithoutScopesStaysNearWhatIsLive(t *testing.T) {
	const size = 4 << 20
	on := mlx.On(mlx.CPU)
	w, data := mlx.Full(on, 0.5, mlx.Float32, 1024, 1024), mlx.Ones(on, mlx.Float32, 1, 1024)
	require.NoError(t, mlx.Eval(w, data))
	grad := mlx.Grad(func(p []*mlx.Array) []*mlx.Array { return []*mlx.Array{mlx.Sum(mlx.Square(mlx.Matmul(data, p[0])))} })
	runtime.GC()
	before, most := mlx.ActiveMemory(), 0
	for range 100 { // 800 MB in all
		w = mlx.Subtract(w, mlx.Scale(grad(w)[0], 1e-9))
		require.NoError(t, mlx.Eval(w))
		most = max(most, mlx.ActiveMemory())
	}
	// what is live, 32 MB that grow without a collection, and what is made while one is under way
	require.Less(t, most, 2*before+32<<20+16*size)
	t.Logf("%d MB at most, for a parameter of %d MB", most>>20, size>>20)
	runtime.KeepAlive(w)
}

// What is freed in a turn that lasts does not wait for its end.
func TestFreesInsideDoTakePlaceThere(t *testing.T) {
	require.NoError(t, mlx.Load())
	before, most := mlx.ActiveMemory(), 0
	require.NoError(t, mlx.Do(context.Background(), func() error {
		for i := range 100 { // 400 MB in all
			s := mlx.NewScope(mlx.CPU)
			x := mlx.Ones(s, mlx.Float32, 1<<20)
			err := mlx.Eval(mlx.Grad(func(p []*mlx.Array) []*mlx.Array { return []*mlx.Array{mlx.Sum(p[0])} })(x)...)
			if i%2 == 0 {
				x.Free()
			}
			s.Close()
			if err != nil {
				return err
			}
			most = max(most, mlx.ActiveMemory())
		}
		return nil
	}))
	require.Less(t, most, before+64<<20)
}

func TestTheCollectorFindsScopesThatNobodyClosed(t *testing.T) {
	require.NoError(t, mlx.Load())
	runtime.GC()
	before := mlx.ActiveMemory()
	var kept []*mlx.Array
	for i := range 50 {
		s := mlx.NewScope(mlx.CPU)
		inner := s.NewScope()
		x := mlx.Full(inner, float64(i), mlx.Float32, 1<<18)
		require.NoError(t, mlx.Eval(x, mlx.Exp(mlx.Ones(s, mlx.Float32, 1<<18))))
		if i%10 == 0 {
			kept = append(kept, x)
		}
	}
	settled(t, before+len(kept)<<20)
	for i, x := range kept {
		near(t, []float32{float32(10 * i)}, mlx.Mean(x), "what the program holds of a lost scope stays")
		near(t, []float32{float32(10*i) + 1}, mlx.Mean(mlx.Add(x, mlx.Ones(x.Scope(), mlx.Float32, 1))), "and is computed with")
		x.Free()
	}
	settled(t, before)
}

func TestALoopThatClosesNoScopeStaysNearWhatIsLive(t *testing.T) {
	require.NoError(t, mlx.Load())
	before, most := mlx.ActiveMemory(), 0
	for range 500 { // 2 GB in all
		s := mlx.NewScope(mlx.CPU)
		require.NoError(t, mlx.Eval(mlx.Ones(s, mlx.Float32, 1<<20)))
		most = max(most, mlx.ActiveMemory())
	}
	// a lost scope is found by one collection and its arrays by the next
	require.Less(t, most, 2*before+512<<20)
	t.Logf("%d MB at most", most>>20)
}

func TestAScopeForgetsWhatIsFreed(t *testing.T) {
	s := scope(t)
	x := mlx.Ones(s, mlx.Float32, 3)
	var live []*mlx.Array
	for i := range 20_000 {
		y := mlx.Exp(x)
		if i%1000 == 0 {
			live = append(live, y)
			continue
		}
		y.Free()
	}
	require.LessOrEqual(t, mlx.RoomOf(s), 10*len(live))
	for _, y := range append(live, x) {
		require.NoError(t, mlx.Eval(y), "what is not freed stays")
	}
}

func TestLostScopesAndFreesMeet(t *testing.T) {
	require.NoError(t, mlx.Load())
	for i := range 100 {
		arrays := func() []*mlx.Array {
			s := mlx.NewScope(mlx.CPU)
			return []*mlx.Array{mlx.Ones(s, mlx.Float32, 3), mlx.Zeros(s, mlx.Float32, 3), mlx.Ones(s, mlx.Int8, 2)}
		}()
		handles := mlx.LiveArrays()
		var all sync.WaitGroup
		all.Go(runtime.GC)
		for _, a := range arrays {
			all.Go(func() {
				if i%2 == 0 {
					runtime.Gosched()
				}
				a.Free()
			})
		}
		all.Wait()
		require.Eventually(t, func() bool { return mlx.LiveArrays() <= handles-len(arrays) }, 20*time.Second, time.Millisecond)
	}
}

func TestALostScopesResultsAreTheCollectors(t *testing.T) {
	x := mlx.Ones(mlx.NewScope(mlx.CPU), mlx.Float32, 4)
	require.Eventually(t, func() bool { // until the scope is found
		runtime.GC()
		return mlx.OwnerOf(x) == nil
	}, 20*time.Second, 5*time.Millisecond)
	y := mlx.Exp(x)
	require.NoError(t, mlx.Eval(y))
	require.Nil(t, mlx.OwnerOf(y))
}
