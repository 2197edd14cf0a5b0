package mlx_test

import (
	"fmt"
	"math"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
)

func one(a *mlx.Array) []*mlx.Array { return []*mlx.Array{a} }

func cube(args []*mlx.Array) []*mlx.Array {
	x := args[0]
	return one(mlx.Sum(mlx.Multiply(x, mlx.Square(x))))
}

func TestGradientOfACubeIsThreeSquares(t *testing.T) {
	s := scope(t)
	x := mlx.FromSlice(s, []float32{1, -2, 3})
	values, grads := mlx.ValueAndGrad(cube)(x)
	near(t, []float32{20}, values[0], "value")
	near(t, []float32{3, 12, 27}, grads[0], "gradient")
	near(t, []float32{3, 12, 27}, mlx.Grad(cube)(x)[0], "gradient alone")
	second := mlx.Grad(func(args []*mlx.Array) []*mlx.Array { return one(mlx.Sum(mlx.Grad(cube)(args...)[0])) })
	near(t, []float32{6, -12, 18}, second(x)[0], "gradient of a gradient")
}

func TestGradientsAreOfTheArgumentsNamed(t *testing.T) {
	s := scope(t)
	f := func(args []*mlx.Array) []*mlx.Array {
		return []*mlx.Array{mlx.Multiply(mlx.Multiply(args[0], args[1]), args[2]), args[1]}
	}
	args := []*mlx.Array{mlx.Scalar(s, float32(2)), mlx.Scalar(s, float32(3)), mlx.Scalar(s, float32(5))}
	values, grads := mlx.ValueAndGrad(f, 2, 0, 2)(args...)
	require.Len(t, values, 2)
	require.Len(t, grads, 3)
	near(t, []float32{6}, grads[2], "of the third, named again")
	near(t, []float32{30}, values[0], "value")
	near(t, []float32{3}, values[1], "what else the function returns")
	near(t, []float32{6}, grads[0], "of the third")
	near(t, []float32{15}, grads[1], "of the first")
}

func TestProductsWithTheJacobian(t *testing.T) {
	s := scope(t)
	// f(x, y) = (x·y, x²): ∂f = ((y, x), (2x, 0))
	f := func(args []*mlx.Array) []*mlx.Array {
		return []*mlx.Array{mlx.Multiply(args[0], args[1]), mlx.Square(args[0])}
	}
	scalar := func(x float32) *mlx.Array { return mlx.Scalar(s, x) }
	values, products := mlx.VJP(f, []*mlx.Array{scalar(2), scalar(3)}, []*mlx.Array{scalar(1), scalar(10)})
	near(t, []float32{6}, values[0], "x·y")
	near(t, []float32{4}, values[1], "x²")
	near(t, []float32{3 + 10*4}, products[0], "cotangents·∂f/∂x")
	near(t, []float32{2}, products[1], "cotangents·∂f/∂y")
	values, products = mlx.JVP(f, []*mlx.Array{scalar(2), scalar(3)}, []*mlx.Array{scalar(1), scalar(10)})
	near(t, []float32{4}, values[1], "x²")
	near(t, []float32{3 + 2*10}, products[0], "∂(x·y)·tangents")
	near(t, []float32{4}, products[1], "∂(x²)·tangents")
}

func TestVmapIsALoop(t *testing.T) {
	s := scope(t)
	x := mlx.Reshape(mlx.Arange(s, 0, 6, 1, mlx.Float32), 2, 3)
	y := mlx.FromSlice(s, []float32{1, 10, 100})
	dot := func(args []*mlx.Array) []*mlx.Array { return one(mlx.Sum(mlx.Multiply(args[0], args[1]))) }
	near(t, []float32{210, 543}, mlx.Vmap(dot, []int{0, mlx.Unmapped}, nil)([]*mlx.Array{x, y})[0], "rows")
	near(t, []float32{3, 50, 700}, mlx.Vmap(dot, []int{-1, 0}, nil)([]*mlx.Array{x, mlx.FromSlice(s, []float32{1, 10, 100})})[0], "columns with one factor each")
	outer := func(args []*mlx.Array) []*mlx.Array { return one(mlx.Multiply(args[0], args[1])) }
	got := mlx.Vmap(outer, []int{0, mlx.Unmapped}, []int{-1})([]*mlx.Array{x, y})[0]
	require.Equal(t, []int{3, 2}, got.Shape())
	near(t, []float32{0, 3, 10, 40, 200, 500}, got, "stacked last")
	for name, bad := range map[string]*mlx.Array{
		"no such axis":     mlx.Vmap(dot, []int{2, 0}, nil)([]*mlx.Array{x, y})[0],
		"different counts": mlx.Vmap(dot, []int{0, 0}, nil)([]*mlx.Array{x, y})[0],
		"nothing mapped":   mlx.Vmap(dot, []int{mlx.Unmapped, mlx.Unmapped}, nil)([]*mlx.Array{x, y})[0],
		"axes missing":     mlx.Vmap(dot, []int{0}, nil)([]*mlx.Array{x, y})[0],
		"a place too far":  mlx.Vmap(dot, []int{0, mlx.Unmapped}, []int{3})([]*mlx.Array{x, y})[0],
		"a 0-d argument":   mlx.Vmap(dot, []int{0, 0}, nil)([]*mlx.Array{x, mlx.Scalar(s, float32(1))})[0],
	} {
		require.Error(t, bad.Err(), name)
	}
}

