package mlx_test

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

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
		"nn | conv1d without channels": func() *mlx.Array {
			return mlx.Conv1D(mlx.Zeros(s, mlx.Float32, 4, 3, 0), mlx.Zeros(s, mlx.Float32, 4, 3, 0), mlx.Conv{})
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
		"shape | as_strided offset 2^63-1":        func() *mlx.Array { return mlx.AsStrided(x, []int{3}, []int{3}, math.MaxInt) },
		"shape | split an empty axis in 2^31":     func() *mlx.Array { return mlx.Split(mlx.Zeros(s, mlx.Float32, 0, 3), math.MaxInt, 0)[0] },
		"shape | unstack 2^30 of no elements":     func() *mlx.Array { return mlx.Unstack(mlx.Zeros(s, mlx.Float32, 1<<30, 0), 0)[0] },
		"shape | 2^63-1 keys":                     func() *mlx.Array { return mlx.RandomSplit(nil, math.MaxInt)[0] },
		"shape | as_strided below the start":      func() *mlx.Array { return mlx.AsStrided(x, []int{3}, []int{-1}, 1) },
		"shape | as_strided strides that wrap":    func() *mlx.Array { return mlx.AsStrided(x, []int{1 << 30, 2}, []int{1 << 34, 1}, 0) },
		"shape | slice stride 0":                  func() *mlx.Array { return mlx.Index(x, mlx.Every(0)) },
		"shape | slice_dynamic start OOB":         func() *mlx.Array { return mlx.SliceDynamic(x, at(1e9), []int{0}, []int{2}) },
		"shape | slice_update_dynamic start OOB":  func() *mlx.Array { return mlx.SliceUpdateDynamic(x, u, at(-7), 0) },
		"shape | unflatten (-1,0)":                func() *mlx.Array { return mlx.Unflatten(mlx.Zeros(s, mlx.Float32, 0), 0, -1, 0) },
		"shape | median of nothing":               func() *mlx.Array { return mlx.Median(mlx.Zeros(s, mlx.Float32, 0)) },
	}
	// found by fuzzing: singular values with vectors never end, eigenvalues abort
	for _, inf := range []float64{math.Inf(1), math.Inf(-1)} {
		one := mlx.Where(mlx.Eye(s, 4, 4, 1, mlx.Bool), mlx.Full(s, inf, mlx.Float32), m)
		for _, a := range []*mlx.Array{one, mlx.Full(s, inf, mlx.Float32, 4, 4)} {
			name := func(op string) string { return fmt.Sprintf("linalg | %s of %v, %d", op, inf, len(cases)) }
			cases[name("svd")] = func() *mlx.Array { u, _, _ := mlx.SVD(a); return u }
			cases[name("pinv")] = func() *mlx.Array { return mlx.Pinv(a) }
			cases[name("eigvals")] = func() *mlx.Array { return mlx.Eigvals(a) }
			cases[name("eig")] = func() *mlx.Array { _, v := mlx.Eig(a); return v }
			cases[name("multivariate_normal")] = func() *mlx.Array {
				return mlx.RandomMultivariateNormal(mlx.RandomKey(s, 1), mlx.Zeros(s, mlx.Float32, 4), a)
			}
		}
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
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // an input may hang
		defer cancel()
		cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestInputsThatCrashMLXAreErrors$", "-test.v")
		cmd.Env = append(os.Environ(), crashChild+"=1")
		out, err := cmd.CombinedOutput()
		last := ""
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, " | ") {
				last = line
			}
		}
		require.NoError(t, err, "it ended at %s%s", last, out[:min(len(out), 1<<13)])
		return
	}
	s := scope(t)
	for name, build := range crashes(s) {
		fmt.Println(name)
		a := build()
		err := mlx.Eval(a)
		var e *mlx.Error
		require.ErrorAs(t, err, &e, name)
		if !strings.HasPrefix(name, "linalg") { // whose errors are LAPACK's
			require.NotErrorIs(t, err, mlx.ErrMLX, "%s: %v is of no kind", name, err)
		}
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
	segments := mlx.SegmentedMM(mlx.Reshape(x, 1, 4), mlx.Reshape(x, 4, 1), mlx.Reshape(computed(2, 1e9, -5, 1), 2, 2))
	near(t, []float32{9 + 16, 1}, mlx.Reshape(segments, -1), "segmented_mm")
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

// takingArrays are the exported functions with arrays among their parameters.
func takingArrays() map[string]any {
	out := map[string]any{"Data": mlx.Data[float32], "Item": mlx.Item[float32], "Borrow": mlx.Borrow[float32]}
	for _, f := range []any{
		mlx.Abs, mlx.Add, mlx.Addmm, mlx.All, mlx.Allclose, mlx.Any, mlx.Arccos, mlx.Arccosh, mlx.Arcsin, mlx.Arcsinh, mlx.Arctan, mlx.Arctan2, mlx.Arctanh, mlx.Argmax,
		mlx.Argmin, mlx.Argpartition, mlx.Argsort, mlx.ArrayEqual, mlx.AsStrided, mlx.AsType, mlx.AsyncEval, mlx.Atleast1D, mlx.Atleast2D, mlx.Atleast3D, mlx.Attention,
		mlx.BitwiseAnd, mlx.BitwiseInvert, mlx.BitwiseOr, mlx.BitwiseXor, mlx.BlockMaskedMM, mlx.BroadcastArrays, mlx.BroadcastTo, mlx.Ceil, mlx.Cholesky, mlx.CholeskyInv,
		mlx.Clip, mlx.Concatenate, mlx.Conjugate, mlx.Contiguous, mlx.Conv1D, mlx.Conv2D, mlx.Conv3D, mlx.ConvGeneral, mlx.ConvTranspose1D, mlx.ConvTranspose2D,
		mlx.ConvTranspose3D, mlx.Copy, mlx.Cos, mlx.Cosh, mlx.CountNonzero, mlx.Cross, mlx.CrossEntropy, mlx.Cummax, mlx.Cummin, mlx.Cumprod, mlx.Cumsum, mlx.Degrees,
		mlx.Depends, mlx.Dequantize, mlx.Det, mlx.Diag, mlx.Diagonal, mlx.Diff, mlx.Divide, mlx.Divmod, mlx.Eig, mlx.Eigh, mlx.Eigvals, mlx.Eigvalsh, mlx.Einsum, mlx.Equal,
		mlx.Erf, mlx.Erfinv, mlx.Eval, mlx.Exp, mlx.ExpandDims, mlx.Expm1, mlx.ExportFunction, mlx.ExportFunctionKwargs, mlx.ExportToDOT, mlx.FFT, mlx.FFT2, mlx.FFTN,
		mlx.FFTShift, mlx.Flatten, mlx.Flip, mlx.Floor, mlx.FloorDivide, mlx.FromFP8, mlx.FullLike, mlx.GELU, mlx.GELUTanh, mlx.Gather, mlx.GatherMM, mlx.GatherQMM,
		mlx.GatherQQMM, mlx.Greater, mlx.GreaterEqual, mlx.HadamardTransform, mlx.IFFT, mlx.IFFT2, mlx.IFFTN, mlx.IFFTShift, mlx.IRFFT, mlx.IRFFT2, mlx.IRFFTN, mlx.Imag,
		mlx.Index, mlx.IndexAdd, mlx.IndexMaximum, mlx.IndexMinimum, mlx.IndexMultiply, mlx.IndexUpdate, mlx.Inner, mlx.Inv, mlx.Isclose, mlx.Isfinite, mlx.Isinf, mlx.Isnan,
		mlx.Isneginf, mlx.Isposinf, mlx.JVP, mlx.KeepDims, mlx.Kron, mlx.LU, mlx.LUFactor, mlx.LayerNorm, mlx.LeftShift, mlx.Less, mlx.LessEqual, mlx.Log, mlx.Log10,
		mlx.Log1p, mlx.Log2, mlx.LogSumExp, mlx.Logaddexp, mlx.Logcumsumexp, mlx.LogicalAnd, mlx.LogicalNot, mlx.LogicalOr, mlx.LogicalXor, mlx.Masked, mlx.MaskedScatter,
		mlx.Matmul, mlx.MatmulT, mlx.Max, mlx.Maximum, mlx.Mean, mlx.Median, mlx.Meshgrid, mlx.Min, mlx.Minimum, mlx.Moveaxis, mlx.Multiply, mlx.NanToNum, mlx.Negative,
		mlx.Norm, mlx.NormMatrix, mlx.NormOrd, mlx.NotEqual, mlx.NumberOfElements, mlx.OnesLike, mlx.Outer, mlx.Pad, mlx.Partition, mlx.Pinv, mlx.Positive, mlx.Power,
		mlx.PrintGraph, mlx.Prod, mlx.PutAlongAxis, mlx.QQMM, mlx.QR, mlx.Quantize, mlx.QuantizedMatmul, mlx.RFFT, mlx.RFFT2, mlx.RFFTN, mlx.RMSNorm, mlx.Radians,
		mlx.RandomBernoulli, mlx.RandomBits, mlx.RandomCategorical, mlx.RandomCategoricalN, mlx.RandomCategoricalShape, mlx.RandomGumbel, mlx.RandomLaplace,
		mlx.RandomMultivariateNormal, mlx.RandomNormal, mlx.RandomNormalBroadcast, mlx.RandomPermutation, mlx.RandomPermutationArange, mlx.RandomRandint, mlx.RandomSplit,
		mlx.RandomTruncatedNormal, mlx.RandomUniform, mlx.ReLU, mlx.Real, mlx.Reciprocal, mlx.Remainder, mlx.Repeat, mlx.Reshape, mlx.RightShift, mlx.RoPE, mlx.RoPEDynamic,
		mlx.Roll, mlx.Round, mlx.Rsqrt, mlx.SVD, mlx.SaveNpy, mlx.SaveSafetensors, mlx.Scale, mlx.Scatter, mlx.ScatterAdd, mlx.ScatterAddAxis, mlx.ScatterMax, mlx.ScatterMin,
		mlx.ScatterProd, mlx.Searchsorted, mlx.SegmentedMM, mlx.Shift, mlx.SiLU, mlx.Sigmoid, mlx.Sign, mlx.Sin, mlx.SingularValues, mlx.Sinh, mlx.Slice, mlx.SliceDynamic,
		mlx.SliceUpdate, mlx.SliceUpdateDynamic, mlx.Slogdet, mlx.Softmax, mlx.Solve, mlx.SolveTriangular, mlx.Sort, mlx.Split, mlx.SplitAt, mlx.Sqrt, mlx.Square, mlx.Squeeze,
		mlx.Stack, mlx.Std, mlx.StopGradient, mlx.Subtract, mlx.Sum, mlx.Swapaxes, mlx.Take, mlx.TakeAlongAxis, mlx.Tan, mlx.Tanh, mlx.Tensordot, mlx.Tile, mlx.ToFP8,
		mlx.TopK, mlx.Trace, mlx.Transpose, mlx.TriInv, mlx.Tril, mlx.Triu, mlx.Trunc, mlx.Unflatten, mlx.Unstack, mlx.VJP, mlx.Var, mlx.Vecdot, mlx.View, mlx.Where,
		mlx.Within, mlx.WriteNpy, mlx.WriteSafetensors, mlx.ZerosLike,
	} {
		name := runtime.FuncForPC(reflect.ValueOf(f).Pointer()).Name()
		out[name[strings.LastIndex(name, ".")+1:]] = f
	}
	return out
}

func TestTableOfFunctionsTakingArraysIsComplete(t *testing.T) {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	table := takingArrays()
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !f.Name.IsExported() {
				continue
			}
			arrays := false
			ast.Inspect(f.Type.Params, func(n ast.Node) bool {
				id, ok := n.(*ast.Ident)
				arrays = arrays || ok && id.Name == "Array"
				_, function := n.(*ast.FuncType)
				return !function
			})
			_, listed := table[f.Name.Name]
			assert.Equal(t, arrays, listed, f.Name.Name)
		}
	}
}

