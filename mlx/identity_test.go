package mlx_test

import (
	"bytes"
	"context"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
)

// random returns numbers evenly distributed in [lo, hi).
func random(s *mlx.Scope, seed uint64, lo, hi float32, shape ...int) *mlx.Array {
	return mlx.RandomUniform(mlx.RandomKey(s, seed), mlx.Scalar(s, lo), mlx.Scalar(s, hi), mlx.Float32, shape...)
}

// within fails unless the arrays differ by less than tolerance of the largest element.
func within(t *testing.T, want, got *mlx.Array, tolerance float64, name string) {
	t.Helper()
	require.Equal(t, want.String(), got.String(), name)
	diff, err := mlx.Item[float32](mlx.Max(mlx.Abs(mlx.Subtract(want, got))))
	require.NoError(t, err, name)
	size, err := mlx.Item[float32](mlx.Max(mlx.Abs(want)))
	require.NoError(t, err, name)
	require.LessOrEqual(t, float64(diff), tolerance*max(float64(size), 1), name)
}

func transposed(x *mlx.Array) *mlx.Array { return mlx.Swapaxes(x, -1, -2) }

func TestFactorsGiveTheMatrixBack(t *testing.T) {
	const tolerance = 1e-5 // roundings of sums over few elements
	s := scope(t)
	a := random(s, 1, -1, 1, 2, 4, 4)
	wide := random(s, 2, -1, 1, 3, 5)
	spd := mlx.Add(mlx.Matmul(a, transposed(a)), mlx.Identity(s, 4, mlx.Float32))
	unit := mlx.BroadcastTo(mlx.Identity(s, 4, mlx.Float32), 2, 4, 4)

	q, r := mlx.QR(a)
	within(t, a, mlx.Matmul(q, r), tolerance, "qr")
	within(t, unit, mlx.Matmul(transposed(q), q), tolerance, "q is orthogonal")
	within(t, mlx.Triu(r, 0), r, 0, "r is upper")

	u, sv, vt := mlx.SVD(wide)
	k := sv.Dim(0)
	within(t, wide, mlx.Matmul(mlx.Multiply(mlx.Slice(u, 1, 0, k), sv), mlx.Slice(vt, 0, 0, k)), tolerance, "svd")
	within(t, sv, mlx.SingularValues(wide), tolerance, "the singular values alone")
	within(t, mlx.Identity(s, 3, mlx.Float32), mlx.Matmul(wide, mlx.Pinv(wide)), tolerance, "a wide matrix has a right inverse")

	for _, half := range []mlx.Triangle{mlx.Lower, mlx.Upper} {
		c := mlx.Cholesky(spd, half)
		product := mlx.Matmul(c, transposed(c))
		if half == mlx.Upper {
			product = mlx.Matmul(transposed(c), c)
		}
		within(t, spd, product, tolerance, "cholesky")
		within(t, unit, mlx.Matmul(spd, mlx.CholeskyInv(c, half)), 1e-4, "the inverse by its factor")
		within(t, unit, mlx.Matmul(c, mlx.TriInv(c, half)), 1e-4, "the inverse of a triangle")
		values, vectors := mlx.Eigh(spd, half)
		within(t, mlx.Matmul(spd, vectors), mlx.Multiply(vectors, mlx.ExpandDims(values, -2)), tolerance, "eigh")
		within(t, values, mlx.Eigvalsh(spd, half), tolerance, "the eigenvalues alone")
		b := random(s, 3, -1, 1, 2, 4, 2)
		within(t, b, mlx.Matmul(c, mlx.SolveTriangular(c, b, half)), 1e-4, "solve with a triangle")
	}
	values, vectors := mlx.Eig(a)
	within(t, mlx.Abs(mlx.Zeros(s, mlx.Float32, 2, 4, 4)),
		mlx.Abs(mlx.Subtract(mlx.Matmul(mlx.AsType(a, mlx.Complex64), vectors), mlx.Multiply(vectors, mlx.ExpandDims(values, -2)))), tolerance, "eig")
	within(t, mlx.Abs(values), mlx.Abs(mlx.Eigvals(a)), tolerance, "the eigenvalues alone")

	m := random(s, 4, -1, 1, 4, 4)
	p, l, up := mlx.LU(m)
	within(t, mlx.Take(m, p, 0), mlx.Matmul(l, up), tolerance, "lu")
	b := random(s, 5, -1, 1, 4, 2)
	within(t, b, mlx.Matmul(m, mlx.Solve(m, b)), 1e-4, "solve")
	within(t, mlx.Identity(s, 4, mlx.Float32), mlx.Matmul(m, mlx.Inv(m)), 1e-4, "inv")
	sign, logAbs := mlx.Slogdet(m)
	within(t, mlx.Det(m), mlx.Multiply(sign, mlx.Exp(logAbs)), 1e-4, "det")
	require.Error(t, mlx.Eval(mlx.Inv(mlx.Ones(s, mlx.Float32, 3, 3))), "a singular matrix has no inverse")
}

