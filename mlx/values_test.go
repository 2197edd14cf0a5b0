package mlx_test

import (
	"fmt"
	"math"
	"path/filepath"
	"testing"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/require"
)

// values are a's elements.
func values[T mlx.Element](t *testing.T, a *mlx.Array) []T {
	t.Helper()
	xs, err := mlx.Data[T](a)
	require.NoError(t, err)
	return xs
}

// The quotient of mlx.core 0.32.2's divmod is rounded down, that of its floor_divide towards 0.
func TestDivmodRoundsDown(t *testing.T) {
	s := scope(t)
	a, b := mlx.FromSlice(s, []int32{-7, 7, -7, -7}), mlx.FromSlice(s, []int32{2, -2, -2, 2})
	computed := mlx.Multiply(b, mlx.Ones(s, mlx.Int32))
	for _, d := range []*mlx.Array{b, computed} {
		q, r := mlx.Divmod(a, d)
		require.Equal(t, []int32{-4, -4, 3, -4}, values[int32](t, q))
		require.Equal(t, []int32{1, -1, -1, 1}, values[int32](t, r))
		quotients := []int32{-3, -3, 3, -3}
		if later() {
			quotients = []int32{-4, -4, 3, -4}
		}
		require.Equal(t, quotients, values[int32](t, mlx.FloorDivide(a, d)))
		require.Equal(t, []int32{1, -1, -1, 1}, values[int32](t, mlx.Remainder(a, d)))
	}
	q, r := mlx.Divmod(mlx.FromSlice(s, []uint8{7, 200}), mlx.FromSlice(s, []uint8{2, 3}))
	require.Equal(t, []uint8{3, 66}, values[uint8](t, q))
	require.Equal(t, []uint8{1, 2}, values[uint8](t, r))
	q, r = mlx.Divmod(a, mlx.FromSlice(s, []float32{2, -2, -2, 2}))
	require.Equal(t, []float32{-4, -4, 3, -4}, floats(t, q))
	require.Equal(t, []float32{1, -1, -1, 1}, floats(t, r))
	// by −1 and, computed, by 0
	least := mlx.FromSlice(s, []int32{math.MinInt32, 5, 5})
	q, r = mlx.Divmod(least, mlx.Multiply(mlx.FromSlice(s, []int32{-1, -1, 0}), mlx.Ones(s, mlx.Int32)))
	require.Equal(t, []int32{math.MinInt32, -5, 0}, values[int32](t, q))
	require.Equal(t, []int32{0, 0, 0}, values[int32](t, r))
}

// x // c of mlx.core 0.32.2: the quotient's type may have a sign where the dividend's has none.
func TestDivisionByMinusOneIsOfTheResultsType(t *testing.T) {
	s := scope(t)
	byMinusOne := mlx.FromSlice(s, []int8{-1, 1})
	require.Equal(t, []int16{-200, 5}, values[int16](t, mlx.FloorDivide(mlx.FromSlice(s, []uint8{200, 5}), byMinusOne)))
	require.Equal(t, []int32{-1, 0}, values[int32](t, mlx.FloorDivide(mlx.FromSlice(s, []bool{true, false}), mlx.FromSlice(s, []int32{-1, 1}))))
	q, r := mlx.Divmod(mlx.FromSlice(s, []uint16{40000, 5}), byMinusOne)
	require.Equal(t, []int32{-40000, 5}, values[int32](t, q))
	require.Equal(t, []int32{0, 0}, values[int32](t, r))
	require.Equal(t, []int8{-3, 3}, values[int8](t, mlx.FloorDivide(mlx.FromSlice(s, []int8{-3, 3}), mlx.FromSlice(s, []bool{true, true}))))
}

