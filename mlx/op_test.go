package mlx_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
)

// tolerance for a few float32 operations on numbers of size 1.
const tolerance = 1e-5

func near(t *testing.T, want []float32, got *mlx.Array, name string) {
	t.Helper()
	xs := floats(t, got)
	require.Len(t, xs, len(want), name)
	assert.InDeltaSlice(t, want, xs, tolerance, name)
}

func each(xs []float32, f func(float64) float64) []float32 {
	out := make([]float32, len(xs))
	for i, x := range xs {
		out[i] = float32(f(float64(x)))
	}
	return out
}

func TestElementwiseOperationsFollowTheirEquations(t *testing.T) {
	s := scope(t)
	xs := []float32{-1.5, -0.25, 0.5, 2}
	x := mlx.FromSlice(s, xs)
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	for name, c := range map[string]struct {
		got *mlx.Array
		f   func(float64) float64
	}{
		"abs": {mlx.Abs(x), math.Abs}, "negative": {mlx.Negative(x), func(x float64) float64 { return -x }},
		"exp": {mlx.Exp(x), math.Exp}, "expm1": {mlx.Expm1(x), math.Expm1}, "log": {mlx.Log(mlx.Exp(x)), func(x float64) float64 { return x }},
		"log1p": {mlx.Log1p(mlx.Square(x)), func(x float64) float64 { return math.Log1p(x * x) }},
		"sqrt":  {mlx.Sqrt(mlx.Abs(x)), func(x float64) float64 { return math.Sqrt(math.Abs(x)) }},
		"rsqrt": {mlx.Rsqrt(mlx.Square(x)), func(x float64) float64 { return 1 / math.Abs(x) }},
		"recip": {mlx.Reciprocal(x), func(x float64) float64 { return 1 / x }},
		"sin":   {mlx.Sin(x), math.Sin}, "cos": {mlx.Cos(x), math.Cos}, "tanh": {mlx.Tanh(x), math.Tanh}, "erf": {mlx.Erf(x), math.Erf},
		"sigmoid": {mlx.Sigmoid(x), sigmoid}, "floor": {mlx.Floor(x), math.Floor}, "ceil": {mlx.Ceil(x), math.Ceil},
		"sign": {mlx.Sign(x), func(x float64) float64 { return math.Copysign(1, x) }},
		"silu": {mlx.SiLU(x), func(x float64) float64 { return x * sigmoid(x) }},
		"gelu": {mlx.GELU(x), func(x float64) float64 { return x / 2 * (1 + math.Erf(x/math.Sqrt2)) }},
		"gelu_tanh": {mlx.GELUTanh(x), func(x float64) float64 {
			return x / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
		}},
		"scale": {mlx.Scale(x, 3), func(x float64) float64 { return 3 * x }}, "shift": {mlx.Shift(x, 3), func(x float64) float64 { return x + 3 }},
	} {
		near(t, each(xs, c.f), c.got, name)
	}
}

func TestBinaryOperationsBroadcast(t *testing.T) {
	s := scope(t)
	a, b := mlx.FromSlice(s, []float32{1, 2, 3, 4}, 2, 2), mlx.FromSlice(s, []float32{2, 3}, 2)
	for name, c := range map[string]struct {
		got  *mlx.Array
		want []float32
	}{
		"add": {mlx.Add(a, b), []float32{3, 5, 5, 7}}, "subtract": {mlx.Subtract(a, b), []float32{-1, -1, 1, 1}},
		"multiply": {mlx.Multiply(a, b), []float32{2, 6, 6, 12}}, "divide": {mlx.Divide(a, b), []float32{0.5, 2. / 3, 1.5, 4. / 3}},
		"power": {mlx.Power(a, b), []float32{1, 8, 9, 64}}, "maximum": {mlx.Maximum(a, b), []float32{2, 3, 3, 4}},
		"minimum":   {mlx.Minimum(a, b), []float32{1, 2, 2, 3}},
		"logaddexp": {mlx.Logaddexp(a, b), []float32{2.3132617, 3.3132617, 3.3132617, 4.3132617}}, // max + ln(1 + e^−1)
		"where":     {mlx.Where(mlx.Less(a, b), a, mlx.Scale(b, 10)), []float32{1, 2, 20, 30}},
	} {
		near(t, c.want, c.got, name)
	}
	for name, c := range map[string]struct {
		got  *mlx.Array
		want []bool
	}{
		"equal": {mlx.Equal(a, b), []bool{false, false, false, false}}, "not_equal": {mlx.NotEqual(a, b), []bool{true, true, true, true}},
		"less": {mlx.Less(a, b), []bool{true, true, false, false}}, "greater": {mlx.Greater(a, b), []bool{false, false, true, true}},
		"less_equal": {mlx.LessEqual(a, a), []bool{true, true, true, true}}, "greater_equal": {mlx.GreaterEqual(b, a), []bool{true, true, false, false}},
		"or":  {mlx.LogicalOr(mlx.Less(a, b), mlx.Equal(a, a)), []bool{true, true, true, true}},
		"and": {mlx.LogicalAnd(mlx.Less(a, b), mlx.LogicalNot(mlx.Equal(a, a))), []bool{false, false, false, false}},
	} {
		got, err := mlx.Data[bool](c.got)
		require.NoError(t, err, name)
		assert.Equal(t, c.want, got, name)
	}
}

