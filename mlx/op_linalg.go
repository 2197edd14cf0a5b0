package mlx

import (
	"fmt"
	"slices"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

// Linear algebra over the last two axes; the axes before them are a batch. MLX computes it in
// float32 or float64 on the CPU, where a GPU's arrays go and from where the results come back
// by themselves (see lapack.go). Matrices without rows, columns or number have NumPy's results: where
// one has no elements nothing is computed, since LAPACK, and MLX before it, end the process.

// Triangle says which half of a matrix counts.
type Triangle bool

// The halves of a matrix, each with the diagonal.
const (
	Lower Triangle = false
	Upper Triangle = true
)

func (t Triangle) letter() *byte {
	if t == Upper {
		return capi.Bytes("U")
	}
	return capi.Bytes("L")
}

// matrix refuses what is no stack of matrices of floating numbers.
func matrix(op string, square bool, operands ...*Array) *Array {
	if bad := required(op, operands...); bad != nil {
		return bad
	}
	for _, a := range operands {
		if a.err != nil {
			return a
		}
	}
	a := operands[0]
	if a.Ndim() < 2 || square && a.Dim(-1) != a.Dim(-2) {
		what := "a matrix"
		if square {
			what = "a square matrix"
		}
		return failed(op, ErrShape, "%s is not %s", a, what)
	}
	return nil
}

func ofMatrix(op string, square bool, f sortAll, a *Array) *Array {
	if bad := matrix(op, square, a); bad != nil {
		return bad
	}
	return lapack(func(on ...*Array) []*Array {
		return mayFail(build(op, on, func(res *capi.Array, s capi.Stream) int32 { return f(res, on[0].h, s) }))
	}, a)[0]
}

func ofTriangle(op string, why []*Error, f func(*capi.Array, capi.Array, bool, capi.Stream) int32, a *Array, t Triangle) *Array {
	if bad := matrix(op, true, a); bad != nil {
		return bad
	}
	return lapack(func(on ...*Array) []*Array {
		return mayFailFor(why, build(op, on, func(res *capi.Array, s capi.Stream) int32 { return f(res, on[0].h, bool(t), s) }))
	}, a)[0]
}

// ofFinite is ofMatrix for what LAPACK does not survive of NaN and ±∞.
func ofFinite(op string, square bool, f sortAll, a *Array) *Array {
	if bad := matrix(op, square, a); bad != nil {
		return bad
	}
	return lapack(func(on ...*Array) []*Array { return []*Array{ofMatrix(op, square, f, finite(op, on[0]))} }, a)[0]
}

// pairOf is build for a function of a matrix with two results.
func pairOf(op string, square bool, f func(x, y *capi.Array, a capi.Array, s capi.Stream) int32, a *Array) (*Array, *Array) {
	if bad := matrix(op, square, a); bad != nil {
		return bad, bad
	}
	out := lapack(func(on ...*Array) []*Array {
		x, y := twoResults(op, on, func(x, y *capi.Array, s capi.Stream) int32 { return f(x, y, on[0].h, s) })
		return []*Array{x, y}
	}, a)
	return out[0], out[1]
}

// twoResults is build for a function with two results.
func twoResults(op string, operands []*Array, f func(a, b *capi.Array, s capi.Stream) int32) (*Array, *Array) {
	r, q := &Array{}, &Array{}
	if e := start(op, r, nil, operands); e != nil {
		r.err = e
		return r, r
	}
	if loaded.unproven {
		capi.EnterDefaults(r.stream.handle())
		defer capi.LeaveDefaults(r.stream.handle())
	}
	if f(&r.h, &q.h, r.stream.handle()) != 0 || r.h == 0 || q.h == 0 {
		r.err = mlxError(op, operands)
		freeTemporary(r.h, q.h) // the first may be there when the second failed
		finish(operands)
		return r, r
	}
	r.deepen(several, operands)
	q.depth.Store(r.depth.Load())
	q.fates.Store(r.fates.Load())
	q.from = r.from
	q.stream = r.stream
	q.scope.Store(r.scope.Load())
	for _, a := range []*Array{r, q} {
		a.limit(op, unknown)
		a.settle(op)
		a.noted(op, operands)
	}
	finish(operands)
	mayFail(r, q)
	return r, q
}

// Inv returns the inverse of square matrices; a singular one is an error of Eval.
// Binds mlx_linalg_inv.
func Inv(a *Array) *Array { return inverse("inv", reason("inv", "%v is singular", a), a) }

func inverse(op string, why []*Error, a *Array) *Array {
	if bad := matrix(op, true, a); bad != nil {
		return bad
	}
	return lapack(func(on ...*Array) []*Array {
		return mayFailFor(why, build(op, on, func(res *capi.Array, s capi.Stream) int32 { return capi.LinalgInv(res, on[0].h, s) }))
	}, a)[0]
}

// reason is why an inverse of a fails, or what was made of one.
func reason(op, format string, a *Array) []*Error {
	return []*Error{newError(op, ErrMLX, fmt.Sprintf(format, a))}
}

// TriInv returns the inverse of triangular matrices. Binds mlx_linalg_tri_inv.
func TriInv(a *Array, t Triangle) *Array {
	return ofTriangle("tri_inv", reason("tri_inv", "%v has a 0 on its diagonal", a), capi.LinalgTriInv, a, t)
}

// Pinv returns the Moore-Penrose inverse. Binds mlx_linalg_pinv.
func Pinv(a *Array) *Array { return ofFinite("pinv", false, capi.LinalgPinv, a) }

// Det returns the determinant of square matrices. Binds mlx_linalg_det.
func Det(a *Array) *Array { return ofMatrix("det", true, capi.LinalgDet, a) }

// Slogdet returns the sign and ln|det a|. Binds mlx_linalg_slogdet.
func Slogdet(a *Array) (sign, logAbs *Array) {
	return pairOf("slogdet", true, capi.LinalgSlogdet, a)
}

// Cholesky returns the lower L with a = L·Lᵀ, or the upper U with a = Uᵀ·U, of symmetric
// positive definite matrices. Of another matrix the result is not defined, as in MLX.
// Binds mlx_linalg_cholesky.
func Cholesky(a *Array, t Triangle) *Array {
	return ofTriangle("cholesky", nil, capi.LinalgCholesky, a, t)
}

// CholeskyInv returns the inverse of the matrix whose Cholesky factor is given.
// Binds mlx_linalg_cholesky_inv.
func CholeskyInv(factor *Array, t Triangle) *Array {
	const op = "cholesky_inv"
	return ofTriangle(op, reason(op, "the factor %v has a 0 on its diagonal", factor), capi.LinalgCholeskyInv, factor, t)
}

// Solve returns x with a·x = b. a: [..., n, n], b: [..., n] or [..., n, k]; a singular a is an
// error of Eval. Binds mlx_linalg_solve.
func Solve(a, b *Array) *Array {
	const op = "solve"
	if bad := matrix(op, true, a, b); bad != nil {
		return bad
	}
	return lapack(func(on ...*Array) []*Array {
		return mayFailFor(reason(op, "%v is singular", a), ofTwo(op, capi.LinalgSolve, on[0], on[1]))
	}, a, b)[0]
}

// SolveTriangular is Solve with a triangular a. Binds mlx_linalg_solve_triangular.
func SolveTriangular(a, b *Array, t Triangle) *Array {
	const op = "solve_triangular"
	if bad := matrix(op, true, a, b); bad != nil {
		return bad
	}
	return lapack(func(on ...*Array) []*Array {
		return mayFailFor(reason(op, "%v has a 0 on its diagonal", a), build(op, on, func(res *capi.Array, s capi.Stream) int32 {
			return capi.LinalgSolveTriangular(res, on[0].h, on[1].h, bool(t), s)
		}))
	}, a, b)[0]
}

// QR returns the orthogonal Q and the upper R with a = Q·R. Binds mlx_linalg_qr.
func QR(a *Array) (q, r *Array) { return pairOf("qr", false, capi.LinalgQr, a) }

// SVD returns U, the singular values in descending order and Vᵀ with a = U·diag(S)·Vᵀ.
// Binds mlx_linalg_svd.
func SVD(a *Array) (u, s, vt *Array) {
	parts := svd(a, true)
	return parts[0], parts[1], parts[2]
}

// SingularValues returns the singular values alone, in descending order: mlx.core's svd
// without compute_uv. Binds mlx_linalg_svd.
func SingularValues(a *Array) *Array { return svd(a, false)[0] }

func svd(a *Array, vectors bool) []*Array {
	const op = "svd"
	return listOf(op, 3, a, func(res *capi.VectorArray, a capi.Array, s capi.Stream) int32 {
		return capi.LinalgSvd(res, a, vectors, s)
	}, func(a *Array) *Array { return finite(op, a) })
}

// listOf is buildList for a function of a matrix with n results, or with one error for each. first
// is what is done with the matrix before.
func listOf(op string, n int, a *Array, f func(*capi.VectorArray, capi.Array, capi.Stream) int32, first func(*Array) *Array) []*Array {
	if bad := matrix(op, false, a); bad != nil {
		return slices.Repeat([]*Array{bad}, n)
	}
	return lapack(func(on ...*Array) []*Array {
		a := first(on[0])
		if a.err != nil {
			return slices.Repeat([]*Array{a}, n)
		}
		out := buildList(op, []*Array{a}, func(res *capi.VectorArray, s capi.Stream) int32 { return f(res, a.h, s) })
		if out[0].err != nil {
			return slices.Repeat(out[:1], n)
		}
		return mayFail(out...)
	}, a)
}

// LU returns the permutation as indices, the lower L with a unit diagonal and the upper U of
// the rows of a: a[permutation] = L·U. Binds mlx_linalg_lu.
func LU(a *Array) (permutation, l, u *Array) {
	if a != nil && a.Ndim() > 1 && a.Dim(-1) == 0 && a.Dim(-2) > 0 {
		return luOfNone(a)
	}
	parts := listOf("lu", 3, a, capi.LinalgLu, func(a *Array) *Array { return a })
	return parts[0], parts[1], parts[2]
}

// luOfNone is LU of rows without elements, whose order stays: MLX's ends the process.
func luOfNone(a *Array) (permutation, l, u *Array) {
	l, _ = pairOf("lu", false, capi.LinalgLuFactor, a)
	if l.err != nil {
		return l, l, l
	}
	shape := a.Shape()
	rows := Arange(a.Scope(), 0, float64(a.Dim(-2)), 1, Uint32)
	return BroadcastTo(rows, shape[:len(shape)-1]...), l, Slice(l, -2, To(0))
}

// LUFactor returns L and U in one matrix, and the row that each step exchanged with.
// Binds mlx_linalg_lu_factor.
func LUFactor(a *Array) (lu, pivots *Array) {
	return pairOf("lu_factor", false, capi.LinalgLuFactor, a)
}

// Cross returns the cross product along an axis of 2 or 3 elements; the other axes broadcast.
// Binds mlx_linalg_cross.
func Cross(a, b *Array, axis int) *Array {
	const op = "cross"
	if bad := required(op, a, b); bad != nil {
		return bad
	}
	return build(op, []*Array{a, b}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.LinalgCross(res, a.h, b.h, c32(axis), s)
	})
}

