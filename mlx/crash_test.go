package mlx_test

import (
	"context"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/require"
)

// crashOperands are operands of inputs that crash MLX.
type crashOperands struct {
	s *mlx.Scope
	x *mlx.Array // [4]
	m *mlx.Array // [4 4]
	u *mlx.Array // [1]
}

func (o crashOperands) ints(xs ...int32) *mlx.Array { return mlx.FromSlice(o.s, xs) }

// crashes are the inputs, of those tried on MLX 0.32.2 each in a process of its own, that
// ended the process, hung or read or wrote outside an array, by area and name: here each is an
// error. Files are in file_test.go; what cannot be written in Go (a handle of another kind, a
// callback that returns nothing) is left out.
func crashes(s *mlx.Scope) map[string]func() *mlx.Array {
	o := crashOperands{
		s: s,
		x: mlx.FromSlice(s, []float32{1, 2, 3, 4}),
		m: mlx.Reshape(mlx.Arange(s, 0, 16, 1, mlx.Float32), 4, 4),
		u: mlx.FromSlice(s, []float32{9}),
	}
	cases := map[string]func() *mlx.Array{}
	for _, area := range []func(crashOperands) map[string]func() *mlx.Array{
		crashesOutOfBounds, crashesOfValues, crashesOfProducts, crashesOfSize, crashesOfLayout, crashesOfInfinities,
	} {
		maps.Copy(cases, area(o))
	}
	return cases
}

// crashesOutOfBounds name places outside an array.
func crashesOutOfBounds(o crashOperands) map[string]func() *mlx.Array {
	s, x, m, u, ints := o.s, o.x, o.m, o.u, o.ints
	cases := map[string]func() *mlx.Array{
		"bounds | take rows [49152,576] id 49152":  func() *mlx.Array { return mlx.Take(mlx.Zeros(s, mlx.Float16, 49152, 576), ints(49152), 0) },
		"bounds | take_along_axis 1e9":             func() *mlx.Array { return mlx.TakeAlongAxis(x, ints(1e9), 0) },
		"bounds | take_along_axis 5":               func() *mlx.Array { return mlx.TakeAlongAxis(x, ints(5), 0) },
		"bounds | gather index 1e9":                func() *mlx.Array { return mlx.Gather(x, []*mlx.Array{ints(1e9)}, []int{0}, []int{1}) },
		"bounds | gather a slice over the end":     func() *mlx.Array { return mlx.Gather(x, []*mlx.Array{ints(3)}, []int{0}, []int{2}) },
		"bounds | put_along_axis 1e9":              func() *mlx.Array { return mlx.PutAlongAxis(x, ints(1e9), u, 0) },
		"bounds | put_along_axis 100 (heap write)": func() *mlx.Array { return mlx.PutAlongAxis(x, ints(100), u, 0) },
		"bounds | scatter index 1e9":               func() *mlx.Array { return mlx.Scatter(x, []*mlx.Array{ints(1e9)}, mlx.Reshape(u, 1, 1), []int{0}) },
		"bounds | scatter_add a slice over the end": func() *mlx.Array {
			return mlx.ScatterAdd(x, []*mlx.Array{ints(3)}, mlx.Ones(s, mlx.Float32, 1, 2), []int{0})
		},
		"bounds | gather_mm index 1e6": func() *mlx.Array {
			return mlx.GatherMM(mlx.Reshape(m, 1, 4, 4), mlx.Reshape(m, 1, 4, 4), mlx.Picks{Left: ints(0), Right: ints(1e6)})
		},
		"bounds | gather_qmm index 1e6": func() *mlx.Array {
			q := mlx.Quantization{GroupSize: 32, Bits: 4, Mode: "affine"}
			w, sc, b := mlx.Quantize(mlx.Ones(s, mlx.Float32, 1, 32, 32), q)
			return mlx.GatherQMM(mlx.Ones(s, mlx.Float32, 1, 1, 32), w, sc, b, true, q, mlx.Picks{Left: ints(0), Right: ints(1e6)})
		},
		"bounds | segmented_mm OOB segments": func() *mlx.Array { return mlx.SegmentedMM(m, m, mlx.FromSlice(s, []uint32{0, 999}, 1, 2)) },
		"bounds | cross_entropy target 1e9":  func() *mlx.Array { return mlx.CrossEntropy(mlx.Reshape(x, 1, 4), ints(1e9)) },
		"bounds | cross_entropy target -1":   func() *mlx.Array { return mlx.CrossEntropy(mlx.Reshape(x, 1, 4), ints(-1)) },
		"bounds | index 4 of 4":              func() *mlx.Array { return mlx.Index(x, mlx.At(4)) },
		"bounds | masked_scatter of too few": func() *mlx.Array {
			return mlx.MaskedScatter(x, mlx.FromSlice(s, []bool{true, true, true, false}), ints(1, 2))
		},
	}
	for _, i := range []int32{4, 1000, 1048576, 1e9, -5, -1000, -1e9, math.MinInt32} {
		cases[fmt.Sprintf("bounds | take 4-element, index %d", i)] = func() *mlx.Array { return mlx.Take(x, ints(i), 0) }
		cases[fmt.Sprintf("bounds | take flat, index %d", i)] = func() *mlx.Array { return mlx.Take(x, ints(i), mlx.Flat) }
		cases[fmt.Sprintf("bounds | index by an array, %d", i)] = func() *mlx.Array { return mlx.Index(m, mlx.Whole, ints(i)) }
		cases[fmt.Sprintf("bounds | update by an array, %d", i)] = func() *mlx.Array { return mlx.IndexUpdate(m, u, ints(i)) }
	}
	return cases
}

