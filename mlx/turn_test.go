package mlx_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/require"
)

// evaluator returns a function that MLX calls back, and that has its value computed elsewhere.
func evaluator(elsewhere func(compute func())) (f mlx.Func, inner *error) {
	inner = new(error)
	return func(a []*mlx.Array) []*mlx.Array {
		elsewhere(func() { _, *inner = mlx.Item[float32](mlx.Sum(mlx.Ones(nil, mlx.Float32, 3))) })
		return one(mlx.Sum(mlx.Square(a[0])))
	}, inner
}

func onNewGoroutine(f func()) {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	<-done
}

func TestAGoroutineThatAFuncWaitsForMayNotEvaluate(t *testing.T) {
	x := mlx.Ones(scope(t), mlx.Float32, 3)
	for name, transform := range map[string]func(mlx.Func) []*mlx.Array{
		"grad":    func(f mlx.Func) []*mlx.Array { return mlx.Grad(f)(x) },
		"vmap":    func(f mlx.Func) []*mlx.Array { return mlx.Vmap(f, nil, nil)(one(x)) },
		"compile": func(f mlx.Func) []*mlx.Array { return mlx.Compile(f, false)(one(x)) },
	} {
		f, inner := evaluator(onNewGoroutine)
		out := transform(f)
		require.ErrorIs(t, *inner, mlx.ErrStuck, name)
		require.ErrorContains(t, *inner, "must evaluate on its own goroutine", name)
		require.NoError(t, mlx.Eval(out...), "%s: the function made do without", name)
	}
	f, inner := evaluator(func(f func()) { onNewGoroutine(func() { onNewGoroutine(f) }) })
	mlx.Grad(f)(x)
	require.ErrorIs(t, *inner, mlx.ErrStuck, "by way of a third")
	require.NoError(t, mlx.Do(t.Context(), func() error {
		f, inner = evaluator(onNewGoroutine)
		f(one(x))
		return nil
	}))
	require.ErrorIs(t, *inner, mlx.ErrStuck, "in Do")
	require.NoError(t, mlx.Eval(mlx.Exp(x)), "the gate is free again")
}

func TestAWorkerThatAFuncWaitsForMayNotEvaluate(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes 5 s to tell a worker from a bystander")
	}
	work := make(chan func())
	defer close(work)
	go func() {
		for f := range work {
			f()
		}
	}()
	f, inner := evaluator(func(f func()) {
		done := make(chan struct{})
		work <- func() { defer close(done); f() }
		<-done
	})
	// the worker was not made by the one inside
	onNewGoroutine(func() { mlx.Grad(f)(mlx.Ones(nil, mlx.Float32, 3)) })
	require.ErrorIs(t, *inner, mlx.ErrStuck)
}

// A Func may wait for a goroutine that does not evaluate, and others wait their turn.
func TestAFuncMayWaitForWhatDoesNotEvaluate(t *testing.T) {
	require.NoError(t, mlx.Load())
	inside, out := make(chan struct{}), make(chan error, 4)
	var wg sync.WaitGroup
	wg.Go(func() {
		g := mlx.Grad(func(a []*mlx.Array) []*mlx.Array {
			close(inside)
			onNewGoroutine(func() { time.Sleep(700 * time.Millisecond) })
			return one(mlx.Sum(a[0]))
		})(mlx.Ones(nil, mlx.Float32, 3))
		out <- mlx.Eval(g...)
	})
	<-inside
	for range 3 {
		wg.Go(func() { out <- mlx.Eval(mlx.Exp(mlx.Ones(nil, mlx.Float32, 3))) })
	}
	wg.Wait()
	close(out)
	for err := range out {
		require.NoError(t, err)
	}
}

func TestDoEndsWithItsContext(t *testing.T) {
	x := mlx.Ones(scope(t), mlx.Float32, 3)
	ctx, cancel := context.WithCancel(t.Context())
	var inner error
	err := mlx.Do(ctx, func() error {
		require.NoError(t, mlx.Eval(mlx.Exp(x)))
		cancel()
		inner = mlx.Eval(mlx.Exp(x))
		return nil
	})
	require.ErrorIs(t, inner, context.Canceled, "what it evaluates after the end")
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, mlx.Eval(mlx.Exp(x)))

	// the wait for its turn ends too
	inside, leave := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = mlx.Do(context.Background(), func() error { close(inside); <-leave; return nil })
	})
	<-inside
	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	ran := false
	require.ErrorIs(t, mlx.Do(ctx, func() error { ran = true; return nil }), context.DeadlineExceeded)
	require.False(t, ran)
	close(leave)
	wg.Wait()
}