// The parts of mlx.core 0.32.2's split(arange(6), places).
func TestSplitAtTakesPlacesAsPythonDoes(t *testing.T) {
	s := scope(t)
	x := mlx.FromSlice(s, []int32{0, 1, 2, 3, 4, 5})
	for _, c := range []struct {
		places []int
		want   [][]int32
	}{
		{[]int{2, 4}, [][]int32{{0, 1}, {2, 3}, {4, 5}}},
		{[]int{4, 2}, [][]int32{{0, 1, 2, 3}, {}, {2, 3, 4, 5}}},
		{[]int{2, -1}, [][]int32{{0, 1}, {2, 3, 4}, {5}}},
		{[]int{7, -7, 2}, [][]int32{{0, 1, 2, 3, 4, 5}, {}, {0, 1}, {2, 3, 4, 5}}},
		{[]int{3, 3}, [][]int32{{0, 1, 2}, {}, {3, 4, 5}}},
		{[]int{0}, [][]int32{{}, {0, 1, 2, 3, 4, 5}}},
		{[]int{math.MaxInt64, math.MinInt64}, [][]int32{{0, 1, 2, 3, 4, 5}, {}, {0, 1, 2, 3, 4, 5}}},
		{[]int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, [][]int32{{0}, {1}, {2}, {3}, {4}, {5}, {}, {}, {}, {}, {}, {}}},
		{nil, [][]int32{{0, 1, 2, 3, 4, 5}}},
	} {
		var got [][]int32
		for _, part := range mlx.SplitAt(x, c.places, -1) {
			got = append(got, values[int32](t, part))
		}
		require.Equal(t, c.want, got, "%v", c.places)
	}
	require.Equal(t, "[float32[0 3] float32[0 3]]", fmt.Sprint(mlx.SplitAt(mlx.Zeros(s, mlx.Float32, 0, 3), []int{1}, 0)))
	for _, none := range [][]int{nil, {1}} {
		require.ErrorIs(t, mlx.SplitAt(x, none, 1)[0].Err(), mlx.ErrIndex)
		require.ErrorIs(t, mlx.SplitAt(mlx.Scalar(s, 1.0), none, 0)[0].Err(), mlx.ErrIndex)
	}
}

func TestSoftmaxOfIntegersIsOfFloats(t *testing.T) {
	s := scope(t)
	x := mlx.FromSlice(s, []float32{1, 2, 3, 3, 2, 1}, 2, 3)
	for _, d := range []mlx.Dtype{mlx.Int8, mlx.Uint8, mlx.Int64} {
		for _, axes := range [][]int{nil, {0}, {-1}, {0, 1}} {
			y := mlx.Softmax(mlx.AsType(x, d), axes...)
			require.Equal(t, "float32[2 3]", y.String())
			within(t, mlx.Softmax(x, axes...), y, 0, d.String())
		}
	}
	within(t, mlx.Full(s, 0.5, mlx.Float32, 2, 3), mlx.Softmax(mlx.Ones(s, mlx.Bool, 2, 3), 0), 0, "bool")
}

// mlx.core rounds each step to an integer, and begins an exclusive one with the smallest, from which the
// difference to 1 overflows: 1, −1 became −2147483648, −2147483647, −1 on x86-64 and −2147483648, 22, … on arm64.
func TestLogcumsumexpOfIntegersIsOfFloats(t *testing.T) {
	s := scope(t)
	x := mlx.FromSlice(s, []float32{1, 0, 2, 1, 1, 0}, 2, 3)
	for _, d := range []mlx.Dtype{mlx.Int8, mlx.Uint8, mlx.Int32, mlx.Int64} {
		for _, how := range []mlx.Cumulative{{}, {Exclusive: true}, {Reverse: true}, {Reverse: true, Exclusive: true}} {
			y := mlx.Logcumsumexp(mlx.AsType(x, d), 1, how)
			require.Equal(t, "float32[2 3]", y.String())
			require.Equal(t, floats(t, mlx.Logcumsumexp(x, 1, how)), floats(t, y), fmt.Sprint(d, how))
		}
	}
	y := mlx.Logcumsumexp(mlx.AsType(x, mlx.Int32), 1, mlx.Cumulative{Exclusive: true})
	near(t, []float32{1, 1.3132617, 1, 1.6931472}, mlx.Slice(y, 1, mlx.From(1)), "ln(e + 1), ln 2e")
	near(t, []float32{1, 1.6931472}, mlx.Logcumsumexp(mlx.Ones(s, mlx.Bool, 2), 0), "bool")
}