func TestReductions(t *testing.T) {
	s := scope(t)
	x := mlx.FromSlice(s, []float32{1, 2, 3, 4, 5, 6}, 2, 3)
	near(t, []float32{21}, mlx.Sum(x), "sum")
	near(t, []float32{5, 7, 9}, mlx.Sum(x, 0), "sum")
	near(t, []float32{2, 5}, mlx.Mean(x, -1), "mean")
	near(t, []float32{3, 6}, mlx.Max(x, 1), "max")
	near(t, []float32{1}, mlx.Min(x, 0, 1), "min")
	near(t, []float32{3 + float32(math.Log(1+math.Exp(-1)+math.Exp(-2))), 6 + float32(math.Log(1+math.Exp(-1)+math.Exp(-2)))}, mlx.LogSumExp(x, 1), "logsumexp")
	near(t, []float32{0.09003057, 0.24472848, 0.66524094}, mlx.Slice(mlx.Softmax(x, -1), 0, mlx.Between(0, 1)), "softmax") // e^(i−3)/Σ
	best, err := mlx.Data[uint32](mlx.Argmax(x, 0))
	require.NoError(t, err)
	assert.Equal(t, []uint32{1, 1, 1}, best)
	order, err := mlx.Data[uint32](mlx.Argsort(mlx.Negative(x), 1))
	require.NoError(t, err)
	assert.Equal(t, []uint32{2, 1, 0, 2, 1, 0}, order)
	part, err := mlx.Data[uint32](mlx.Slice(mlx.Argpartition(x, -1, 1), 1, mlx.Between(-1, 3)))
	require.NoError(t, err)
	assert.Equal(t, []uint32{2, 2}, part)
}

func TestShapes(t *testing.T) {
	s := scope(t)
	x := mlx.Arange(s, 0, 6, 1, mlx.Float32)
	m := mlx.Reshape(x, 2, -1)
	assert.Equal(t, []int{2, 3}, m.Shape())
	assert.Equal(t, []int{2, 1, 3}, mlx.ExpandDims(m, 1).Shape())
	assert.Equal(t, []int{2, 3}, mlx.Squeeze(mlx.ExpandDims(m, 0, 3)).Shape())
	near(t, []float32{0, 3, 1, 4, 2, 5}, mlx.Reshape(mlx.Transpose(m, 1, 0), -1), "transpose")
	near(t, []float32{0, 1, 2, 3, 4, 5, 0, 1, 2}, mlx.Reshape(mlx.Concatenate(0, m, mlx.Slice(m, 0, mlx.Between(0, 1))), -1), "concatenate")
	assert.Equal(t, []int{2, 2, 3}, mlx.Stack(0, m, m).Shape())
	near(t, []float32{4, 5}, mlx.Slice(x, 0, mlx.Between(-2, 6)), "slice")
	near(t, nil, mlx.Slice(x, 0, mlx.Between(4, 2)), "an empty slice")
	parts := mlx.Split(x, 3, 0)
	require.Len(t, parts, 3)
	near(t, []float32{4, 5}, parts[2], "split")
	near(t, []float32{5, 0}, mlx.Take(x, mlx.FromSlice(s, []int32{-1, 0}), 0), "take")
	near(t, []float32{2, 3}, mlx.TakeAlongAxis(m, mlx.FromSlice(s, []int32{2, 0}, 2, 1), 1), "take_along_axis")
}

