package mlx_test

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
)

// crashes are the inputs, of those tried on MLX 0.32.2 each in a process of its own, that
// ended the process, hung or read or wrote outside an array, by area and name: here each is an
// error. Files are in file_test.go; what cannot be written in Go (a handle of another kind, a
// callback that returns nothing) is left out.
func crashes(s *mlx.Scope) map[string]func() *mlx.Array {
	x := mlx.FromSlice(s, []float32{1, 2, 3, 4})
	m := mlx.Reshape(mlx.Arange(s, 0, 16, 1, mlx.Float32), 4, 4)
	u := mlx.FromSlice(s, []float32{9})
	at := func(i int32) *mlx.Array { return mlx.FromSlice(s, []int32{i}) }
	ints := func(xs ...int32) *mlx.Array { return mlx.FromSlice(s, xs) }
	cases := map[string]func() *mlx.Array{
		"bounds | take rows [49152,576] id 49152":  func() *mlx.Array { return mlx.Take(mlx.Zeros(s, mlx.Float16, 49152, 576), at(49152), 0) },
		"bounds | take_along_axis 1e9":             func() *mlx.Array { return mlx.TakeAlongAxis(x, at(1e9), 0) },
		"bounds | take_along_axis 5":               func() *mlx.Array { return mlx.TakeAlongAxis(x, at(5), 0) },
		"bounds | gather index 1e9":                func() *mlx.Array { return mlx.Gather(x, []*mlx.Array{at(1e9)}, []int{0}, []int{1}) },
		"bounds | gather a slice over the end":     func() *mlx.Array { return mlx.Gather(x, []*mlx.Array{at(3)}, []int{0}, []int{2}) },
		"bounds | put_along_axis 1e9":              func() *mlx.Array { return mlx.PutAlongAxis(x, at(1e9), u, 0) },
		"bounds | put_along_axis 100 (heap write)": func() *mlx.Array { return mlx.PutAlongAxis(x, at(100), u, 0) },
		"bounds | scatter index 1e9":               func() *mlx.Array { return mlx.Scatter(x, []*mlx.Array{at(1e9)}, mlx.Reshape(u, 1, 1), []int{0}) },
		"bounds | scatter_add a slice over the end": func() *mlx.Array {
			return mlx.ScatterAdd(x, []*mlx.Array{at(3)}, mlx.Ones(s, mlx.Float32, 1, 2), []int{0})
		},
		"bounds | gather_mm index 1e6": func() *mlx.Array {
			return mlx.GatherMM(mlx.Reshape(m, 1, 4, 4), mlx.Reshape(m, 1, 4, 4), at(0), at(1e6), false)
		},
		"bounds | gather_qmm index 1e6": func() *mlx.Array {
			q := mlx.Quantization{GroupSize: 32, Bits: 4, Mode: "affine"}
			w, sc, b := mlx.Quantize(mlx.Ones(s, mlx.Float32, 1, 32, 32), q)
			return mlx.GatherQMM(mlx.Ones(s, mlx.Float32, 1, 1, 32), w, sc, b, at(0), at(1e6), true, q, false)
		},
		"bounds | segmented_mm OOB segments": func() *mlx.Array { return mlx.SegmentedMM(m, m, mlx.FromSlice(s, []uint32{0, 999}, 1, 2)) },
		"bounds | cross_entropy target 1e9":  func() *mlx.Array { return mlx.CrossEntropy(mlx.Reshape(x, 1, 4), at(1e9)) },
		"bounds | cross_entropy target -1":   func() *mlx.Array { return mlx.CrossEntropy(mlx.Reshape(x, 1, 4), at(-1)) },
		"bounds | index 4 of 4":              func() *mlx.Array { return mlx.Index(x, mlx.At(4)) },
		"bounds | masked_scatter of too few": func() *mlx.Array {
			return mlx.MaskedScatter(x, mlx.FromSlice(s, []bool{true, true, true, false}), ints(1, 2))
		},

		"dtype | astype 77":               func() *mlx.Array { return mlx.AsType(x, mlx.Dtype(77)) },
		"dtype | astype -1":               func() *mlx.Array { return mlx.AsType(x, mlx.Dtype(255)) },
		"dtype | zeros dtype 14":          func() *mlx.Array { return mlx.Zeros(s, mlx.Dtype(14), 2) },
		"dtype | view 99":                 func() *mlx.Array { return mlx.View(x, mlx.Dtype(99)) },
		"dtype | floor_divide int32 by 0": func() *mlx.Array { return mlx.FloorDivide(ints(7), ints(0)) },
		"dtype | remainder int32 by 0":    func() *mlx.Array { return mlx.Remainder(ints(7), ints(0)) },
		"dtype | divmod int64 by 0": func() *mlx.Array {
			q, _ := mlx.Divmod(mlx.FromSlice(s, []int64{7}), mlx.FromSlice(s, []int64{0}))
			return q
		},
		"data | new_data negative dim":  func() *mlx.Array { return mlx.FromSlice(s, []float32{1}, -1) },
		"data | new_data product 2^62":  func() *mlx.Array { return mlx.FromSlice(s, []float32{1}, 1<<31, 1<<31) },
		"data | new_data product wraps": func() *mlx.Array { return mlx.FromSlice[float32](s, nil, 1<<32, 1<<32) },
		"data | new_data dtype 77":      func() *mlx.Array { return mlx.FromBytes(s, []byte{1}, mlx.Dtype(77), 1) },
		"errors | %s%n in quantize mode": func() *mlx.Array {
			w, _, _ := mlx.Quantize(m, mlx.Quantization{GroupSize: 32, Bits: 4, Mode: "%s%n"})
			return w
		},
		"errors | %s%n in einsum":      func() *mlx.Array { return mlx.Einsum("%s%n", x) },
		"errors | %s%n in a pad mode":  func() *mlx.Array { return mlx.Pad(x, "%s%n", 0, [2]int{1, 1}) },
		"errors | %s%n in a side":      func() *mlx.Array { return mlx.Searchsorted(x, x, "%s%n") },
		"errors | %s%n in an indexing": func() *mlx.Array { return mlx.Meshgrid("%s%n", false, x)[0] },
		"errors | %s%n in a norm":      func() *mlx.Array { return mlx.NormMatrix(m, "%s%n", 0, 1) },
		"nn | conv1d groups 0": func() *mlx.Array {
			return mlx.Conv1D(mlx.Ones(s, mlx.Float32, 1, 4, 2), mlx.Ones(s, mlx.Float32, 2, 2, 2), mlx.Conv{Groups: -1})
		},
		"nn | conv1d groups 3 of 2": func() *mlx.Array {
			return mlx.Conv1D(mlx.Ones(s, mlx.Float32, 1, 4, 2), mlx.Ones(s, mlx.Float32, 2, 2, 2), mlx.Conv{Groups: 3})
		},
		"nn | conv_general stride 0": func() *mlx.Array {
			return mlx.ConvGeneral(mlx.Ones(s, mlx.Float32, 1, 4, 2), mlx.Ones(s, mlx.Float32, 2, 2, 2), mlx.Conv{Stride: []int{0}})
		},
		"nn | conv2d dilation 2^30": func() *mlx.Array {
			return mlx.Conv2D(mlx.Ones(s, mlx.Float32, 1, 4, 4, 2), mlx.Ones(s, mlx.Float32, 2, 2, 2, 2), mlx.Conv{Dilation: []int{1 << 30}})
		},
		"nn | quantized product, group 16": func() *mlx.Array {
			return mlx.QuantizedMatmul(mlx.Ones(s, mlx.Float32, 1, 32), mlx.Zeros(s, mlx.Uint32, 8, 4), mlx.Ones(s, mlx.Float32, 8, 2), mlx.Ones(s, mlx.Float32, 8, 2), mlx.Quantization{GroupSize: 16, Bits: 4, Mode: "affine"})
		},
		"nn | block_masked_mm block 7": func() *mlx.Array { return mlx.BlockMaskedMM(m, m, 7, nil, nil, nil) },

		"shape | zeros(2^50)":                  func() *mlx.Array { return mlx.Zeros(s, mlx.Float32, 1<<25, 1<<25) },
		"shape | zeros(2^30,2^30,2^30) wraps":  func() *mlx.Array { return mlx.Zeros(s, mlx.Float32, 1<<30, 1<<30, 1<<30) },
		"shape | zeros(2^31-1,2^31-1,4) wraps": func() *mlx.Array { return mlx.Zeros(s, mlx.Float32, math.MaxInt32, math.MaxInt32, 4) },
		"shape | ones(2^20,2^20) = 4 TiB":      func() *mlx.Array { return mlx.Ones(s, mlx.Float32, 1<<20, 1<<20) },
		"shape | an outer product of 4 TiB": func() *mlx.Array {
			return mlx.Outer(mlx.Zeros(s, mlx.Float32, 1<<20), mlx.Zeros(s, mlx.Float32, 1<<20))
		},
		"shape | a broadcast sum of 4 TiB": func() *mlx.Array {
			return mlx.Add(mlx.Zeros(s, mlx.Float32, 1<<20, 1), mlx.Zeros(s, mlx.Float32, 1, 1<<20))
		},
		"shape | a broadcast that wraps": func() *mlx.Array {
			return mlx.LogicalAnd(mlx.Zeros(s, mlx.Bool, 1<<20, 1, 1<<10, 1), mlx.Zeros(s, mlx.Bool, 1, 1<<20, 1, 1<<10))
		},
		"shape | a matrix product of 4 TiB": func() *mlx.Array {
			return mlx.Matmul(mlx.Zeros(s, mlx.Float32, 1<<20, 1), mlx.Zeros(s, mlx.Float32, 1, 1<<20))
		},
		"shape | a Kronecker product of 4 TiB": func() *mlx.Array { return mlx.Kron(mlx.Zeros(s, mlx.Float32, 1<<20), mlx.Zeros(s, mlx.Float32, 1<<20)) },
		"shape | repeat 2^40 times":            func() *mlx.Array { return mlx.Repeat(x, 1<<40, 0) },
		"shape | tile 2^20 by 2^20":            func() *mlx.Array { return mlx.Tile(x, 1<<20, 1<<20) },
		"shape | pad by 2^31":                  func() *mlx.Array { return mlx.Pad(x, mlx.PadConstant, 0, [2]int{1 << 31, 0}) },
		"shape | eye(2^20)":                    func() *mlx.Array { return mlx.Eye(s, 1<<20, 1<<20, 0, mlx.Float32) },
		"shape | diag of 2^20":                 func() *mlx.Array { return mlx.Diag(mlx.Zeros(s, mlx.Float32, 1<<20), 0) },
		"shape | a meshgrid of 4 TiB": func() *mlx.Array {
			return mlx.Meshgrid(mlx.IJ, false, mlx.Zeros(s, mlx.Float32, 1<<20), mlx.Zeros(s, mlx.Float32, 1<<20))[0]
		},
		"shape | arange(0, 1e15)":                 func() *mlx.Array { return mlx.Arange(s, 0, 1e15, 1, mlx.Float32) },
		"shape | random numbers of 2^40":          func() *mlx.Array { return mlx.RandomNormal(mlx.RandomKey(s, 1), 0, 1, mlx.Float32, 1<<20, 1<<20) },
		"shape | rfft of 2^30 over [2^20]":        func() *mlx.Array { return mlx.FFT(mlx.Zeros(s, mlx.Float32, 1<<20, 4), 1<<30, 1, mlx.Backward) },
		"shape | reshape (-2,-3)":                 func() *mlx.Array { return mlx.Reshape(mlx.Zeros(s, mlx.Float32, 6), -2, -3) },
		"shape | as_strided out of bounds":        func() *mlx.Array { return mlx.AsStrided(x, []int{1000, 1000}, []int{1 << 20, 1}, 0) },
		"shape | as_strided offset out of bounds": func() *mlx.Array { return mlx.AsStrided(x, []int{2}, []int{1}, 1<<40) },
		"shape | as_strided below the start":      func() *mlx.Array { return mlx.AsStrided(x, []int{3}, []int{-1}, 1) },
		"shape | as_strided strides that wrap":    func() *mlx.Array { return mlx.AsStrided(x, []int{1 << 30, 2}, []int{1 << 34, 1}, 0) },
		"shape | slice stride 0":                  func() *mlx.Array { return mlx.Index(x, mlx.Every(0)) },
		"shape | slice_dynamic start OOB":         func() *mlx.Array { return mlx.SliceDynamic(x, at(1e9), []int{0}, []int{2}) },
		"shape | slice_update_dynamic start OOB":  func() *mlx.Array { return mlx.SliceUpdateDynamic(x, u, at(-7), 0) },
		"shape | unflatten (-1,0)":                func() *mlx.Array { return mlx.Unflatten(mlx.Zeros(s, mlx.Float32, 0), 0, -1, 0) },
		"shape | median of nothing":               func() *mlx.Array { return mlx.Median(mlx.Zeros(s, mlx.Float32, 0)) },
	}
	for _, i := range []int32{4, 1000, 1048576, 1e9, -5, -1000, -1e9, math.MinInt32} {
		cases[fmt.Sprintf("bounds | take 4-element, index %d", i)] = func() *mlx.Array { return mlx.Take(x, at(i), 0) }
		cases[fmt.Sprintf("bounds | take flat, index %d", i)] = func() *mlx.Array { return mlx.Take(x, at(i), mlx.Flat) }
		cases[fmt.Sprintf("bounds | index by an array, %d", i)] = func() *mlx.Array { return mlx.Index(m, mlx.Whole, at(i)) }
		cases[fmt.Sprintf("bounds | update by an array, %d", i)] = func() *mlx.Array { return mlx.IndexUpdate(m, u, at(i)) }
	}
	return cases
}