// What mlx.core refuses of operands without elements, or of too few axes, is refused too, and what
// it accepts is accepted: matrices of which a batch has none.
func TestOperandsWithoutElementsAreChecked(t *testing.T) {
	s := scope(t)
	zeros := func(shape ...int) *mlx.Array { return mlx.Zeros(s, mlx.Float32, shape...) }
	ints := func(shape ...int) *mlx.Array { return mlx.Zeros(s, mlx.Int32, shape...) }
	computed := mlx.Greater(zeros(2), mlx.Scalar(s, float32(-1)))
	for name, y := range map[string]*mlx.Array{
		"scatter: indices":     mlx.ScatterAddAxis(zeros(4, 5), ints(2, 0, 1), zeros(1), 1),
		"scatter: values":      mlx.PutAlongAxis(zeros(4, 5), ints(4, 0), zeros(4, 2), 1),
		"mask of other axes":   mlx.MaskedScatter(zeros(6), mlx.Zeros(s, mlx.Bool, 0), zeros(6)),
		"mask of more axes":    mlx.MaskedScatter(zeros(0, 5), mlx.Zeros(s, mlx.Bool, 1, 4, 5), zeros(0)),
		"nothing for the mask": mlx.MaskedScatter(zeros(2), computed, zeros(0)),
		"a matrix's norm":      mlx.NormOrd(zeros(3), 2, 0, 1),
		"a matrix's norm too":  mlx.NormMatrix(zeros(3), mlx.Nuclear, 0, 1),
	} {
		require.Error(t, y.Err(), name)
	}
	u, sv, vt := mlx.SVD(zeros(0, 3, 2))
	w, v := mlx.Eigh(zeros(2, 0, 3, 3), mlx.Lower)
	sign, logAbs := mlx.Slogdet(zeros(0, 3, 3))
	require.NoError(t, mlx.Eval(u, sv, vt, w, v, sign, logAbs))
	require.Equal(t, "float32[0 3 3] float32[0 2] float32[0 2 2] float32[2 0 3] float32[2 0 3 3] float32[0] float32[0]", fmt.Sprint(u, " ", sv, " ", vt, " ", w, " ", v, " ", sign, " ", logAbs))
	for name, f := range map[string]func(*mlx.Array) *mlx.Array{
		"inv": mlx.Inv, "pinv": mlx.Pinv, "eigvals": mlx.Eigvals, "solve": func(a *mlx.Array) *mlx.Array { return mlx.Solve(a, a) },
		"cholesky": func(a *mlx.Array) *mlx.Array { return mlx.Cholesky(a, mlx.Upper) }, "det": mlx.Det,
	} {
		require.NoError(t, mlx.Eval(f(zeros(0, 3, 3))), name)
	}
	// mx.slice_update(zeros((2, 3)), ones(1), array(1), [1])
	one := mlx.Ones(s, mlx.Float32, 1)
	require.Equal(t, []float32{0, 1, 0, 0, 1, 0}, floats(t, mlx.SliceUpdateDynamic(zeros(2, 3), one, mlx.FromSlice(s, []int32{1}), 1)))
	require.Equal(t, []float32{0, 1, 0, 0, 1, 0}, floats(t, mlx.SliceUpdateDynamic(zeros(2, 3), one, mlx.Scalar(s, int32(1)), 1)))
	require.ErrorIs(t, mlx.SliceUpdateDynamic(zeros(2, 3), one, mlx.Scalar(s, int32(3)), 1).Err(), mlx.ErrIndex)
}