// crashesOfValues have types, data and texts that MLX does not look at.
func crashesOfValues(o crashOperands) map[string]func() *mlx.Array {
	s, x, m, ints := o.s, o.x, o.m, o.ints
	return map[string]func() *mlx.Array{
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
	}
}

// crashesOfProducts are convolutions and products that do not fit.
func crashesOfProducts(o crashOperands) map[string]func() *mlx.Array {
	s, m := o.s, o.m
	return map[string]func() *mlx.Array{
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
		"nn | block_masked_mm block 7": func() *mlx.Array { return mlx.BlockMaskedMM(m, m, 7, mlx.Masks{}) },
	}
}

// crashesOfSize ask for more elements than memory holds or 32 bits count.
func crashesOfSize(o crashOperands) map[string]func() *mlx.Array {
	s, x := o.s, o.x
	return map[string]func() *mlx.Array{
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
		"shape | eye(2^20)":                    func() *mlx.Array { return mlx.Eye(s, mlx.Grid{Rows: 1 << 20, Cols: 1 << 20}, mlx.Float32) },
		"shape | diag of 2^20":                 func() *mlx.Array { return mlx.Diag(mlx.Zeros(s, mlx.Float32, 1<<20), 0) },
		"shape | a meshgrid of 4 TiB": func() *mlx.Array {
			return mlx.Meshgrid(mlx.IJ, false, mlx.Zeros(s, mlx.Float32, 1<<20), mlx.Zeros(s, mlx.Float32, 1<<20))[0]
		},
		"shape | arange(0, 1e15)":             func() *mlx.Array { return mlx.Arange(s, 0, 1e15, 1, mlx.Float32) },
		"shape | random numbers of 2^40":      func() *mlx.Array { return mlx.RandomNormal(mlx.RandomKey(s, 1), 0, 1, mlx.Float32, 1<<20, 1<<20) },
		"shape | rfft of 2^30 over [2^20]":    func() *mlx.Array { return mlx.FFT(mlx.Zeros(s, mlx.Float32, 1<<20, 4), 1<<30, 1, mlx.Backward) },
		"shape | split an empty axis in 2^31": func() *mlx.Array { return mlx.Split(mlx.Zeros(s, mlx.Float32, 0, 3), math.MaxInt, 0)[0] },
		"shape | unstack 2^30 of no elements": func() *mlx.Array { return mlx.Unstack(mlx.Zeros(s, mlx.Float32, 1<<30, 0), 0)[0] },
		"shape | 2^63-1 keys":                 func() *mlx.Array { return mlx.RandomSplit(nil, math.MaxInt)[0] },
	}
}

// crashesOfLayout are shapes, strides and slices that do not exist.
func crashesOfLayout(o crashOperands) map[string]func() *mlx.Array {
	s, x, u, ints := o.s, o.x, o.u, o.ints
	return map[string]func() *mlx.Array{
		"shape | reshape (-2,-3)":                 func() *mlx.Array { return mlx.Reshape(mlx.Zeros(s, mlx.Float32, 6), -2, -3) },
		"shape | as_strided out of bounds":        func() *mlx.Array { return mlx.AsStrided(x, []int{1000, 1000}, []int{1 << 20, 1}, 0) },
		"shape | as_strided offset out of bounds": func() *mlx.Array { return mlx.AsStrided(x, []int{2}, []int{1}, 1<<40) },
		"shape | as_strided offset 2^63-1":        func() *mlx.Array { return mlx.AsStrided(x, []int{3}, []int{3}, math.MaxInt) },
		"shape | as_strided below the start":      func() *mlx.Array { return mlx.AsStrided(x, []int{3}, []int{-1}, 1) },
		"shape | as_strided strides that wrap":    func() *mlx.Array { return mlx.AsStrided(x, []int{1 << 30, 2}, []int{1 << 34, 1}, 0) },
		"shape | slice stride 0":                  func() *mlx.Array { return mlx.Index(x, mlx.Every(0)) },
		"shape | slice_dynamic start OOB":         func() *mlx.Array { return mlx.SliceDynamic(x, ints(1e9), []int{0}, []int{2}) },
		"shape | slice_update_dynamic start OOB":  func() *mlx.Array { return mlx.SliceUpdateDynamic(x, u, ints(-7), 0) },
		"shape | unflatten (-1,0)":                func() *mlx.Array { return mlx.Unflatten(mlx.Zeros(s, mlx.Float32, 0), 0, -1, 0) },
		"shape | median of nothing":               func() *mlx.Array { return mlx.Median(mlx.Zeros(s, mlx.Float32, 0)) },
	}
}

// crashesOfInfinities were found by fuzzing: singular values with vectors never end,
// eigenvalues abort.
func crashesOfInfinities(o crashOperands) map[string]func() *mlx.Array {
	s, m := o.s, o.m
	cases := map[string]func() *mlx.Array{}
	for _, inf := range []float64{math.Inf(1), math.Inf(-1)} {
		one := mlx.Where(mlx.Eye(s, mlx.Grid{Rows: 4, Cols: 4, Offset: 1}, mlx.Bool), mlx.Full(s, inf, mlx.Float32), m)
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
