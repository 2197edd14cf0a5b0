package mlx_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// slopeCase is a function of an array whose elements are in [lo, hi).
type slopeCase struct {
	f      func(x *mlx.Array) *mlx.Array
	lo, hi float32
	shape  []int // nil for [3 4]
}

func (c slopeCase) at(s *mlx.Scope, seed uint64, lo, hi float32) *mlx.Array {
	shape := c.shape
	if shape == nil {
		shape = []int{3, 4}
	}
	return random(s, seed, lo, hi, shape...)
}

// weighted returns the sum of f's result with weights, so that no gradient is the same
// everywhere.
func weighted(s *mlx.Scope, f func(x *mlx.Array) *mlx.Array) mlx.Func {
	return func(a []*mlx.Array) []*mlx.Array {
		y := f(a[0])
		n := y.Size()
		weights := mlx.Reshape(mlx.Linspace(s, 0.5, 1.5, n, true, mlx.Float32), y.Shape()...)
		return one(mlx.Sum(mlx.Multiply(y, weights)))
	}
}

// elementSlopes are of operations on each element.
func elementSlopes(s *mlx.Scope) map[string]slopeCase {
	return map[string]slopeCase{
		"exp": {mlx.Exp, -1, 1, nil}, "log": {mlx.Log, 0.5, 2, nil}, "tanh": {mlx.Tanh, -1, 1, nil}, "sigmoid": {mlx.Sigmoid, -2, 2, nil}, "erf": {mlx.Erf, -1, 1, nil},
		"erfinv": {mlx.Erfinv, -0.7, 0.7, nil}, "sqrt": {mlx.Sqrt, 0.5, 2, nil}, "rsqrt": {mlx.Rsqrt, 0.5, 2, nil}, "sin": {mlx.Sin, -2, 2, nil}, "tan": {mlx.Tan, -1, 1, nil},
		"arcsin": {mlx.Arcsin, -0.8, 0.8, nil}, "arccosh": {mlx.Arccosh, 1.5, 3, nil}, "arctanh": {mlx.Arctanh, -0.7, 0.7, nil}, "log1p": {mlx.Log1p, -0.5, 1, nil}, "log2": {mlx.Log2, 0.5, 2, nil},
		"gelu": {mlx.GELU, -2, 2, nil}, "silu": {mlx.SiLU, -2, 2, nil}, "square": {mlx.Square, -2, 2, nil}, "reciprocal": {mlx.Reciprocal, 0.5, 2, nil}, "abs": {mlx.Abs, 0.5, 2, nil},
		"power":     {func(x *mlx.Array) *mlx.Array { return mlx.Power(x, mlx.Scalar(s, float32(2.5))) }, 0.5, 2, nil},
		"divide":    {func(x *mlx.Array) *mlx.Array { return mlx.Divide(mlx.Sin(x), x) }, 0.5, 2, nil},
		"maximum":   {func(x *mlx.Array) *mlx.Array { return mlx.Maximum(x, mlx.Scale(x, 2)) }, 0.5, 2, nil},
		"logaddexp": {func(x *mlx.Array) *mlx.Array { return mlx.Logaddexp(x, mlx.Square(x)) }, -1, 1, nil},
		"arctan2":   {func(x *mlx.Array) *mlx.Array { return mlx.Arctan2(x, mlx.Exp(x)) }, -1, 1, nil},
	}
}

// reductionSlopes are of operations along an axis.
func reductionSlopes(_ *mlx.Scope) map[string]slopeCase {
	return map[string]slopeCase{
		"softmax":   {func(x *mlx.Array) *mlx.Array { return mlx.Softmax(x, -1) }, -1, 1, nil},
		"logsumexp": {func(x *mlx.Array) *mlx.Array { return mlx.LogSumExp(x, -1) }, -1, 1, nil},
		"max":       {func(x *mlx.Array) *mlx.Array { return mlx.Max(x, 0) }, -1, 1, nil},
		"prod":      {func(x *mlx.Array) *mlx.Array { return mlx.Prod(x, 1) }, 0.5, 1.5, nil},
		"var":       {func(x *mlx.Array) *mlx.Array { return mlx.Var(x, 1, 1) }, -1, 1, nil},
		"cumsum":    {func(x *mlx.Array) *mlx.Array { return mlx.Cumsum(x, 1, mlx.Cumulative{Reverse: true}) }, -1, 1, nil},
		"cumprod":   {func(x *mlx.Array) *mlx.Array { return mlx.Cumprod(x, 1) }, 0.5, 1.5, nil},
		"sort":      {func(x *mlx.Array) *mlx.Array { return mlx.Sort(x, -1) }, -1, 1, nil},
	}
}

