package mlx

import (
	"math"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

// finite returns a, whose evaluation fails when it holds NaN or ±∞. LAPACK does not look: its
// singular values with vectors never end, and its general eigenvalues end the process. The graph
// does it, so that nothing is evaluated here, and the failure is the one that MLX has on every
// library: the inverse of a matrix [1 1] that is 0. Where it failed a is zeros: what comes next may
// have begun. op is what the error names.
func finite(op string, a *Array) *Array {
	ok := Reshape(All(Isfinite(a)), 1, 1)
	one := StopGradient(inverse(op, reason(op, "%v holds NaN or ∞", a), AsType(ok, Float32)))
	return Where(ok, Multiply(a, AsType(one, a.Dtype())), ZerosLike(a)) // Depends has no vmap
}

// Eig returns the eigenvalues, complex64, and the eigenvectors as columns, of square
// matrices. Binds mlx_linalg_eig.
func Eig(a *Array) (values, vectors *Array) {
	const op = "eig"
	if bad := matrix(op, true, a); bad != nil {
		return bad, bad
	}
	out := lapack(func(on ...*Array) []*Array {
		w, v := pairOf(op, true, capi.LinalgEig, finite(op, on[0]))
		return []*Array{w, v}
	}, a)
	return out[0], out[1]
}

// Eigvals returns the eigenvalues of square matrices, complex64. Binds mlx_linalg_eigvals.
func Eigvals(a *Array) *Array { return ofFinite("eigvals", true, capi.LinalgEigvals, a) }

// Eigh returns the eigenvalues in ascending order and the eigenvectors as columns, of
// symmetric or Hermitian matrices of which one half is read. Binds mlx_linalg_eigh.
func Eigh(a *Array, t Triangle) (values, vectors *Array) {
	const op = "eigh"
	if bad := matrix(op, true, a); bad != nil {
		return bad, bad
	}
	out := lapack(func(on ...*Array) []*Array {
		a := finite(op, on[0])
		if a.err == nil && embedded(a) {
			w, v := Eigh(embed(a, t), Lower)
			return []*Array{embeddedValues(w), embeddedVectors(v)}
		}
		w, v := pairOf(op, true, func(x, y *capi.Array, a capi.Array, s capi.Stream) int32 {
			return capi.LinalgEigh(x, y, a, t.letter(), s)
		}, a)
		return []*Array{w, v}
	}, a)
	return out[0], out[1]
}

// Eigvalsh returns the eigenvalues of Eigh alone. Binds mlx_linalg_eigvalsh.
func Eigvalsh(a *Array, t Triangle) *Array {
	const op = "eigvalsh"
	if bad := matrix(op, true, a); bad != nil {
		return bad
	}
	return lapack(func(on ...*Array) []*Array {
		a := finite(op, on[0])
		if a.err == nil && embedded(a) {
			return []*Array{embeddedValues(Eigvalsh(embed(a, t), Lower))}
		}
		return []*Array{ofMatrix(op, true, func(res *capi.Array, a capi.Array, s capi.Stream) int32 {
			return capi.LinalgEigvalsh(res, a, t.letter(), s)
		}, a)}
	}, a)[0]
}

// OpenBLAS 0.3.21, which Debian has, crashes in cheevd, the eigenvalues of Hermitian complex64
// matrices by divide and conquer; LAPACK takes that for more than 25 rows. There they come from
// the real symmetric matrix
//
//	M = [Re H  −Im H]    M [x] = λ [x]   ⟺   H (x + iy) = λ (x + iy)
//	    [Im H   Re H]      [y]     [y]
//
// in float64, which has each eigenvalue of H twice, with the vectors of z and iz: every second
// one is taken. Where eigenvalues of H itself are equal, every second vector might be of fewer
// z, times i or not. So H gets a diagonal of distinct numbers of 10⁻⁸ of its norm (the greatest
// sum of a row), less than what LAPACK loses in float32, which float64 tells apart.

// divideAndConquer is the number of rows up to which LAPACK does without (SMLSIZ of ilaenv).
const divideAndConquer = 25

func embedded(a *Array) bool {
	return loaded.library.BLAS != "" && a.Dtype() == Complex64 && a.Dim(-1) > divideAndConquer
}

// embed returns M of H, of which one half is read. a: [..., n, n], result [..., 2n, 2n].
func embed(a *Array, t Triangle) *Array {
	half := func(x *Array, k int) *Array { return Tril(x, -k) }
	if t == Upper {
		half = Triu
	}
	transposed := func(x *Array) *Array { return Swapaxes(x, -1, -2) }
	re, im := AsType(Real(a), Float64), AsType(Imag(a), Float64)
	re = Add(half(re, 0), transposed(half(re, 1)))
	im = Subtract(half(im, 1), transposed(half(im, 1)))
	n := a.Dim(-1)
	apart := make([]float64, n)
	for i := range n {
		_, apart[i] = math.Modf(float64(i+1) * math.Phi) // no two are close, however many
	}
	norm := ExpandDims(Max(Sum(Add(Abs(re), Abs(im)), -1), -1), -1, -2)
	s := a.stream.Scope()                  // a's own may be on a GPU, which has no float64
	norm = Maximum(norm, Scalar(s, 1e-30)) // of a matrix of zeros
	diagonal := Multiply(Eye(s, Grid{Rows: n, Cols: n}, Float64), FromSlice(s, apart))
	re = Add(re, Multiply(Scale(norm, 1e-8), diagonal))
	return Concatenate(-2, Concatenate(-1, re, Negative(im)), Concatenate(-1, im, re))
}

func embeddedValues(w *Array) *Array { return AsType(Index(w, Ellipsis, Every(2)), Float32) }

func embeddedVectors(v *Array) *Array {
	xy := Split(Index(v, Ellipsis, Every(2)), 2, -2)
	if len(xy) != 2 {
		return xy[0]
	}
	part := func(x *Array, unit complex64) *Array {
		return Multiply(AsType(x, Complex64), Scalar(v.Scope(), unit))
	}
	return Add(part(xy[0], 1), part(xy[1], 1i))
}
