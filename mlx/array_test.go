package mlx_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
)

func scope(t testing.TB) *mlx.Scope {
	t.Helper()
	require.NoError(t, mlx.Load())
	s := mlx.NewScope(mlx.CPU)
	t.Cleanup(s.Close)
	return s
}

func floats(t testing.TB, a *mlx.Array) []float32 {
	t.Helper()
	xs, err := mlx.Data[float32](a)
	require.NoError(t, err)
	return xs
}

func TestDataIsRowMajorWhateverTheLayout(t *testing.T) {
	s := scope(t)
	x := mlx.FromSlice(s, []float32{1, 2, 3, 4, 5, 6}, 2, 3)
	assert.Equal(t, []float32{1, 4, 2, 5, 3, 6}, floats(t, mlx.Transpose(x)))
	assert.Equal(t, []float32{1, 1, 1}, floats(t, mlx.BroadcastTo(mlx.Scalar(s, float32(1)), 3)))
	assert.Equal(t, []float32{2, 5}, floats(t, mlx.Slice(x, 1, 1, 2)))
	assert.Empty(t, floats(t, mlx.FromSlice(s, []float32{}, 0, 3)))
}

func TestEveryDtypeMakesTheRoundTrip(t *testing.T) {
	s := scope(t)
	roundTrip(t, s, []bool{true, false})
	roundTrip(t, s, []uint8{0, 255})
	roundTrip(t, s, []uint16{0, 65535})
	roundTrip(t, s, []uint32{0, math.MaxUint32})
	roundTrip(t, s, []uint64{0, math.MaxUint64})
	roundTrip(t, s, []int8{-128, 127})
	roundTrip(t, s, []int16{-32768, 32767})
	roundTrip(t, s, []int32{math.MinInt32, math.MaxInt32})
	roundTrip(t, s, []int64{math.MinInt64, math.MaxInt64})
	roundTrip(t, s, []float32{-1.5, math.MaxFloat32})
	roundTrip(t, s, []float64{-1.5, math.MaxFloat64})
	roundTrip(t, s, []complex64{1 + 2i, -3i})
	roundTrip(t, s, []mlx.Half{0x3c00, 0x7bff})
	roundTrip(t, s, []mlx.Brain{0x3f80, 0x7f7f})
}

func roundTrip[T mlx.Element](t *testing.T, s *mlx.Scope, data []T) {
	t.Helper()
	a := mlx.FromSlice(s, data)
	require.Equal(t, mlx.DtypeOf[T](), a.Dtype())
	got, err := mlx.Data[T](a)
	require.NoError(t, err)
	require.Equal(t, data, got)
}

func TestHalfAndBrainWidenAsMLXDoes(t *testing.T) {
	s := scope(t)
	halves, brains := make([]mlx.Half, 1<<16), make([]mlx.Brain, 1<<16)
	for i := range halves {
		halves[i], brains[i] = mlx.Half(i), mlx.Brain(i)
	}
	for i, want := range floats(t, mlx.AsType(mlx.FromSlice(s, halves), mlx.Float32)) {
		same(t, want, halves[i].Float32(), i)
	}
	for i, want := range floats(t, mlx.AsType(mlx.FromSlice(s, brains), mlx.Float32)) {
		same(t, want, brains[i].Float32(), i)
	}
}

func same(t *testing.T, want, got float32, bits int) {
	t.Helper()
	if want != got && !(math.IsNaN(float64(want)) && math.IsNaN(float64(got))) {
		t.Fatalf("%#04x is %v, want %v", bits, got, want)
	}
}

func TestErrorsStickAndNameTheFirstFailure(t *testing.T) {
	s := scope(t)
	a := mlx.FromSlice(s, make([]float32, 6), 2, 3)
	b := mlx.FromSlice(s, make([]float32, 2), 2)
	bad := mlx.Exp(mlx.Sum(mlx.Add(a, b)))
	for _, err := range []error{bad.Err(), mlx.Eval(a, bad), func() error { _, err := mlx.Data[float32](bad); return err }()} {
		require.ErrorIs(t, err, mlx.ErrShape)
		require.ErrorContains(t, err, "mlx: add: ")
		require.ErrorContains(t, err, "float32[2 3], float32[2]")
		require.NotContains(t, err.Error(), ".cpp")
	}
	var e *mlx.Error
	require.ErrorAs(t, bad.Err(), &e)
	require.Contains(t, e.Stack(), "TestErrorsStickAndNameTheFirstFailure")
}