func TestTransformsAreUndoneByTheirInverses(t *testing.T) {
	s := scope(t)
	x := random(s, 1, -1, 1, 4, 6)
	for _, norm := range []mlx.FFTNorm{mlx.Backward, mlx.Ortho, mlx.Forward} {
		within(t, x, mlx.Real(mlx.IFFT(mlx.FFT(x, 0, -1, norm), 0, -1, norm)), 1e-5, "fft")
		within(t, x, mlx.IRFFT(mlx.RFFT(x, 0, -1, norm), 6, -1, norm), 1e-5, "rfft")
		within(t, x, mlx.Real(mlx.IFFT2(mlx.FFT2(x, nil, nil, norm), nil, nil, norm)), 1e-5, "fft2")
		within(t, x, mlx.IRFFTN(mlx.RFFTN(x, nil, nil, norm), nil, nil, norm), 1e-5, "rfftn")
	}
	within(t, x, mlx.IFFTShift(mlx.FFTShift(x)), 0, "shift")
	within(t, mlx.Mean(mlx.Square(x)), mlx.Mean(mlx.Square(mlx.Abs(mlx.FFT2(x, nil, nil, mlx.Ortho)))), 1e-5, "Parseval")
	y := random(s, 2, -1, 1, 3, 8)
	within(t, y, mlx.HadamardTransform(mlx.HadamardTransform(y, 0), 0), 1e-5, "an orthonormal Hadamard matrix is its own inverse")
	within(t, y, mlx.Logaddexp(mlx.Log(mlx.Scale(mlx.Exp(y), 0.25)), mlx.Log(mlx.Scale(mlx.Exp(y), 0.75))), 1e-5, "logaddexp")
	within(t, mlx.Diff(mlx.Cumsum(y, -1), 1, -1), mlx.Index(y, mlx.Whole, mlx.From(1)), 1e-5, "differences of sums")
	within(t, y, mlx.Flip(mlx.Flip(y, 1), -1), 0, "flip")
	within(t, y, mlx.Roll(mlx.Roll(y, []int{3}, 1), []int{-3}, 1), 0, "roll")
	within(t, y, mlx.Unflatten(mlx.Flatten(y, 0, -1), 0, 3, -1), 0, "flatten")
	within(t, y, mlx.Stack(1, mlx.Unstack(y, 1)...), 0, "unstack")
	within(t, y, mlx.Concatenate(1, mlx.SplitAt(y, []int{2, 5}, 1)...), 0, "split")
	within(t, y, mlx.View(mlx.View(y, mlx.Uint8), mlx.Float32), 0, "view")
	within(t, mlx.Sort(y, 1), mlx.TakeAlongAxis(y, mlx.Argsort(y, 1), 1), 0, "argsort")
	within(t, mlx.Einsum("ij,kj->ik", y, y), mlx.Matmul(y, transposed(y)), 1e-5, "einsum")
	within(t, mlx.Sum(mlx.Square(y)), mlx.Square(mlx.Norm(y)), 1e-5, "norm")
	within(t, mlx.Std(y, 0, 1), mlx.Sqrt(mlx.Var(y, 0, 1)), 1e-6, "std")
	within(t, mlx.Matmul(y, transposed(y)), mlx.Tensordot(y, y, [2]int{1, 1}), 1e-5, "tensordot")
	within(t, mlx.OnesLike(y), mlx.Multiply(mlx.KeepDims(mlx.Sum, mlx.Softmax(y, -1), -1), mlx.OnesLike(y)), 1e-5, "softmax")
	require.Equal(t, []int{1, 1}, mlx.KeepDims(mlx.Max, y).Shape())
}