func TestMatmulTIsTheProductWithTheTranspose(t *testing.T) {
	s := scope(t)
	x := mlx.FromSlice(s, []float32{1, 2, 3, 4}, 2, 2)
	w := mlx.FromSlice(s, []float32{1, 0, 0, 1, 1, 1}, 3, 2)
	near(t, []float32{1, 2, 3, 3, 4, 7}, mlx.MatmulT(x, w), "matmul_t")
	near(t, []float32{1, 2, 3, 3, 4, 7}, mlx.Matmul(x, mlx.Transpose(w)), "matmul")
}

func TestQuantizedProductEqualsTheProductWithTheUnpackedMatrix(t *testing.T) {
	s := scope(t)
	rows := make([]float32, 8*128)
	for i := range rows {
		rows[i] = float32(math.Sin(float64(i)))
	}
	m, x := mlx.FromSlice(s, rows, 8, 128), mlx.FromSlice(s, rows[:256], 2, 128)
	for _, q := range []mlx.Quantization{
		{GroupSize: 32, Bits: 4, Mode: "affine"}, {GroupSize: 64, Bits: 8, Mode: "affine"}, {GroupSize: 128, Bits: 3, Mode: "affine"},
		{GroupSize: 32, Bits: 4, Mode: "mxfp4"}, {GroupSize: 32, Bits: 8, Mode: "mxfp8"}, {GroupSize: 16, Bits: 4, Mode: "nvfp4"},
	} {
		w, scales, biases := mlx.Quantize(m, q)
		unpacked := mlx.Dequantize(w, scales, biases, q, mlx.Float32)
		want := floats(t, mlx.MatmulT(x, unpacked))
		assert.InDeltaSlice(t, want, floats(t, mlx.QuantizedMatmul(x, w, scales, biases, q)), 1e-4, "%v", q)
		assert.InDeltaSlice(t, rows, floats(t, unpacked), 1, "%v: no closer than its bits allow, but the same matrix", q)
	}
}

func TestNormsFollowTheirEquations(t *testing.T) {
	s := scope(t)
	x, w, b := mlx.FromSlice(s, []float32{3, 4}), mlx.FromSlice(s, []float32{1, 2}), mlx.FromSlice(s, []float32{0.5, 0})
	r := float32(1 / math.Sqrt(12.5+1e-5))
	near(t, []float32{3 * r, 8 * r}, mlx.RMSNorm(x, w, 1e-5), "rms")
	near(t, []float32{3 * r, 4 * r}, mlx.RMSNorm(x, nil, 1e-5), "rms without a weight")
	d := float32(0.5 / math.Sqrt(0.25+1e-5))
	near(t, []float32{-d + 0.5, 2 * d}, mlx.LayerNorm(x, w, b, 1e-5), "layer")
}

func TestRoPETurnsPairsByTheirPosition(t *testing.T) {
	s := scope(t)
	x := mlx.FromSlice(s, []float32{1, 0, 0, 1, 1, 0, 0, 1}, 1, 1, 2, 4) // the halves (1,0) and (0,1) of two positions
	base := mlx.Rotary{Dims: 4, Base: 100, Scale: 1}
	s1, c1 := math.Sincos(5)       // position 5, frequency 1
	s2, c2 := math.Sincos(5. / 10) // frequency 100^(−1/2)
	want := []float32{float32(c1), float32(-s2), float32(s1), float32(c2)}
	near(t, want, mlx.Reshape(mlx.Slice(mlx.RoPE(x, base, 4), 2, mlx.Between(1, 2)), -1), "offset 4, second position")
	freqs := base
	freqs.Freqs = mlx.FromSlice(s, []float32{1, 10})
	near(t, want, mlx.Reshape(mlx.Slice(mlx.RoPE(x, freqs, 4), 2, mlx.Between(1, 2)), -1), "the same by frequencies")
	half := base
	half.Scale = 0.5
	near(t, want, mlx.Reshape(mlx.Slice(mlx.RoPE(x, half, 9), 2, mlx.Between(1, 2)), -1), "position 10 at half scale")
}