func TestFullKeeps64Bits(t *testing.T) {
	s := scope(t)
	require.Equal(t, []int64{1<<62 + 1}, values[int64](t, mlx.Full(s, 1<<62+1, mlx.Int64, 1)))
	require.Equal(t, []int64{math.MinInt64}, values[int64](t, mlx.Full(s, math.MinInt64, mlx.Int64, 1)))
	require.Equal(t, []uint64{math.MaxUint64}, values[uint64](t, mlx.Full(s, uint64(math.MaxUint64), mlx.Uint64, 1)))
	require.Equal(t, []uint64{1<<63 + 1<<20}, values[uint64](t, mlx.Full(s, 0x1p63+0x1p20, mlx.Uint64, 1)))
	require.Equal(t, []int64{1 << 60}, values[int64](t, mlx.Full(s, 0x1p60, mlx.Int64, 1)))
	require.Equal(t, []float32{0.5, 0.5}, floats(t, mlx.Full(s, 0.5, mlx.Float32, 2)))
	require.Equal(t, []float32{-2}, floats(t, mlx.Full(s, int8(-2), mlx.Float32, 1)))
	require.Equal(t, []bool{true}, values[bool](t, mlx.Full(s, true, mlx.Bool, 1)))
	require.Equal(t, []complex64{1 + 2i}, values[complex64](t, mlx.Full(s, complex64(1+2i), mlx.Complex64, 1)))
	require.Equal(t, []float32{1.5}, floats(t, mlx.Full(s, mlx.HalfOf(1.5), mlx.Float32, 1)))
	require.Equal(t, []float32{1.5}, floats(t, mlx.Full(s, mlx.BrainOf(1.5), mlx.Float32, 1)))
}

func TestExporterRefusesNamedArgumentsThatItWouldDrop(t *testing.T) {
	s := scope(t)
	path := filepath.Join(t.TempDir(), "f.mlxfn")
	x, err := mlx.NewExporter(path, func(a []*mlx.Array) []*mlx.Array { return one(mlx.Add(a[0], a[1])) }, false)
	require.NoError(t, err)
	a := mlx.FromSlice(s, []int32{1, 2, 3})
	err = x.AddKwargs(two(a, a), map[string]*mlx.Array{"z": a})
	require.ErrorIs(t, err, mlx.ErrIndex)
	require.ErrorContains(t, err, "ExportFunctionKwargs")
	require.NoError(t, x.AddKwargs(two(a, a), map[string]*mlx.Array{}))
	require.NoError(t, x.Close())
	f, err := mlx.ImportFunction(path)
	require.NoError(t, err)
	require.Equal(t, []int32{2, 4, 6}, values[int32](t, f.Call(a, a)[0]))

	path = filepath.Join(t.TempDir(), "kw.mlxfn")
	require.NoError(t, mlx.ExportFunctionKwargs(path, func(a []*mlx.Array, named map[string]*mlx.Array) []*mlx.Array {
		return one(mlx.Add(a[0], mlx.Multiply(named["y"], named["z"])))
	}, false, one(a), map[string]*mlx.Array{"y": a, "z": a}))
	f, err = mlx.ImportFunction(path)
	require.NoError(t, err)
	require.Equal(t, []int32{2, 6, 12}, values[int32](t, f.CallKwargs(one(a), map[string]*mlx.Array{"z": a, "y": a})[0]))
}