func TestWrongUseIsAnErrorNotACrash(t *testing.T) {
	s := scope(t)
	x := mlx.FromSlice(s, []float32{1, 2, 3, 4}, 4)
	m := mlx.FromSlice(s, make([]float32, 64*8), 8, 64)
	index := func(i ...int32) *mlx.Array { return mlx.FromSlice(s, i) }
	q := mlx.Quantization{GroupSize: 64, Bits: 4, Mode: "affine"}
	w, sc, bi := mlx.Quantize(m, q)
	freed := mlx.Exp(x)
	freed.Free()
	var none *mlx.Array
	for name, c := range map[string]struct {
		a    *mlx.Array
		kind error
	}{
		"index past the end":          {mlx.Take(x, index(4), 0), mlx.ErrIndex},
		"index 10⁹":                   {mlx.Take(x, index(1_000_000_000), 0), mlx.ErrIndex},
		"index below the start":       {mlx.Take(x, index(-5), 0), mlx.ErrIndex},
		"index along an axis":         {mlx.TakeAlongAxis(x, index(99), 0), mlx.ErrIndex},
		"float index":                 {mlx.Take(x, x, 0), mlx.ErrDtype},
		"axis 9":                      {mlx.Softmax(x, 9), mlx.ErrIndex},
		"2⁵⁰ zeros":                   {mlx.Zeros(s, mlx.Float32, 1<<25, 1<<25), mlx.ErrMemory},
		"a size that wraps":           {mlx.Zeros(s, mlx.Float32, 1<<30, 1<<30, 1<<30), mlx.ErrShape},
		"a negative size":             {mlx.Zeros(s, mlx.Float32, -3), mlx.ErrShape},
		"a dtype that does not exist": {mlx.Zeros(s, mlx.Dtype(77), 2), mlx.ErrDtype},
		"astype 77":                   {mlx.AsType(x, mlx.Dtype(77)), mlx.ErrDtype},
		"data of another length":      {mlx.FromSlice(s, []float32{1}, 2), mlx.ErrShape},
		"reshape to (-2, -3)":         {mlx.Reshape(x, -2, -3), mlx.ErrShape},
		"an endless range":            {mlx.Arange(s, 0, 1, 0, mlx.Float32), mlx.ErrShape},
		"a group size of 7":           {mlx.QuantizedMatmul(m, w, sc, bi, mlx.Quantization{GroupSize: 7, Bits: 4, Mode: "affine"}), mlx.ErrShape},
		"another group size":          {mlx.QuantizedMatmul(m, w, sc, bi, mlx.Quantization{GroupSize: 32, Bits: 4, Mode: "affine"}), mlx.ErrShape},
		"a mode with a format":        {mlx.Dequantize(w, sc, bi, mlx.Quantization{GroupSize: 64, Bits: 4, Mode: "%s%n"}, mlx.Float32), mlx.ErrShape},
		"affine without biases":       {mlx.Dequantize(w, sc, nil, q, mlx.Float32), mlx.ErrShape},
		"a freed operand":             {mlx.Add(freed, x), mlx.ErrFreed},
		"a matrix product of 4 and 8": {mlx.Matmul(x, m), nil},
		"no arrays":                   {mlx.Concatenate(0), mlx.ErrShape},
		"a nil operand":               {mlx.Add(x, none), nil},
		"split in 0 parts":            {mlx.Split(x, 0, 0)[0], mlx.ErrShape},
	} {
		err := c.a.Err()
		if assert.Error(t, err, name) && c.kind != nil {
			assert.ErrorIs(t, err, c.kind, "%s: %v", name, err)
		}
	}
	require.Error(t, none.Err())
	_, err := mlx.Item[float32](x)
	require.ErrorIs(t, err, mlx.ErrShape)
	_, err = mlx.Data[int32](x)
	require.ErrorIs(t, err, mlx.ErrDtype, "reading float32 as int32 would reinterpret the bits")
}

func TestComputedIndicesAreClamped(t *testing.T) {
	s := scope(t)
	x := mlx.FromSlice(s, []float32{1, 2, 3, 4})
	computed := mlx.Add(mlx.FromSlice(s, []int32{1, 999, -999}), mlx.FromSlice(s, []int32{0}))
	assert.Equal(t, []float32{2, 4, 1}, floats(t, mlx.Take(x, computed, 0)))
}

