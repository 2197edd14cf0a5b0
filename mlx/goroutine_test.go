package mlx_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Goroutines move between threads, and MLX's streams do not.
func TestAnyGoroutineMayDoAnything(t *testing.T) {
	s := scope(t)
	w := mlx.FromSlice(s, []float32{1, 2, 3, 4}, 2, 2)
	var wg sync.WaitGroup
	errs := make(chan error, 64)
	for g := range 16 {
		wg.Go(func() {
			for i := range 100 {
				inner := s.NewScope()
				x := mlx.FromSlice(inner, []float32{float32(g), float32(i)}, 1, 2)
				got, err := mlx.Data[float32](mlx.Matmul(x, w))
				want := []float32{float32(g + 3*i), float32(2*g + 4*i)}
				if err != nil || got[0] != want[0] || got[1] != want[1] {
					errs <- fmt.Errorf("goroutine %d: %v instead of %v: %w", g, got, want, err)
				}
				inner.Close()
				runtime.Gosched()
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
}

func TestFreeWhileAnotherGoroutineBuildsIsAnErrorThere(t *testing.T) {
	s := scope(t)
	for range 300 {
		inner := s.NewScope()
		x := mlx.FromSlice(inner, []float32{1, 2, 3})
		var wg sync.WaitGroup
		wg.Go(inner.Close)
		wg.Go(func() {
			_, err := mlx.Data[float32](mlx.Add(x, x))
			if err != nil && !errors.Is(err, mlx.ErrFreed) {
				t.Error(err)
			}
		})
		wg.Wait()
	}
}

func TestDoRunsAloneAndCarriesPanicsHome(t *testing.T) {
	s := scope(t)
	x := mlx.Scalar(s, float32(2))
	err := mlx.Do(context.Background(), func() error {
		y, err := mlx.Item[float32](mlx.Square(x)) // enters the gate again
		if y != 4 {
			t.Errorf("2² is %v", y)
		}
		return err
	})
	require.NoError(t, err)
	err = mlx.Do(context.Background(), func() error { panic("boom") })
	require.ErrorContains(t, err, "boom")
	var e *mlx.Error
	require.ErrorAs(t, err, &e)
	require.Contains(t, e.Stack(), "TestDoRunsAlone")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, mlx.Do(ctx, func() error { return nil }), context.Canceled)
	require.NoError(t, mlx.Eval(mlx.Exp(x)), "the gate is free again")
}

func TestReadersWaitForWhatIsUnderWay(t *testing.T) {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	x := mlx.Ones(s, mlx.Float32, 300, 300)
	for range 5 {
		x = mlx.Scale(mlx.Matmul(x, x), 1./300)
	}
	require.NoError(t, mlx.AsyncEval(x))
	y := mlx.Shift(x, 1) // built meanwhile
	got, err := mlx.Data[float32](y)
	require.NoError(t, err)
	require.InDelta(t, 2, got[123], 1e-5)
	require.ErrorIs(t, mlx.AsyncEval(mlx.Add(x, mlx.Ones(s, mlx.Float32, 7))), mlx.ErrShape)
	x.Free()
	require.ErrorIs(t, mlx.AsyncEval(x), mlx.ErrFreed)
}

func TestClosingAScopeUnderAComputationIsSafe(t *testing.T) {
	for range 30 {
		s := mlx.NewScope(mlx.CPU)
		x := mlx.Ones(s, mlx.Float32, 64, 64)
		var wg sync.WaitGroup
		for range 4 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for range 20 {
					y := mlx.Exp(mlx.Matmul(x, x))
					got, err := mlx.Data[float32](mlx.Sum(y))
					if err != nil {
						assert.ErrorIs(t, err, mlx.ErrFreed)
						return
					}
					assert.Len(t, got, 1)
				}
			}()
		}
		runtime.Gosched()
		s.Close()
		wg.Wait()
	}
}