const crashChild = "MLX_TEST_CRASH_CHILD"

func TestInputsThatCrashMLXAreErrors(t *testing.T) {
	if os.Getenv(crashChild) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestInputsThatCrashMLXAreErrors$", "-test.v")
		cmd.Env = append(os.Environ(), crashChild+"=1")
		out, err := cmd.CombinedOutput()
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		require.NoError(t, err, "it ended after: %s", strings.Join(lines[max(0, len(lines)-15):], "\n"))
		return
	}
	s := scope(t)
	for name, build := range crashes(s) {
		fmt.Println(name)
		a := build()
		err := mlx.Eval(a)
		var e *mlx.Error
		require.ErrorAs(t, err, &e, name)
		require.NotErrorIs(t, err, mlx.ErrMLX, "%s: %v is of no kind", name, err)
	}
}

func TestComputedPlacesOutsideAnArrayAreClamped(t *testing.T) {
	s := scope(t)
	x := mlx.FromSlice(s, []float32{1, 2, 3, 4})
	computed := func(xs ...int32) *mlx.Array { return mlx.Add(mlx.FromSlice(s, xs), mlx.Zeros(s, mlx.Int32, len(xs))) }
	near(t, []float32{4, 1, 3}, mlx.Take(x, computed(1e9, -1e9, 2), 0), "take")
	near(t, []float32{4, 1, 3}, mlx.TakeAlongAxis(x, computed(1e9, -1e9, 2), 0), "take_along_axis")
	near(t, []float32{1, 2, 3, 9}, mlx.PutAlongAxis(x, computed(100), mlx.FromSlice(s, []float32{9}), 0), "put_along_axis")
	near(t, []float32{3, 4}, mlx.Reshape(mlx.Gather(x, []*mlx.Array{computed(77)}, []int{0}, []int{2}), -1), "gather")
	near(t, []float32{9, 2, 3, 4}, mlx.Scatter(x, []*mlx.Array{computed(-77)}, mlx.Full(s, 9, mlx.Float32, 1, 1), []int{0}), "scatter")
	near(t, []float32{3, 4}, mlx.SliceDynamic(x, computed(1e9), []int{0}, []int{2}), "slice_dynamic")
	near(t, []float32{7, 7, 3, 4}, mlx.SliceUpdateDynamic(x, mlx.Full(s, 7, mlx.Float32, 2), computed(-1e9), 0), "slice_update_dynamic")
	logits := mlx.Reshape(x, 1, 4)
	want := floats(t, mlx.CrossEntropy(logits, mlx.FromSlice(s, []int32{3})))
	near(t, want, mlx.CrossEntropy(logits, computed(1e9)), "cross_entropy")
	near(t, floats(t, mlx.CrossEntropy(logits, mlx.FromSlice(s, []int32{0}))), mlx.CrossEntropy(logits, computed(-1)), "cross_entropy below 0")
	m := mlx.Reshape(mlx.Arange(s, 0, 8, 1, mlx.Float32), 2, 2, 2)
	near(t, floats(t, mlx.GatherMM(m, m, mlx.FromSlice(s, []int32{0}), mlx.FromSlice(s, []int32{1}), false)), mlx.GatherMM(m, m, computed(0), computed(1e6), false), "gather_mm")

	divide := func(f func(a, b *mlx.Array) *mlx.Array, a, b []int32) []int32 {
		got, err := mlx.Data[int32](f(mlx.FromSlice(s, a), computed(b...)))
		require.NoError(t, err)
		return got
	}
	a, b := []int32{7, -7, math.MinInt32, 7, math.MinInt32}, []int32{0, 0, -1, -2, 2}
	assert.Equal(t, []int32{0, 0, math.MinInt32, -3, -1 << 30}, divide(mlx.FloorDivide, a, b), "towards 0, and by 0 as NumPy")
	assert.Equal(t, []int32{0, 0, 0, -1, 0}, divide(mlx.Remainder, a, b), "with the sign of the divisor, and by 0 as NumPy")
	minimum := mlx.FloorDivide(mlx.FromSlice(s, []int32{math.MinInt32}), mlx.FromSlice(s, []int32{-1}))
	got, err := mlx.Item[int32](mlx.Reshape(minimum))
	require.NoError(t, err)
	assert.Equal(t, int32(math.MinInt32), got, "the least number by −1, which a processor refuses")
	unsigned, err := mlx.Data[uint8](mlx.FloorDivide(mlx.FromSlice(s, []uint8{200, 7}), mlx.FromSlice(s, []uint8{255, 2})))
	require.NoError(t, err)
	assert.Equal(t, []uint8{0, 3}, unsigned, "255 is not −1")
}