// What mlx.core 0.32.2 accepts, with its results.
func TestWhatMLXCoreAcceptsIsAccepted(t *testing.T) {
	s := scope(t)
	ones := func(shape ...int) *mlx.Array { return mlx.Ones(s, mlx.Float32, shape...) }
	zeros := func(shape ...int) *mlx.Array { return mlx.Zeros(s, mlx.Float32, shape...) }
	ids := mlx.FromSlice(s, []int32{0, 1})
	// updates with more axes, of length 1, in front
	require.Equal(t, []float32{1, 1, 1}, floats(t, mlx.IndexUpdate(zeros(3), ones(1, 1, 3), mlx.Whole)))
	require.Equal(t, []float32{1, 1, 1, 0, 0, 0}, floats(t, mlx.IndexUpdate(zeros(2, 3), ones(1, 1, 3), mlx.At(0))))
	require.Equal(t, []float32{1, 1, 1, 1, 1, 1}, floats(t, mlx.IndexUpdate(zeros(2, 3), ones(1, 1, 1, 3), ids)))
	require.Equal(t, []float32{1, 1, 0}, floats(t, mlx.IndexAdd(zeros(3), ones(1, 1, 2), ids)))
	require.Equal(t, []float32{0, 1, 1}, floats(t, mlx.IndexAdd(zeros(3), ones(1, 1, 2), mlx.From(1))))
	require.ErrorIs(t, mlx.IndexUpdate(zeros(3), ones(2, 3), mlx.Whole).Err(), mlx.ErrShape)

	// a mask that is computed
	x := mlx.Arange(s, 0, 6, 1, mlx.Float32)
	mask := mlx.Greater(x, mlx.Scalar(s, float32(2)))
	require.Equal(t, []float32{0, 1, 2, 10, 11, 12}, floats(t, mlx.MaskedScatter(x, mask, mlx.FromSlice(s, []float32{10, 11, 12}))))
	require.ErrorContains(t, mlx.Eval(mlx.MaskedScatter(x, mask, mlx.FromSlice(s, []float32{10, 11}))), "enough elements")

	// mlx.random.normal((3,), dtype=mx.complex64, key=mx.random.key(0)), and with loc=1+2j, scale=2
	key := mlx.RandomKey(s, 0)
	complexNear(t, []complex64{0.132826 - 0.90746i, 0.459208 + 0.883219i, 0.172866 - 0.0830493i}, mlx.RandomNormal(key, 0, 1, mlx.Complex64, 3))
	complexNear(t, []complex64{1.26565 + 0.18508i, 1.91842 + 3.76644i, 1.34573 + 1.8339i},
		mlx.RandomNormalBroadcast(key, mlx.Scalar(s, complex64(1+2i)), mlx.Scalar(s, float32(2)), mlx.Complex64, 3))
	require.Error(t, mlx.RandomUniform(key, zeros(), ones(), mlx.Complex64, 3).Err())

	require.Equal(t, []bool{false, true, true, true}, values[bool](t, mlx.View(mlx.FromSlice(s, []uint8{0, 1, 2, 255}), mlx.Bool)))
	require.Equal(t, []bool{false, false, true, true}, values[bool](t, mlx.View(mlx.FromSlice(s, []float32{1.5}), mlx.Bool)))

	for mode, want := range map[string][2]string{
		"": {"uint32[4 8]", "float32[4 1]"}, "mxfp4": {"uint32[4 8]", "uint8[4 2]"}, "mxfp8": {"uint32[4 16]", "uint8[4 2]"}, "nvfp4": {"uint32[4 8]", "uint8[4 4]"},
	} {
		q := mlx.Quantization{Mode: mode}
		w, scales, biases := mlx.Quantize(ones(4, 64), q)
		require.Equal(t, want, [2]string{w.String(), scales.String()}, mode)
		require.InDelta(t, 1, floats(t, mlx.Dequantize(w, scales, biases, q, mlx.Float32))[0], 1./32, mode) // a scale of 8 bits
	}
	w, _, _ := mlx.Quantize(ones(4, 64), mlx.Quantization{Bits: 8})
	require.Equal(t, "uint32[4 16]", w.String())

	require.Equal(t, "uint32[2 1]", mlx.KeepDims(mlx.Argmax, ones(2, 3), 1).String())
	require.Equal(t, "uint32[1 1]", mlx.KeepDims(mlx.Argmin, ones(2, 3)).String())
	require.Equal(t, "uint32[1 1]", mlx.KeepDims(mlx.Argmax, ones(2, 3), mlx.Flat).String())
	require.Equal(t, "float32[1 1]", mlx.KeepDims(mlx.Norm, ones(2, 3)).String())
	require.ErrorIs(t, mlx.KeepDims(mlx.Argmax, ones(2, 3), 0, 1).Err(), mlx.ErrIndex)
}

func complexNear(t *testing.T, want []complex64, a *mlx.Array) {
	t.Helper()
	got := values[complex64](t, a)
	require.Len(t, got, len(want))
	for i := range want {
		require.InDelta(t, real(want[i]), real(got[i]), 1e-5) // six figures were printed
		require.InDelta(t, imag(want[i]), imag(got[i]), 1e-5)
	}
}