func TestScopeOwnsWhatIsComputedInIt(t *testing.T) {
	outer := scope(t)
	weight := mlx.FromSlice(mlx.On(mlx.CPU), []float32{1, 2})
	inner := outer.NewScope()
	x := mlx.FromSlice(inner, []float32{3, 4})
	y := mlx.Add(x, weight)
	kept := outer.Hold(y)
	free := mlx.Add(weight, weight)
	inner.Close()
	inner.Close()
	require.ErrorIs(t, mlx.Eval(y), mlx.ErrFreed)
	assert.Equal(t, []float32{4, 6}, floats(t, kept))
	assert.Equal(t, []float32{2, 4}, floats(t, free), "made from weights alone, it has no scope")
	require.ErrorIs(t, mlx.FromSlice(inner, []float32{1}).Err(), mlx.ErrFreed)
}

func TestKeptArrayOutlivesItsScope(t *testing.T) {
	require.NoError(t, mlx.Load())
	s := mlx.NewScope(mlx.CPU)
	x := mlx.FromSlice(s, []float32{1})
	s.Keep(x)
	s.Close()
	assert.Equal(t, []float32{1}, floats(t, x))
	x.Free()
	x.Free()
	require.ErrorIs(t, mlx.Eval(x), mlx.ErrFreed)
}

func TestWithinKeepsOnlyTheResult(t *testing.T) {
	s := scope(t)
	x := mlx.FromSlice(s, []float32{1, 2})
	var middle *mlx.Array
	y := mlx.Within(x, func(x *mlx.Array) *mlx.Array {
		middle = mlx.Exp(x)
		return mlx.Log(middle)
	})
	require.ErrorIs(t, mlx.Eval(middle), mlx.ErrFreed)
	assert.InDeltaSlice(t, []float32{1, 2}, floats(t, y), 1e-6)
}

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

func TestErrorTextsStayWithTheirGoroutine(t *testing.T) {
	s := scope(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	wrong := 0
	for g := range 8 {
		wg.Go(func() {
			a := mlx.FromSlice(s, make([]float32, g+2))
			b := mlx.FromSlice(s, make([]float32, 100))
			want := fmt.Sprintf("Shapes (%d) and (100)", g+2)
			for range 200 {
				if err := mlx.Add(a, b).Err(); err == nil || !containsText(err, want) {
					mu.Lock()
					wrong++
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	require.Zero(t, wrong)
}

func containsText(err error, text string) bool {
	for i := 0; i+len(text) <= len(err.Error()); i++ {
		if err.Error()[i:i+len(text)] == text {
			return true
		}
	}
	return false
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

func BenchmarkBuildAdd(b *testing.B) {
	s := scope(b)
	x := mlx.Scalar(s, float32(1))
	b.ReportAllocs()
	inner := s.NewScope()
	y := inner.Hold(x)
	for i := range b.N {
		if i%1000 == 999 {
			inner.Close()
			inner = s.NewScope()
			y = inner.Hold(x)
		}
		mlx.Add(y, y)
	}
	inner.Close()
}

func BenchmarkEvalSmall(b *testing.B) {
	s := scope(b)
	x := mlx.Scalar(s, float32(1))
	b.ReportAllocs()
	for range b.N {
		y := mlx.Add(x, x)
		require.NoError(b, mlx.Eval(y))
		y.Free()
	}
}

func TestRoundingTo16BitsUndoesWidening(t *testing.T) {
	for bits := range 1 << 16 {
		h, b := mlx.Half(bits), mlx.Brain(bits)
		if x := h.Float32(); x == x {
			require.Equal(t, h, mlx.HalfOf(x), "%#x", bits)
		}
		if x := b.Float32(); x == x {
			require.Equal(t, b, mlx.BrainOf(x), "%#x", bits)
		}
	}
	for x, want := range map[float32]mlx.Half{
		1 + 0x1p-11: 0x3c00, 1 + 0x1p-11 + 0x1p-20: 0x3c01, 1 + 0x3p-11: 0x3c02, // halves go to even
		65519: 0x7bff, 65520: 0x7c00, 1e9: 0x7c00, -0x1p-25: 0x8000, 0x1.8p-25: 1,
	} {
		require.Equal(t, want, mlx.HalfOf(x), "%v", x)
	}
	require.Equal(t, mlx.Brain(0x3f80), mlx.BrainOf(1+0x1p-8), "a half goes to even")
	require.Equal(t, mlx.Brain(0x3f82), mlx.BrainOf(1+0x3p-8))
	for _, nan := range []float32{mlx.HalfOf(float32(math.NaN())).Float32(), mlx.BrainOf(math.Float32frombits(0x7f800001)).Float32()} {
		require.True(t, nan != nan)
	}
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