func TestCheckpointChangesNoNumber(t *testing.T) {
	s := scope(t)
	x := mlx.FromSlice(s, []float32{1, -2, 3})
	calls := 0
	f := mlx.Checkpoint(func(args []*mlx.Array) []*mlx.Array { calls++; return cube(args) })
	near(t, []float32{20}, f([]*mlx.Array{x})[0], "value")
	once := calls
	near(t, []float32{3, 12, 27}, mlx.Grad(f)(x)[0], "gradient")
	require.Greater(t, calls, once+1, "the gradient computes it again")
}

func TestCustomRulesReplaceMLXs(t *testing.T) {
	s := scope(t)
	x := mlx.FromSlice(s, []float32{1, -2, 3})
	square := func(args []*mlx.Array) []*mlx.Array { return one(mlx.Square(args[0])) }
	f := mlx.CustomFunction(square, mlx.Rules{
		VJP: func(primals, cotangents, outputs []*mlx.Array) []*mlx.Array {
			return one(mlx.Add(mlx.Multiply(cotangents[0], mlx.Scale(primals[0], 100)), outputs[0]))
		},
	})
	near(t, []float32{1, 4, 9}, f([]*mlx.Array{x})[0], "value")
	sum := func(args []*mlx.Array) []*mlx.Array { return one(mlx.Sum(f(args)[0])) }
	near(t, []float32{101, -196, 309}, mlx.Grad(sum)(x)[0], "100 x + x²")

	g := mlx.CustomFunction(square, mlx.Rules{
		JVP: func(primals, tangents []*mlx.Array, argnums []int) []*mlx.Array {
			require.Equal(t, []int{0}, argnums)
			return one(mlx.Scale(tangents[0], 7))
		},
		Vmap: func(args []*mlx.Array, axes []int) ([]*mlx.Array, []int) {
			require.Equal(t, []int{0}, axes)
			return one(mlx.Scale(args[0], -1)), axes
		},
	})
	_, products := mlx.JVP(g, one(x), one(mlx.OnesLike(x)))
	near(t, []float32{7, 7, 7}, products[0], "7 t")
	near(t, []float32{-1, 2, -3}, mlx.Vmap(g, nil, nil)(one(x))[0], "−x")
}

func TestCompiledFunctionsNeverShareATrace(t *testing.T) {
	s := scope(t)
	require.NoError(t, mlx.SetCompileMode(mlx.CompileNoFuse))
	defer func() { require.NoError(t, mlx.SetCompileMode(mlx.CompileDisabled)) }()
	x := mlx.FromSlice(s, []float32{1, 2})
	for i := range 200 {
		f := mlx.Compile(func(args []*mlx.Array) []*mlx.Array { return one(mlx.Scale(args[0], float64(i))) }, false)
		for range 2 {
			near(t, []float32{float32(i), float32(2 * i)}, f(one(x))[0], fmt.Sprint(i))
		}
		if i%50 == 0 {
			runtime.GC()
		}
	}
}

func TestCompiledFunctionIsTracedOncePerShape(t *testing.T) {
	s := scope(t)
	require.NoError(t, mlx.SetCompileMode(mlx.CompileNoFuse))
	defer func() { require.NoError(t, mlx.SetCompileMode(mlx.CompileDisabled)) }()
	runtime.LockOSThread() // traces belong to threads
	defer runtime.UnlockOSThread()
	for _, c := range []struct {
		shapeless bool
		traces    int
	}{{false, 2}, {true, 1}} {
		traces := 0
		f := mlx.Compile(func(args []*mlx.Array) []*mlx.Array {
			traces++
			return one(mlx.Exp(args[0]))
		}, c.shapeless)
		for _, n := range []int{2, 2, 3, 2, 3} {
			near(t, make([]float32, n), mlx.Shift(f(one(mlx.Zeros(s, mlx.Float32, n)))[0], -1), "e⁰ − 1")
		}
		assert.Equal(t, c.traces, traces, "shapeless: %v", c.shapeless)
	}
	require.NoError(t, mlx.ClearCompiled())
	require.Error(t, mlx.SetCompileMode(7))
}