func TestGatherAndScatterAreEachOthersInverse(t *testing.T) {
	s := scope(t)
	x := random(s, 1, -1, 1, 4, 5, 2)
	i, j := mlx.FromSlice(s, []int32{3, 0, -4, 2}), mlx.FromSlice(s, []uint32{4, 1, 2, 0})
	for name, c := range map[string]struct {
		indices []*mlx.Array
		axes    []int
		sizes   []int
	}{
		"one axis":              {[]*mlx.Array{j}, []int{1}, []int{4, 1, 2}},
		"two axes":              {[]*mlx.Array{i, j}, []int{0, 1}, []int{1, 1, 2}},
		"parts of two elements": {[]*mlx.Array{mlx.FromSlice(s, []int32{0, 2})}, []int{0}, []int{2, 5, 2}},
	} {
		part := mlx.Gather(x, c.indices, c.axes, c.sizes)
		require.NoError(t, part.Err(), name)
		if name == "two axes" { // i names row 0 twice, in different columns
			near(t, floats(t, mlx.Concatenate(0, mlx.Index(x, mlx.At(3), mlx.At(4)), mlx.Index(x, mlx.At(0), mlx.At(1)), mlx.Index(x, mlx.At(0), mlx.At(2)), mlx.Index(x, mlx.At(2), mlx.At(0)))), mlx.Reshape(part, -1), name)
		}
		within(t, x, mlx.Scatter(x, c.indices, part, c.axes), 0, name)
		back := mlx.ScatterAdd(mlx.ZerosLike(x), c.indices, part, c.axes)
		near(t, floats(t, mlx.Sum(part)), mlx.Sum(back), name)
		doubled := mlx.ScatterProd(x, c.indices, mlx.Full(s, 2, mlx.Float32, part.Shape()...), c.axes)
		near(t, floats(t, mlx.Sum(mlx.Add(x, back))), mlx.Sum(doubled), name)
		high := mlx.ScatterMax(x, c.indices, mlx.Full(s, 9, mlx.Float32, part.Shape()...), c.axes)
		low := mlx.ScatterMin(high, c.indices, part, c.axes)
		within(t, x, low, 0, name)
	}
}

