package mlx_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/require"
)

// LAPACK hangs, or ends the process, when it meets NaN or ∞ in these.
func TestEigenvaluesOfWhatIsNotFiniteAreErrors(t *testing.T) {
	if !inChild(t) {
		return
	}
	s := scope(t)
	for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
		for _, place := range []int{0, 7, 24} {
			x := make([]float32, 25)
			for i := range x {
				x[i] = float32(i*7%5) - 2
			}
			x[place] = bad
			for _, a := range []*mlx.Array{mlx.FromSlice(s, x, 5, 5), mlx.FromSlice(s, x, 1, 5, 5), mlx.AsType(mlx.FromSlice(s, x, 5, 5), mlx.Complex64)} {
				for name, f := range map[string]func() []*mlx.Array{
					"eig":      func() []*mlx.Array { return two(mlx.Eig(a)) },
					"eigvals":  func() []*mlx.Array { return one(mlx.Eigvals(a)) },
					"eigh":     func() []*mlx.Array { return two(mlx.Eigh(a, mlx.Upper)) },
					"eigvalsh": func() []*mlx.Array { return one(mlx.Eigvalsh(a, mlx.Lower)) },
					"svd":      func() []*mlx.Array { return three(mlx.SVD(a)) },
					"values":   func() []*mlx.Array { return one(mlx.SingularValues(a)) },
					"pinv":     func() []*mlx.Array { return one(mlx.Pinv(a)) },
					"nuclear":  func() []*mlx.Array { return one(mlx.NormMatrix(a, mlx.Nuclear, -2, -1)) },
					"norm 2":   func() []*mlx.Array { return one(mlx.NormOrd(a, 2, -2, -1)) },
				} {
					fmt.Println(name, bad, place, a)
					require.Error(t, mlx.Eval(f()...), "%s of %v", name, a)
				}
			}
		}
	}
	require.NoError(t, mlx.Eval(mlx.Exp(mlx.Ones(s, mlx.Float32, 3))), "and none of it stays")
	// a finite number whose square is not
	u, w, v := mlx.SVD(mlx.Full(s, 1e38, mlx.Float32, 4, 4))
	_ = mlx.Eval(u, w, v)
}

// hermitians are [n n], finite.
func hermitians(s *mlx.Scope, n int) map[string]*mlx.Array {
	re, im := mlx.AsType(random(s, 1, -1, 1, n, n), mlx.Complex64), mlx.AsType(random(s, 2, -1, 1, n, n), mlx.Complex64)
	z := mlx.Add(re, mlx.Multiply(im, mlx.Scalar(s, complex64(1i))))
	adjoint := func(z *mlx.Array) *mlx.Array { return mlx.Conjugate(mlx.Swapaxes(z, -1, -2)) }
	few := mlx.Slice(z, 1, mlx.Between(0, 3))
	return map[string]*mlx.Array{
		"random":     mlx.Add(z, adjoint(z)),
		"of rank 3":  mlx.Matmul(few, adjoint(few)), // n−3 equal eigenvalues
		"identity":   mlx.Eye(s, mlx.Grid{Rows: n, Cols: n}, mlx.Complex64),
		"zeros":      mlx.Zeros(s, mlx.Complex64, n, n),
		"two values": mlx.Where(mlx.Eye(s, mlx.Grid{Rows: n, Cols: n}, mlx.Bool), mlx.Scalar(s, complex64(2)), mlx.Scalar(s, complex64(1))),
		"imaginary":  mlx.Multiply(mlx.Subtract(im, mlx.Transpose(im)), mlx.Scalar(s, complex64(1i))),
	}
}