func TestAccessorsCheckTheTypeAndTheState(t *testing.T) {
	s := scope(t)
	x := mlx.Add(mlx.FromSlice(s, []float32{1, 2, 3, 4}, 2, 2), mlx.Zeros(s, mlx.Float32))
	_, err := mlx.Data[int32](x)
	require.ErrorIs(t, err, mlx.ErrDtype, "another type")
	_, err = mlx.Item[float32](x)
	require.ErrorIs(t, err, mlx.ErrShape, "four elements")
	_, err = mlx.Item[int64](mlx.Sum(x))
	require.ErrorIs(t, err, mlx.ErrDtype)
	near(t, []float32{1, 3, 2, 4}, mlx.Transpose(x), "logical order, not that of memory")
	near(t, []float32{5, 5, 5}, mlx.BroadcastTo(mlx.Scalar(s, float32(5)), 3), "a broadcast")
	near(t, nil, mlx.Zeros(s, mlx.Float32, 0), "nothing")
	y := mlx.Exp(x)
	y.Free()
	y.Free()
	_, err = mlx.Data[float32](y)
	require.ErrorIs(t, err, mlx.ErrFreed)
	require.ErrorIs(t, mlx.Eval(mlx.Add(x, y)), mlx.ErrFreed)
	_, err = y.Format()
	require.ErrorIs(t, err, mlx.ErrFreed)
	require.False(t, y.Ready())
}