// optional are the parameters, from 0, that may be nil, of functions that have some.
var optional = map[string][]int{
	"Clip": {1, 2}, "RMSNorm": {1}, "LayerNorm": {1, 2}, "Dequantize": {2}, "QuantizedMatmul": {3}, "GatherMM": {2, 3}, "GatherQMM": {3, 4, 5},
	"BlockMaskedMM": {3, 4, 5}, "Attention": {6}, "RandomNormalBroadcast": {1, 2}, "QQMM": {2, 4}, "GatherQQMM": {2, 3, 4, 6},
}

func TestNilFailedAndFreedOperandsAreErrors(t *testing.T) {
	s := scope(t)
	array, list := reflect.TypeFor[*mlx.Array](), reflect.TypeFor[[]*mlx.Array]()
	freed := mlx.Ones(s, mlx.Float32, 4, 4)
	freed.Free()
	bad := map[string]*mlx.Array{"nil": nil, "a failed": mlx.Reshape(mlx.Ones(s, mlx.Float32, 4, 4), 3), "a freed": freed}
	value := func(of reflect.Type, a *mlx.Array) reflect.Value {
		if of == list {
			return reflect.ValueOf([]*mlx.Array{a})
		}
		return reflect.ValueOf(a)
	}
	stand := map[reflect.Type]reflect.Value{
		reflect.TypeFor[mlx.Dtype]():                                  reflect.ValueOf(mlx.Float32),
		reflect.TypeFor[io.Writer]():                                  reflect.ValueOf(io.Discard),
		reflect.TypeFor[mlx.Func]():                                   reflect.ValueOf(func(a []*mlx.Array) []*mlx.Array { return a }),
		reflect.TypeFor[func(x *mlx.Array) *mlx.Array]():              reflect.ValueOf(mlx.Exp),
		reflect.TypeFor[func(x *mlx.Array, axes ...int) *mlx.Array](): reflect.ValueOf(mlx.Sum),
		reflect.TypeFor[func([]float32) error]():                      reflect.ValueOf(func([]float32) error { return nil }),
	}
	for name, f := range takingArrays() {
		v := reflect.ValueOf(f)
		for at := range v.Type().NumIn() {
			if of := v.Type().In(at); of != array && of != list {
				continue
			}
			for what, a := range bad {
				if a == nil && slices.Contains(optional[name], at) {
					continue
				}
				args := make([]reflect.Value, v.Type().NumIn())
				for i := range args {
					of := v.Type().In(i)
					switch sub, ok := stand[of]; {
					case i == at:
						args[i] = value(of, a)
					case of == array || of == list:
						args[i] = value(of, mlx.Ones(s, mlx.Float32, 4, 4))
					case ok:
						args[i] = sub
					default:
						args[i] = reflect.Zero(of)
					}
				}
				call := v.Call
				if v.Type().IsVariadic() {
					call = v.CallSlice
				}
				require.NotPanics(t, func() {
					out := call(args)
					if out[len(out)-1].Type() == reflect.TypeFor[error]() {
						out = out[len(out)-1:]
					}
					for _, r := range out {
						require.Error(t, errorOf(r), "%s with %s operand %d", name, what, at)
					}
				}, "%s with %s operand %d", name, what, at)
			}
		}
	}
	require.Error(t, mlx.Grad(cube)(nil)[0].Err())
	require.Nil(t, mlx.BroadcastArrays())
	require.Error(t, mlx.Concatenate(0).Err())
	(*mlx.Array)(nil).Free()
}

// errorOf is the error that a result is or carries.
func errorOf(r reflect.Value) error {
	switch x := r.Interface().(type) {
	case *mlx.Array:
		return mlx.Eval(x)
	case []*mlx.Array:
		return mlx.Eval(x...)
	case error:
		return x
	}
	return nil
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
