package mlx_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

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

func TestAnErrorNamesThePackageOnce(t *testing.T) {
	s := scope(t)
	x := mlx.Ones(s, mlx.Float32, 2, 3)
	square := func(a []*mlx.Array) []*mlx.Array { return []*mlx.Array{mlx.Matmul(a[0], a[0])} }
	inside := mlx.Compile(func(a []*mlx.Array) []*mlx.Array { return mlx.Grad(square)(a...) }, false)([]*mlx.Array{x})[0].Err()
	again := mlx.Failed("layer", inside).Err()
	require.ErrorIs(t, again, mlx.ErrShape)
	require.ErrorContains(t, again, "mlx: layer: compile: in its function: grad: in its function: matmul: ")
	require.Equal(t, 1, strings.Count(again.Error(), "mlx: "), again.Error())
}

func TestAnArgumentThatIsCapturedTooIsNamed(t *testing.T) {
	require.NoError(t, mlx.SetCompileMode(mlx.CompileNoFuse))
	defer func() { require.NoError(t, mlx.SetCompileMode(mlx.CompileDisabled)) }()
	x := mlx.Ones(scope(t), mlx.Float32, 2)
	y := mlx.Compile(func(a []*mlx.Array) []*mlx.Array { return []*mlx.Array{mlx.Add(a[0], x)} }, false)([]*mlx.Array{x})[0]
	require.ErrorContains(t, y.Err(), "an argument is also captured by the function")
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