func TestNilOperandsAreErrors(t *testing.T) {
	s := scope(t)
	array := reflect.TypeFor[*mlx.Array]()
	for name, f := range map[string]any{
		"add": mlx.Add, "exp": mlx.Exp, "where": mlx.Where, "clip": mlx.Clip, "sum": mlx.Sum, "softmax": mlx.Softmax, "matmul": mlx.Matmul, "matmul_t": mlx.MatmulT,
		"reshape": mlx.Reshape, "concatenate": func(x *mlx.Array) *mlx.Array { return mlx.Concatenate(0, x) }, "take": mlx.Take, "put": mlx.PutAlongAxis, "gather": mlx.Gather,
		"scatter": mlx.Scatter, "index": mlx.Index, "update": mlx.IndexUpdate, "masked": mlx.MaskedScatter, "slice": mlx.SliceDynamic, "einsum": func(x *mlx.Array) *mlx.Array { return mlx.Einsum("i", x) },
		"conv": mlx.Conv2D, "quantize": mlx.Quantize, "dequantize": mlx.Dequantize, "qmm": mlx.QuantizedMatmul, "gather_mm": mlx.GatherMM, "gather_qmm": mlx.GatherQMM, "qqmm": mlx.QQMM,
		"segmented": mlx.SegmentedMM, "block": mlx.BlockMaskedMM, "rms": mlx.RMSNorm, "layer": mlx.LayerNorm, "rope": mlx.RoPE, "dynamic": mlx.RoPEDynamic, "attention": mlx.Attention,
		"entropy": mlx.CrossEntropy, "svd": mlx.SVD, "qr": mlx.QR, "eigh": mlx.Eigh, "solve": mlx.Solve, "inv": mlx.Inv, "lu": mlx.LU, "norm": mlx.Norm, "fft": mlx.FFT, "fftn": mlx.FFTN, "shift": mlx.FFTShift,
		"uniform": mlx.RandomUniform, "normal": mlx.RandomNormal, "categorical": mlx.RandomCategorical, "permutation": mlx.RandomPermutation, "bernoulli": mlx.RandomBernoulli,
		"pad": mlx.Pad, "roll": mlx.Roll, "repeat": mlx.Repeat, "tile": mlx.Tile, "strided": mlx.AsStrided, "divmod": mlx.Divmod, "sort": mlx.Sort, "topk": mlx.TopK, "search": mlx.Searchsorted,
		"cumsum": mlx.Cumsum, "view": mlx.View, "astype": mlx.AsType, "round": mlx.Round, "keepdims": func(x *mlx.Array) *mlx.Array { return mlx.KeepDims(mlx.Sum, x, 0) },
	} {
		v := reflect.ValueOf(f)
		n := v.Type().NumIn()
		if v.Type().IsVariadic() {
			n--
		}
		for missing := range n {
			if v.Type().In(missing) != array {
				continue
			}
			args := make([]reflect.Value, n)
			for i := range args {
				args[i] = reflect.Zero(v.Type().In(i))
				if v.Type().In(i) == array && i != missing {
					args[i] = reflect.ValueOf(mlx.Ones(s, mlx.Float32, 4, 4))
				}
			}
			out := v.Call(args)[0].Interface().(*mlx.Array)
			nullable := map[string]int{"clip": 1, "layer": 1, "rms": 1, "dequantize": 2, "qmm": 3, "gather_mm": 2, "gather_qmm": 3, "qqmm": 2, "block": 3}
			if from, ok := nullable[name]; ok && missing >= from {
				continue
			}
			require.Error(t, out.Err(), "%s without operand %d", name, missing+1)
		}
	}
	require.Error(t, mlx.Eval(nil))
	require.Error(t, mlx.Grad(cube)(nil)[0].Err())
	require.Nil(t, mlx.BroadcastArrays())
	require.Error(t, mlx.Concatenate(0).Err())
	(*mlx.Array)(nil).Free()
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
