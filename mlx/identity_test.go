package mlx_test

import (
	"testing"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/require"
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
	within(t, wide, mlx.Matmul(mlx.Multiply(mlx.Slice(u, 1, mlx.Between(0, k)), sv), mlx.Slice(vt, 0, mlx.Between(0, k))), tolerance, "svd")
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