func TestGradientsAgreeWithFiniteDifferences(t *testing.T) {
	s := scope(t)
	w := random(s, 9, -1, 1, 4, 3)
	kernel := random(s, 8, -1, 1, 2, 2, 2, 4)
	spd := mlx.Add(mlx.Matmul(w, transposed(w)), mlx.Identity(s, 4, mlx.Float32))
	targets := mlx.FromSlice(s, []int32{1, 0, 3})
	sum := func(f func(x *mlx.Array) *mlx.Array) mlx.Func {
		// a weighted sum, so that no gradient is the same everywhere
		return func(a []*mlx.Array) []*mlx.Array {
			y := f(a[0])
			n := y.Size()
			weights := mlx.Reshape(mlx.Linspace(s, 0.5, 1.5, n, true, mlx.Float32), y.Shape()...)
			return one(mlx.Sum(mlx.Multiply(y, weights)))
		}
	}
	for name, c := range map[string]struct {
		f      func(x *mlx.Array) *mlx.Array
		lo, hi float32
		shape  []int
	}{
		"exp": {mlx.Exp, -1, 1, nil}, "log": {mlx.Log, 0.5, 2, nil}, "tanh": {mlx.Tanh, -1, 1, nil}, "sigmoid": {mlx.Sigmoid, -2, 2, nil}, "erf": {mlx.Erf, -1, 1, nil},
		"erfinv": {mlx.Erfinv, -0.7, 0.7, nil}, "sqrt": {mlx.Sqrt, 0.5, 2, nil}, "rsqrt": {mlx.Rsqrt, 0.5, 2, nil}, "sin": {mlx.Sin, -2, 2, nil}, "tan": {mlx.Tan, -1, 1, nil},
		"arcsin": {mlx.Arcsin, -0.8, 0.8, nil}, "arccosh": {mlx.Arccosh, 1.5, 3, nil}, "arctanh": {mlx.Arctanh, -0.7, 0.7, nil}, "log1p": {mlx.Log1p, -0.5, 1, nil}, "log2": {mlx.Log2, 0.5, 2, nil},
		"gelu": {mlx.GELU, -2, 2, nil}, "silu": {mlx.SiLU, -2, 2, nil}, "square": {mlx.Square, -2, 2, nil}, "reciprocal": {mlx.Reciprocal, 0.5, 2, nil}, "abs": {mlx.Abs, 0.5, 2, nil},
		"power":         {func(x *mlx.Array) *mlx.Array { return mlx.Power(x, mlx.Scalar(s, float32(2.5))) }, 0.5, 2, nil},
		"divide":        {func(x *mlx.Array) *mlx.Array { return mlx.Divide(mlx.Sin(x), x) }, 0.5, 2, nil},
		"maximum":       {func(x *mlx.Array) *mlx.Array { return mlx.Maximum(x, mlx.Scale(x, 2)) }, 0.5, 2, nil},
		"logaddexp":     {func(x *mlx.Array) *mlx.Array { return mlx.Logaddexp(x, mlx.Square(x)) }, -1, 1, nil},
		"arctan2":       {func(x *mlx.Array) *mlx.Array { return mlx.Arctan2(x, mlx.Exp(x)) }, -1, 1, nil},
		"softmax":       {func(x *mlx.Array) *mlx.Array { return mlx.Softmax(x, -1) }, -1, 1, nil},
		"logsumexp":     {func(x *mlx.Array) *mlx.Array { return mlx.LogSumExp(x, -1) }, -1, 1, nil},
		"max":           {func(x *mlx.Array) *mlx.Array { return mlx.Max(x, 0) }, -1, 1, nil},
		"prod":          {func(x *mlx.Array) *mlx.Array { return mlx.Prod(x, 1) }, 0.5, 1.5, nil},
		"var":           {func(x *mlx.Array) *mlx.Array { return mlx.Var(x, 1, 1) }, -1, 1, nil},
		"cumsum":        {func(x *mlx.Array) *mlx.Array { return mlx.Cumsum(x, 1, mlx.Cumulative{Reverse: true}) }, -1, 1, nil},
		"cumprod":       {func(x *mlx.Array) *mlx.Array { return mlx.Cumprod(x, 1) }, 0.5, 1.5, nil},
		"sort":          {func(x *mlx.Array) *mlx.Array { return mlx.Sort(x, -1) }, -1, 1, nil},
		"matmul":        {func(x *mlx.Array) *mlx.Array { return mlx.Matmul(x, w) }, -1, 1, nil},
		"matmul_t":      {func(x *mlx.Array) *mlx.Array { return mlx.MatmulT(x, transposed(w)) }, -1, 1, nil},
		"einsum":        {func(x *mlx.Array) *mlx.Array { return mlx.Einsum("ij,ij,jk->k", x, x, w) }, -1, 1, nil},
		"rms_norm":      {func(x *mlx.Array) *mlx.Array { return mlx.RMSNorm(x, nil, 1e-5) }, -1, 1, nil},
		"layer_norm":    {func(x *mlx.Array) *mlx.Array { return mlx.LayerNorm(x, nil, nil, 1e-5) }, -1, 1, nil},
		"cross_entropy": {func(x *mlx.Array) *mlx.Array { return mlx.CrossEntropy(x, targets) }, -1, 1, nil},
		"index":         {func(x *mlx.Array) *mlx.Array { return mlx.Index(x, mlx.Every(-2), targets) }, -1, 1, nil},
		"index_update": {func(x *mlx.Array) *mlx.Array {
			return mlx.IndexUpdate(x, mlx.Index(mlx.Square(x), mlx.At(0)), mlx.At(2))
		}, -1, 1, nil},
		"index_add": {func(x *mlx.Array) *mlx.Array { return mlx.IndexAdd(x, mlx.Sum(mlx.Square(x)), mlx.Whole, targets) }, -1, 1, nil},
		"take":      {func(x *mlx.Array) *mlx.Array { return mlx.Take(mlx.Square(x), targets, 1) }, -1, 1, nil},
		"where": {func(x *mlx.Array) *mlx.Array {
			return mlx.Where(mlx.Greater(x, mlx.Scalar(s, float32(0.013))), mlx.Square(x), mlx.Exp(x))
		}, -1, 1, nil},
		"pad": {func(x *mlx.Array) *mlx.Array { return mlx.Square(mlx.Pad(x, mlx.PadConstant, 1, [2]int{1, 2})) }, -1, 1, nil},
		"conv2d": {func(x *mlx.Array) *mlx.Array {
			return mlx.Conv2D(mlx.Reshape(x, 1, 3, 4, 4), kernel, mlx.Conv{Padding: []int{1}, Stride: []int{2}})
		}, -1, 1, []int{3, 16}},
		"fft": {func(x *mlx.Array) *mlx.Array { return mlx.Square(mlx.Abs(mlx.RFFT(x, 0, -1, mlx.Backward))) }, -1, 1, nil},
		"solve": {func(x *mlx.Array) *mlx.Array {
			return mlx.Matmul(mlx.Inv(mlx.Add(spd, mlx.Matmul(transposed(x), x))), w)
		}, -0.3, 0.3, nil},
		"cholesky": {func(x *mlx.Array) *mlx.Array {
			return mlx.Cholesky(mlx.Add(spd, mlx.Matmul(transposed(x), x)), mlx.Lower)
		}, -0.3, 0.3, nil},
	} {
		shape := c.shape
		if shape == nil {
			shape = []int{3, 4}
		}
		x, f := random(s, 77, c.lo, c.hi, shape...), sum(c.f)
		g := mlx.Grad(f)(x)[0]
		if name == "cholesky" || name == "solve" {
			require.Error(t, g.Err(), "MLX has no gradient of %s", name)
			continue
		}
		grad := floats(t, g)
		direction := random(s, 78, -1, 1, shape...)
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

func TestRandomNumbersFollowTheirDistributions(t *testing.T) {
	const n = 200_000
	s := scope(t)
	keys := mlx.RandomSplit(mlx.RandomKey(s, 5), 8)
	moments := func(x *mlx.Array) (mean, variance float64) {
		m, err := mlx.Item[float32](mlx.Mean(mlx.AsType(x, mlx.Float32)))
		require.NoError(t, err)
		v, err := mlx.Item[float32](mlx.Var(mlx.AsType(x, mlx.Float32), 1))
		require.NoError(t, err)
		return float64(m), float64(v)
	}
	for name, c := range map[string]struct {
		x              *mlx.Array
		mean, variance float64
	}{
		"uniform":   {mlx.RandomUniform(keys[0], mlx.Scalar(s, float32(-1)), mlx.Scalar(s, float32(2)), mlx.Float32, n), 0.5, 9. / 12},
		"normal":    {mlx.RandomNormal(keys[1], 3, 2, mlx.Float32, n), 3, 4},
		"broadcast": {mlx.RandomNormalBroadcast(keys[1], mlx.Scalar(s, float32(3)), mlx.Scalar(s, float32(2)), mlx.Float32, n), 3, 4},
		"laplace":   {mlx.RandomLaplace(keys[2], 1, 2, mlx.Float32, n), 1, 8},
		"gumbel":    {mlx.RandomGumbel(keys[3], mlx.Float32, n), 0.5772157, math.Pi * math.Pi / 6},
		"bernoulli": {mlx.RandomBernoulli(keys[4], mlx.Scalar(s, float32(0.25)), n), 0.25, 0.1875},
		"randint":   {mlx.RandomRandint(keys[5], -3, 8, mlx.Int32, n), 2, 10},
		"bits":      {mlx.RandomBits(keys[6], 1, n), 127.5, 65535. / 12},
	} {
		mean, variance := moments(c.x)
		spread := 5 * math.Sqrt(c.variance/n) // five standard deviations of the mean
		assert.InDelta(t, c.mean, mean, spread, name)
		assert.InDelta(t, c.variance, variance, 0.03*c.variance, name)
	}
	order, err := mlx.Data[uint32](mlx.Sort(mlx.AsType(mlx.RandomPermutationArange(keys[7], 100), mlx.Uint32), 0))
	require.NoError(t, err)
	for i, x := range order {
		require.Equal(t, uint32(i), x)
	}
	for name, bad := range map[string]*mlx.Array{
		"no key": mlx.RandomNormal(nil, 0, 1, mlx.Float32, 2), "no key at all": mlx.RandomNormal(mlx.Ones(s, mlx.Float32, 2), 0, 1, mlx.Float32, 2),
		"an empty interval": mlx.RandomRandint(keys[0], 3, 3, mlx.Int32, 2), "integers": mlx.RandomNormal(keys[0], 0, 1, mlx.Int32, 2),
		"a width of 7": mlx.RandomBits(keys[0], 7, 2), "no keys": mlx.RandomSplit(keys[0], 0)[0], "nothing to draw from": mlx.RandomCategorical(keys[0], mlx.Zeros(s, mlx.Float32, 0), 0),
	} {
		require.Error(t, bad.Err(), name)
	}
}

func TestStreamsComputeBesideEachOther(t *testing.T) {
	st, err := mlx.NewStream(mlx.CPU)
	require.NoError(t, err)
	require.Equal(t, mlx.CPU, st.Device())
	require.Contains(t, mlx.Streams(), st)
	other := st.Scope().NewScope()
	defer other.Close()
	s := scope(t)
	x, y := mlx.Ones(other, mlx.Float32, 100, 100), mlx.Ones(s, mlx.Float32, 100, 100)
	z := mlx.Matmul(x, x)
	require.Equal(t, st, z.Stream())
	require.NoError(t, mlx.AsyncEval(z, mlx.Matmul(y, y)))
	require.NoError(t, st.Synchronize())
	require.True(t, z.Ready())
	require.NoError(t, z.Wait())
	near(t, []float32{200}, mlx.Index(mlx.Add(z, mlx.Matmul(y, y)), mlx.At(3), mlx.At(4)), "across streams")
	require.Error(t, mlx.Stream(99).Synchronize())
	require.ErrorIs(t, mlx.Zeros(mlx.Stream(99).Scope(), mlx.Float32, 2).Err(), mlx.ErrDevice)
	if !mlx.GPU.Available() {
		_, err := mlx.NewStream(mlx.GPU)
		require.ErrorIs(t, err, mlx.ErrDevice)
		require.ErrorIs(t, mlx.Zeros(mlx.On(mlx.GPU), mlx.Float32, 2).Err(), mlx.ErrDevice)
	}
	info, err := mlx.CPU.Info()
	require.NoError(t, err)
	require.NotEmpty(t, info)
	n, err := mlx.CPU.Count()
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

func TestGraphsAreWritten(t *testing.T) {
	s := scope(t)
	x := mlx.FromSlice(s, []float32{1, 2})
	y := mlx.Exp(mlx.Square(x))
	var dot, lines bytes.Buffer
	require.NoError(t, mlx.ExportToDOT(&dot, map[string]*mlx.Array{"weights": x, "result": y}, y))
	for _, want := range []string{"digraph", "Square", "Exp", "weights", "result"} {
		require.Contains(t, dot.String(), want)
	}
	require.NoError(t, mlx.PrintGraph(&lines, nil, y))
	require.Less(t, strings.Index(lines.String(), "Square"), strings.Index(lines.String(), "Exp"))
	require.Error(t, mlx.ExportToDOT(&dot, map[string]*mlx.Array{"100%s%n": x}, y))
	require.Error(t, mlx.ExportToDOT(&dot, nil))
}

func TestFunctionsSurviveAFile(t *testing.T) {
	s := scope(t)
	w, x := mlx.FromSlice(s, []float32{2, 3}), mlx.FromSlice(s, []float32{10, 20})
	path := filepath.Join(t.TempDir(), "f.mlxfn")
	f := func(a []*mlx.Array) []*mlx.Array { return two(mlx.Multiply(a[0], w), mlx.Sum(a[0])) }
	require.NoError(t, mlx.ExportFunction(path, f, false, x))
	g, err := mlx.ImportFunction(path)
	require.NoError(t, err)
	out := g.Call(mlx.FromSlice(s, []float32{1, 5}))
	require.Len(t, out, 2)
	near(t, []float32{2, 15}, out[0], "x·w")
	near(t, []float32{6}, out[1], "Σ x")
	require.Error(t, g.Call(mlx.Ones(s, mlx.Float32, 3))[0].Err(), "no trace for this shape")

	named := func(a []*mlx.Array, k map[string]*mlx.Array) []*mlx.Array { return one(mlx.Subtract(a[0], k["less"])) }
	require.NoError(t, mlx.ExportFunctionKwargs(path, named, true, one(x), map[string]*mlx.Array{"less": w}))
	g, err = mlx.ImportFunction(path)
	require.NoError(t, err)
	near(t, []float32{8, 17}, g.CallKwargs(one(x), map[string]*mlx.Array{"less": w})[0], "named")
	near(t, []float32{0, 0, 0}, g.CallKwargs(one(mlx.Ones(s, mlx.Float32, 3)), map[string]*mlx.Array{"less": mlx.Ones(s, mlx.Float32, 3)})[0], "shapeless")
	require.Error(t, mlx.Eval(g.Call(x)...), "the name is missing")

	exporter, err := mlx.NewExporter(path, f, false)
	require.NoError(t, err)
	require.NoError(t, exporter.Add(x))
	require.Error(t, exporter.Add(mlx.Ones(s, mlx.Float32, 3)), "w does not fit it")
	require.NoError(t, exporter.Close())
	require.ErrorIs(t, exporter.Add(x), mlx.ErrFreed)
	g, err = mlx.ImportFunction(path)
	require.NoError(t, err)
	near(t, []float32{20, 60}, g.Call(x)[0], "by an exporter")

	for _, bad := range []string{filepath.Join(t.TempDir(), "none"), t.TempDir(), "%s%n", ""} {
		_, err := mlx.ImportFunction(bad)
		require.Error(t, err, bad)
	}
	panics := func([]*mlx.Array) []*mlx.Array { panic("boom") }
	require.ErrorIs(t, mlx.ExportFunction(path, panics, false, x), mlx.ErrPanic)
}

func TestAGroupOfOneComputesAlone(t *testing.T) {
	g, err := mlx.InitDistributed(mlx.AnyBackend, false)
	require.NoError(t, err)
	require.Equal(t, 0, g.Rank())
	require.Equal(t, 1, g.Size())
	s := scope(t)
	x := mlx.FromSlice(s, []float32{1, 2})
	for name, y := range map[string]*mlx.Array{"all_sum": g.AllSum(x), "all_max": g.AllMax(x), "all_min": g.AllMin(x), "all_gather": g.AllGather(x), "sum_scatter": g.SumScatter(x)} {
		near(t, []float32{1, 2}, y, name)
	}
	for name, y := range map[string]*mlx.Array{"send": g.Send(x, 1), "recv": g.Recv(s, 0, mlx.Float32, 2), "recv like": g.RecvLike(x, -1)} {
		require.ErrorIs(t, y.Err(), mlx.ErrIndex, name)
	}
	_, err = mlx.InitDistributed("%s", false)
	require.Error(t, err)
	require.False(t, mlx.Backend("none").Available())
}

func TestKernelsNeedAGPU(t *testing.T) {
	source := mlx.KernelSource{Name: "twice", Inputs: []string{"x"}, Outputs: []string{"y"}, Source: "y[0] = x[0] % 2;"}
	if !mlx.MetalAvailable() {
		_, err := mlx.NewMetalKernel(source)
		require.ErrorIs(t, err, mlx.ErrDevice)
		require.ErrorIs(t, mlx.StartCapture("x.gputrace"), mlx.ErrDevice)
		_, err = mlx.MetallibPath()
		require.ErrorIs(t, err, mlx.ErrDevice)
	}
	if !mlx.CUDAAvailable() {
		_, err := mlx.NewCUDAKernel(source)
		require.ErrorIs(t, err, mlx.ErrDevice)
	}
	for name, bad := range map[string]mlx.KernelSource{
		"no name": {Outputs: []string{"y"}, Source: "x"}, "no results": {Name: "f", Source: "x"}, "no identifier": {Name: "f()", Outputs: []string{"y"}, Source: "x"},
		"a NUL": {Name: "f", Outputs: []string{"y"}, Source: "x\x00"},
	} {
		_, err := mlx.NewMetalKernel(bad)
		require.Error(t, err, name)
		require.NotErrorIs(t, err, mlx.ErrDevice, name)
	}
}

func TestElementsAreShown(t *testing.T) {
	s := scope(t)
	x := mlx.FromSlice(s, []float32{1, 2, 3, 4}, 2, 2)
	text, err := mlx.Transpose(x).Format()
	require.NoError(t, err)
	require.Contains(t, text, "1, 3")
	strides, err := mlx.Transpose(x).Strides()
	require.NoError(t, err)
	require.Equal(t, []int{1, 2}, strides)
	require.NoError(t, mlx.Do(context.Background(), func() error { return mlx.Eval(x) }))
}