// Norm returns √Σ|x|² over axes, or over all elements: the Euclidean norm, and Frobenius' of
// two axes. Binds mlx_linalg_norm_l2.
func Norm(x *Array, axes ...int) *Array {
	const op = "norm"
	if bad := required(op, x); bad != nil {
		return bad
	}
	return build(op, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.LinalgNormL2(res, x.h, int32s(axes), false, s)
	})
}

// NormOrd returns a norm of order ord: (Σ|x|ᵒʳᵈ)^(1/ord) of vectors along one axis, max|x| and
// min|x| for ±∞ and the count of non-zeros for 0; of matrices over two axes the largest or
// smallest (by sign) sum of a column's (±1) or row's (±∞) magnitudes, or singular value (±2).
// Binds mlx_linalg_norm.
func NormOrd(x *Array, ord float64, axes ...int) *Array {
	const op = "norm"
	if bad := required(op, x); bad != nil {
		return bad
	}
	f := func(res *capi.Array, x capi.Array, s capi.Stream) int32 {
		return capi.LinalgNorm(res, x, ord, int32s(axes), false, s)
	}
	if n := x.Ndim(); (ord == 2 || ord == -2) && n > 1 && (len(axes) == 2 || len(axes) == 0 && n == 2) {
		return spectral(op, x, f)
	}
	return build(op, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 { return f(res, x.h, s) })
}