func TestHermitianMatricesAreTakenApart(t *testing.T) {
	if !inChild(t) { // OpenBLAS 0.3.21 crashed
		return
	}
	s := scope(t)
	for _, n := range []int{4, 25, 26, 47, 48, 64, 100, 150} {
		for name, h := range hermitians(s, n) {
			for _, half := range []mlx.Triangle{mlx.Lower, mlx.Upper} {
				// what the other half holds does not count
				read := mlx.Add(mlx.Tril(h, 0), mlx.Scalar(s, complex64(0)))
				if half == mlx.Upper {
					read = mlx.Triu(h, 0)
				}
				w, v := mlx.Eigh(read, half)
				require.Equal(t, fmt.Sprintf("float32[%d] complex64[%[1]d %[1]d]", n), fmt.Sprint(w, " ", v))
				adjoint := mlx.Conjugate(mlx.Transpose(v))
				again := mlx.Matmul(mlx.Multiply(v, mlx.AsType(w, mlx.Complex64)), adjoint)
				size := math.Max(1, float64(floats(t, mlx.Max(mlx.Abs(w)))[0]))
				far := func(a, b *mlx.Array) float64 { return float64(floats(t, mlx.Max(mlx.Abs(mlx.Subtract(a, b))))[0]) }
				// a few roundings of float32 for each row
				tolerance := 4e-7 * math.Sqrt(float64(n)) * 4
				require.Less(t, far(again, h)/size, tolerance, "%s of %d: V·Λ·V*", name, n)
				require.Less(t, far(mlx.Matmul(adjoint, v), mlx.Eye(s, mlx.Grid{Rows: n, Cols: n}, mlx.Complex64)), tolerance, "%s of %d: V*·V", name, n)
				require.Less(t, far(mlx.Eigvalsh(read, half), w)/size, tolerance, "%s of %d: values alone", name, n)
				require.Equal(t, floats(t, w), floats(t, mlx.Sort(w, 0)))
			}
		}
	}
}

// No other factor of complex matrices crashes there.
func TestLargeMatricesAreTakenApart(t *testing.T) {
	if !inChild(t) {
		return
	}
	s := scope(t)
	for _, n := range []int{40, 64, 130} {
		x := random(s, 1, -1, 1, n, n)
		z := mlx.Add(mlx.AsType(x, mlx.Complex64), mlx.Multiply(mlx.AsType(random(s, 2, -1, 1, n, n), mlx.Complex64), mlx.Scalar(s, complex64(1i))))
		for _, a := range []*mlx.Array{x, mlx.AsType(x, mlx.Float64), z} {
			for name, f := range map[string]func() []*mlx.Array{
				"eig": func() []*mlx.Array { return two(mlx.Eig(a)) }, "svd": func() []*mlx.Array { return three(mlx.SVD(a)) },
				"qr": func() []*mlx.Array { return two(mlx.QR(a)) }, "eigh": func() []*mlx.Array { return two(mlx.Eigh(a, mlx.Upper)) },
				"inv": func() []*mlx.Array { return one(mlx.Inv(a)) }, "pinv": func() []*mlx.Array { return one(mlx.Pinv(a)) },
				"lu": func() []*mlx.Array { return three(mlx.LU(a)) }, "cholesky": func() []*mlx.Array { return one(mlx.Cholesky(a, mlx.Upper)) },
			} {
				fmt.Println(name, a)
				if err := mlx.Eval(f()...); err != nil {
					fmt.Println(err)
				}
			}
		}
	}
}

// After some errors of evaluations on the thread that it takes for the main one, MLX lost count of
// its tasks and waited for ever.
func TestManyFailedEvaluationsDoNotHang(t *testing.T) {
	if !inChild(t) {
		return
	}
	s := scope(t)
	for range 2000 {
		inner := s.NewScope()
		require.Error(t, mlx.Eval(mlx.Inv(mlx.Zeros(inner, mlx.Float32, 2, 2)), mlx.Exp(mlx.Ones(inner, mlx.Float32, 4))))
		inner.Close()
	}
	require.Equal(t, []float32{4}, floats(t, mlx.Sum(mlx.Ones(s, mlx.Float32, 4))))
}
