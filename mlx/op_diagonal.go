package mlx

import (
	"math"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

// Diag returns the diagonal of a matrix, or the matrix with a given diagonal and zeros
// elsewhere; k > 0 means the k-th above the main one, k < 0 below. Binds mlx_diag.
func Diag(x *Array, k int) *Array {
	const op = "diag"
	if bad := required(op, x); bad != nil {
		return bad
	}
	if bad := fixed(op); bad != nil {
		return bad
	}
	if x.err == nil && x.Ndim() == 1 {
		if n := x.Dim(0) + max(k, -k); n < 0 || n > math.MaxInt32 {
			return failed(op, ErrShape, "diagonal %d", k)
		} else if e := checkShape(op, []int{n, n}, x.Dtype()); e != nil {
			return &Array{err: e}
		}
	} else if x.err == nil && x.Ndim() == 2 && (x.Dim(0)+min(k, 0) <= 0 || x.Dim(1)-max(k, 0) <= 0) {
		return Zeros(x.Scope(), x.Dtype(), 0)
	}
	return build(op, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.Diag(res, x.h, c32(k), s)
	})
}

// Diagonals says which diagonals of the matrices over two axes: elements i of Axis1 and i + Offset of
// Axis2. Two axes that are 0 are the first two, as mlx.core has it by default.
type Diagonals struct {
	Offset       int
	Axis1, Axis2 int
}

// of returns the parts.
func (d Diagonals) of() (offset, axis1, axis2 int) {
	if d.Axis1 == 0 && d.Axis2 == 0 {
		return d.Offset, 0, 1
	}
	return d.Offset, d.Axis1, d.Axis2
}

// Diagonal returns the diagonals of the matrices over two axes, as a new last axis.
// Binds mlx_diagonal.
func Diagonal(x *Array, d Diagonals) *Array {
	const op = "diagonal"
	offset, axis1, axis2 := d.of()
	if bad := required(op, x); bad != nil {
		return bad
	}
	if bad := fixed(op); bad != nil {
		return bad
	}
	if rest, none := noDiagonal(x, offset, axis1, axis2); none {
		return Zeros(x.Scope(), x.Dtype(), append(rest, 0)...)
	}
	return buildIn(op, nil, same, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.Diagonal(res, x.h, c32(offset), c32(axis1), c32(axis2), s)
	})
}

// noDiagonal reports whether a diagonal of two axes that exist lies beyond the corners, where
// MLX counts elements below 0; rest is the shape without the axes.
func noDiagonal(x *Array, offset, axis1, axis2 int) (rest []int, none bool) {
	shape := x.Shape()
	for _, axis := range []*int{&axis1, &axis2} {
		if *axis < 0 {
			*axis += len(shape)
		}
		if *axis < 0 || *axis >= len(shape) {
			return nil, false // MLX says so
		}
	}
	if axis1 == axis2 || shape[axis1]+min(offset, 0) > 0 && shape[axis2]-max(offset, 0) > 0 {
		return nil, false
	}
	for i, n := range shape {
		if i != axis1 && i != axis2 {
			rest = append(rest, n)
		}
	}
	return rest, true
}

// Trace returns the sum of Diagonal. Binds mlx_trace, mlx_trace_axes.
func Trace(x *Array, d Diagonals) *Array {
	const op = "trace"
	offset, axis1, axis2 := d.of()
	if bad := required(op, x); bad != nil {
		return bad
	}
	if bad := fixed(op); bad != nil {
		return bad
	}
	if rest, none := noDiagonal(x, offset, axis1, axis2); none {
		return Sum(Zeros(x.Scope(), x.Dtype(), append(rest, 1)...), -1)
	}
	return buildIn(op, nil, same, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		if offset == 0 && axis1 == 0 && axis2 == 1 {
			return capi.Trace(res, x.h, s)
		}
		return capi.TraceAxes(res, x.h, c32(offset), c32(axis1), c32(axis2), capi.ArrayDtype(x.h), s)
	})
}

// Tril returns x with zeros above the k-th diagonal of its last two axes. Binds mlx_tril.
func Tril(x *Array, k int) *Array { return triangle("tril", capi.Tril, x, k) }

// Triu returns x with zeros below the k-th diagonal of its last two axes. Binds mlx_triu.
func Triu(x *Array, k int) *Array { return triangle("triu", capi.Triu, x, k) }

func triangle(op string, f func(*capi.Array, capi.Array, int32, capi.Stream) int32, x *Array, k int) *Array {
	if bad := required(op, x); bad != nil {
		return bad
	}
	return buildIn(op, nil, same, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		return f(res, x.h, offset32(k, x.Dim(-2), x.Dim(-1)), s)
	})
}