// MatrixNorm is a norm of matrices that has a name.
type MatrixNorm string

// The matrix norms that have names.
const (
	Frobenius MatrixNorm = "fro" // √Σ|x|²
	Nuclear   MatrixNorm = "nuc" // the sum of the singular values
)

// NormMatrix returns a named norm of the matrices over two axes.
// Binds mlx_linalg_norm_matrix.
func NormMatrix(x *Array, name MatrixNorm, axes ...int) *Array {
	const op = "norm"
	if bad := required(op, x); bad != nil {
		return bad
	}
	if name != Frobenius && name != Nuclear {
		return failed(op, ErrIndex, "there is no matrix norm %q (have: fro, nuc)", string(name))
	}
	f := func(res *capi.Array, x capi.Array, s capi.Stream) int32 {
		return capi.LinalgNormMatrix(res, x, capi.Bytes(string(name)), int32s(axes), false, s)
	}
	if name == Nuclear && x.Ndim() > 1 {
		return spectral(op, x, f)
	}
	return build(op, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 { return f(res, x.h, s) })
}

// spectral is a norm of singular values.
func spectral(op string, x *Array, f sortAll) *Array {
	return lapack(func(on ...*Array) []*Array {
		x := finite(op, on[0])
		return mayFail(build(op, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 { return f(res, x.h, s) }))
	}, x)[0]
}