// productSlopes are of products, norms and transforms.
func productSlopes(s *mlx.Scope) map[string]slopeCase {
	w := random(s, 9, -1, 1, 4, 3)
	kernel := random(s, 8, -1, 1, 2, 2, 2, 4)
	targets := mlx.FromSlice(s, []int32{1, 0, 3})
	return map[string]slopeCase{
		"matmul":        {func(x *mlx.Array) *mlx.Array { return mlx.Matmul(x, w) }, -1, 1, nil},
		"matmul_t":      {func(x *mlx.Array) *mlx.Array { return mlx.MatmulT(x, transposed(w)) }, -1, 1, nil},
		"einsum":        {func(x *mlx.Array) *mlx.Array { return mlx.Einsum("ij,ij,jk->k", x, x, w) }, -1, 1, nil},
		"rms_norm":      {func(x *mlx.Array) *mlx.Array { return mlx.RMSNorm(x, nil, 1e-5) }, -1, 1, nil},
		"layer_norm":    {func(x *mlx.Array) *mlx.Array { return mlx.LayerNorm(x, nil, nil, 1e-5) }, -1, 1, nil},
		"cross_entropy": {func(x *mlx.Array) *mlx.Array { return mlx.CrossEntropy(x, targets) }, -1, 1, nil},
		"conv2d": {func(x *mlx.Array) *mlx.Array {
			return mlx.Conv2D(mlx.Reshape(x, 1, 3, 4, 4), kernel, mlx.Conv{Padding: []int{1}, Stride: []int{2}})
		}, -1, 1, []int{3, 16}},
		"fft": {func(x *mlx.Array) *mlx.Array { return mlx.Square(mlx.Abs(mlx.RFFT(x, 0, -1, mlx.Backward))) }, -1, 1, nil},
	}
}

// indexSlopes are of what takes and places elements.
func indexSlopes(s *mlx.Scope) map[string]slopeCase {
	targets := mlx.FromSlice(s, []int32{1, 0, 3})
	return map[string]slopeCase{
		"index": {func(x *mlx.Array) *mlx.Array { return mlx.Index(x, mlx.Every(-2), targets) }, -1, 1, nil},
		"index_update": {func(x *mlx.Array) *mlx.Array {
			return mlx.IndexUpdate(x, mlx.Index(mlx.Square(x), mlx.At(0)), mlx.At(2))
		}, -1, 1, nil},
		"index_add": {func(x *mlx.Array) *mlx.Array { return mlx.IndexAdd(x, mlx.Sum(mlx.Square(x)), mlx.Whole, targets) }, -1, 1, nil},
		"take":      {func(x *mlx.Array) *mlx.Array { return mlx.Take(mlx.Square(x), targets, 1) }, -1, 1, nil},
		"where": {func(x *mlx.Array) *mlx.Array {
			return mlx.Where(mlx.Greater(x, mlx.Scalar(s, float32(0.013))), mlx.Square(x), mlx.Exp(x))
		}, -1, 1, nil},
		"pad": {func(x *mlx.Array) *mlx.Array { return mlx.Square(mlx.Pad(x, mlx.PadConstant, 1, [2]int{1, 2})) }, -1, 1, nil},
	}
}

// withoutSlope are operations of which MLX has no gradient.
func withoutSlope(s *mlx.Scope) map[string]slopeCase {
	w := random(s, 9, -1, 1, 4, 3)
	spd := mlx.Add(mlx.Matmul(w, transposed(w)), mlx.Identity(s, 4, mlx.Float32))
	return map[string]slopeCase{
		"solve": {func(x *mlx.Array) *mlx.Array {
			return mlx.Matmul(mlx.Inv(mlx.Add(spd, mlx.Matmul(transposed(x), x))), w)
		}, -0.3, 0.3, nil},
		"cholesky": {func(x *mlx.Array) *mlx.Array {
			return mlx.Cholesky(mlx.Add(spd, mlx.Matmul(transposed(x), x)), mlx.Lower)
		}, -0.3, 0.3, nil},
	}
}

func TestGradientsAgreeWithFiniteDifferences(t *testing.T) {
	s := scope(t)
	for _, cases := range []map[string]slopeCase{elementSlopes(s), reductionSlopes(s), productSlopes(s), indexSlopes(s)} {
		for name, c := range cases {
			x, f := c.at(s, 77, c.lo, c.hi), weighted(s, c.f)
			grad := floats(t, mlx.Grad(f)(x)[0])
			direction := c.at(s, 78, -1, 1)
			const h = 1e-2
			at := func(step float64) float64 {
				v, err := mlx.Item[float32](f(one(mlx.Add(x, mlx.Scale(direction, step))))[0])
				require.NoError(t, err, name)
				return float64(v)
			}
			// Richardson: the error is of h⁴, and of float32's rounding over h
			slope := (8*(at(h/2)-at(-h/2)) - (at(h) - at(-h))) / (6 * h)
			want := 0.0
			for i, d := range floats(t, direction) {
				want += float64(d) * float64(grad[i])
			}
			assert.InDelta(t, slope, want, 2e-3*max(1, math.Abs(slope)), "%s: the slope along a direction, by differences and by the gradient", name)
		}
	}
	for name, c := range withoutSlope(s) {
		require.Error(t, mlx.Grad(weighted(s, c.f))(c.at(s, 77, c.lo, c.hi))[0].Err(), "MLX has no gradient of %s", name)
	}
}

func TestTheGradientOfManyNumbersIsRefusedByName(t *testing.T) {
	s := scope(t)
	square := func(a []*mlx.Array) []*mlx.Array { return one(mlx.Square(a[0])) }
	for _, shape := range [][]int{{1}, {2, 3}} {
		err := mlx.Grad(square)(mlx.Ones(s, mlx.Float32, shape...))[0].Err()
		require.ErrorIs(t, err, mlx.ErrShape)
		require.ErrorContains(t, err, fmt.Sprintf("the first result is float32%v, and a gradient is of a 0-d array: take its Sum or Mean", shape))
	}
	require.Equal(t, []float32{2}, floats(t, mlx.Grad(square)(mlx.Ones(s, mlx.Float32))[0]))
}