func TestFailuresInCallbacksAreErrors(t *testing.T) {
	s := scope(t)
	x := mlx.FromSlice(s, []float32{1, 2})
	var kept *mlx.Array
	for name, c := range map[string]struct {
		f    mlx.Func
		kind error
	}{
		"a panic":              {func([]*mlx.Array) []*mlx.Array { panic("boom") }, mlx.ErrPanic},
		"a run-time panic":     {func(a []*mlx.Array) []*mlx.Array { return one(a[5]) }, mlx.ErrPanic},
		"no results":           {func([]*mlx.Array) []*mlx.Array { return nil }, mlx.ErrShape},
		"a nil result":         {func([]*mlx.Array) []*mlx.Array { return one(nil) }, nil},
		"a failed result":      {func(a []*mlx.Array) []*mlx.Array { return one(mlx.Reshape(a[0], 7)) }, mlx.ErrShape},
		"a freed result":       {func(a []*mlx.Array) []*mlx.Array { r := mlx.Sum(a[0]); r.Free(); return one(r) }, mlx.ErrFreed},
		"a result of no shape": {func(a []*mlx.Array) []*mlx.Array { kept = a[0]; return one(a[0]) }, nil},
	} {
		grads := mlx.Grad(c.f)(x)
		require.Len(t, grads, 1, name)
		err := mlx.Eval(grads...)
		require.Error(t, err, name)
		if c.kind != nil {
			require.ErrorIs(t, err, c.kind, name)
		}
		for transform, f := range map[string]mlx.Func{
			"vmap": mlx.Vmap(c.f, nil, nil), "checkpoint": mlx.Checkpoint(c.f), "custom": mlx.CustomFunction(c.f, mlx.Rules{}),
		} {
			if name != "a result of no shape" {
				require.Error(t, mlx.Eval(f(one(x))...), "%s of %s", transform, name)
			}
		}
	}
	require.ErrorIs(t, mlx.Eval(kept), mlx.ErrFreed, "a stand-in ends with its function")

	err := mlx.Eval(mlx.Grad(func([]*mlx.Array) []*mlx.Array { panic("boom") })(x)...)
	var e *mlx.Error
	require.ErrorAs(t, err, &e)
	require.Contains(t, e.Error(), "boom")
	require.Contains(t, e.Stack(), "TestFailuresInCallbacksAreErrors", "the stack leads to the panic")
	near(t, []float32{3, 12}, mlx.Grad(cube)(x)[0], "the next call works")

	_, grads := mlx.ValueAndGrad(cube, 3, -9)(x)
	require.Len(t, grads, 2)
	require.Error(t, grads[1].Err(), "no such argument")
	_, products := mlx.VJP(cube, one(x), []*mlx.Array{x, x})
	require.Error(t, products[0].Err(), "a cotangent too many")
	_, products = mlx.JVP(cube, one(x), nil)
	require.Error(t, products[0].Err(), "no tangent")
}

func TestEvaluatingInsideATransformation(t *testing.T) {
	s := scope(t)
	x := mlx.FromSlice(s, []float32{1, 2})
	seen := float32(0)
	grads := mlx.Grad(func(a []*mlx.Array) []*mlx.Array {
		sum := mlx.Sum(a[0])
		v, err := mlx.Item[float32](sum)
		require.NoError(t, err)
		seen = v
		return one(mlx.Square(sum))
	})(x)
	near(t, []float32{6, 6}, grads[0], "gradient")
	assert.Equal(t, float32(3), seen)

	require.NoError(t, mlx.SetCompileMode(mlx.CompileNoFuse))
	defer func() { require.NoError(t, mlx.SetCompileMode(mlx.CompileDisabled)) }()
	f := mlx.Compile(func(a []*mlx.Array) []*mlx.Array {
		_, err := mlx.Data[float32](a[0])
		require.Error(t, err, "a stand-in has no elements while a function is compiled")
		return a
	}, false)
	near(t, []float32{1, 2}, f(one(x))[0], "compiled")
}

func TestClosuresEndWithWhatUsesThem(t *testing.T) {
	s := scope(t)
	x := mlx.FromSlice(s, []float32{1, -2, 3})
	require.NoError(t, mlx.SetCompileMode(mlx.CompileNoFuse))
	defer func() { require.NoError(t, mlx.SetCompileMode(mlx.CompileDisabled)) }()
	before := mlx.HeldFunctions()
	for range 50 {
		inner := s.NewScope()
		y := inner.Hold(x)
		mlx.Grad(cube)(y)
		mlx.Grad(mlx.Checkpoint(cube))(y)
		mlx.CustomFunction(cube, mlx.Rules{VJP: func(p, c, o []*mlx.Array) []*mlx.Array { return p }})(one(y))
		require.NoError(t, mlx.Eval(mlx.Compile(cube, false)(one(y))...))
		inner.Close()
	}
	require.Eventually(t, func() bool {
		runtime.GC()
		return mlx.HeldFunctions() <= before
	}, 10*time.Second, 10*time.Millisecond, "functions that the library still holds")
}

func TestTransformationsFromManyGoroutines(t *testing.T) {
	done := make(chan error)
	for g := range 8 {
		go func() {
			s := mlx.NewScope(mlx.CPU)
			defer s.Close()
			for i := range 50 {
				x := mlx.FromSlice(s, []float32{float32(g), float32(i)})
				got, err := mlx.Data[float32](mlx.Grad(cube)(x)[0])
				if err == nil && math.Abs(float64(got[1]-3*float32(i*i))) > 1e-3 {
					err = fmt.Errorf("gradient %v at %d", got, i)
				}
				if err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range 8 {
		require.NoError(t, <-done)
	}
}