func TestFusedAttentionEqualsItsEquation(t *testing.T) {
	s := scope(t)
	const heads, kv, pos, d = 4, 2, 5, 8
	values := func(n int, f float64) *mlx.Array {
		xs := make([]float32, n)
		for i := range xs {
			xs[i] = float32(math.Sin(f * float64(i)))
		}
		return mlx.FromSlice(s, xs)
	}
	q := mlx.Reshape(values(heads*pos*d, 0.7), 1, heads, pos, d)
	k, v := mlx.Reshape(values(kv*pos*d, 0.3), 1, kv, pos, d), mlx.Reshape(values(kv*pos*d, 0.9), 1, kv, pos, d)
	repeat := func(x *mlx.Array) *mlx.Array {
		return mlx.Reshape(mlx.BroadcastTo(mlx.ExpandDims(x, 2), 1, kv, heads/kv, pos, d), 1, heads, pos, d)
	}
	scores := mlx.Scale(mlx.Matmul(q, mlx.Transpose(repeat(k), 0, 1, 3, 2)), 0.5)
	pattern := mlx.Softmax(mlx.Masked(scores, mlx.CausalMask(s, mlx.Causal{Queries: pos, Keys: pos})), -1)
	want := floats(t, mlx.Matmul(pattern, repeat(v)))
	assert.InDeltaSlice(t, want, floats(t, mlx.Attention(q, k, v, 0.5, true, nil)), tolerance)
	assert.InDeltaSlice(t, want, floats(t, mlx.Attention(q, k, v, 0.5, false, mlx.CausalMask(s, mlx.Causal{Queries: pos, Keys: pos}))), tolerance)
	for i, p := range floats(t, pattern) {
		if key, query := i%pos, i/pos%pos; key > query {
			require.Zero(t, p, "weight on the future")
		}
	}
}

func TestWindowedMaskLetsAQuerySeeItsLastKeys(t *testing.T) {
	s := scope(t)
	got, err := mlx.Data[bool](mlx.CausalMask(s, mlx.Causal{Queries: 3, Keys: 5, Window: 2}))
	require.NoError(t, err)
	const x, o = true, false
	assert.Equal(t, []bool{
		o, x, x, o, o,
		o, o, x, x, o,
		o, o, o, x, x,
	}, got)
}

func TestChunkedMaskLetsAQuerySeeTheKeysOfItsChunk(t *testing.T) {
	s := scope(t)
	got, err := mlx.Data[bool](mlx.CausalMask(s, mlx.Causal{Queries: 4, Keys: 6, Chunk: 3}))
	require.NoError(t, err)
	const x, o = true, false
	assert.Equal(t, []bool{
		x, x, x, o, o, o,
		o, o, o, x, o, o,
		o, o, o, x, x, o,
		o, o, o, x, x, x,
	}, got)
}

func TestSliceUpdateReplacesElementsOfAnAxis(t *testing.T) {
	s := scope(t)
	x := mlx.Reshape(mlx.Arange(s, 0, 12, 1, mlx.Float32), 3, 4)
	u := mlx.FromSlice(s, []float32{-1, -2, -3, -4, -5, -6}, 3, 2)
	near(t, []float32{0, -1, -2, 3, 4, -3, -4, 7, 8, -5, -6, 11}, mlx.SliceUpdate(x, u, 1, 1), "columns 1 and 2")
	near(t, []float32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, x, "the operand is as it was")
	for what, bad := range map[string]*mlx.Array{
		"beyond the end": mlx.SliceUpdate(x, u, 1, 3), "before the start": mlx.SliceUpdate(x, u, 1, -1),
		"no such axis": mlx.SliceUpdate(x, u, 2, 0), "another shape": mlx.SliceUpdate(x, u, 0, 0),
	} {
		require.Error(t, bad.Err(), what)
	}
}
