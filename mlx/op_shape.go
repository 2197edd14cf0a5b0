package mlx

import (
	"slices"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

// Reshape returns x with another shape of as many elements; one axis may be −1.
// Binds mlx_reshape.
func Reshape(x *Array, shape ...int) *Array {
	const op = "reshape"
	if bad := required(op, x); bad != nil {
		return bad
	}
	free := 0
	for _, n := range shape {
		if n == -1 {
			free++
		}
		if n < -1 || free > 1 {
			return failed(op, ErrShape, "shape %v: one axis may be -1, and none less", shape)
		}
	}
	return build(op, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.Reshape(res, x.h, int32s(shape), s)
	})
}

// Transpose returns x with its axes in the given order; none reverses them.
// Binds mlx_transpose_axes.
func Transpose(x *Array, axes ...int) *Array {
	return onAxes("transpose", capi.TransposeAxes, capi.Transpose, x, axes)
}

// ExpandDims returns x with new axes of length 1 at the given places of the
// result. Binds mlx_expand_dims_axes.
func ExpandDims(x *Array, axes ...int) *Array {
	return onAxes("expand_dims", capi.ExpandDimsAxes, nil, x, axes)
}

// Squeeze returns x without the given axes, each of length 1; none means all such.
// Binds mlx_squeeze_axes.
func Squeeze(x *Array, axes ...int) *Array {
	return onAxes("squeeze", capi.SqueezeAxes, capi.Squeeze, x, axes)
}

// onAxes calls some with axes, or all when none are given and no axes mean all.
func onAxes(op string, some func(*capi.Array, capi.Array, []int32, capi.Stream) int32, all func(*capi.Array, capi.Array, capi.Stream) int32, x *Array, axes []int) *Array {
	if bad := required(op, x); bad != nil {
		return bad
	}
	return build(op, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		if len(axes) == 0 && all != nil {
			return all(res, x.h, s)
		}
		return some(res, x.h, int32s(axes), s)
	})
}

// BroadcastTo repeats x without a copy to fill shape. Binds mlx_broadcast_to.
func BroadcastTo(x *Array, shape ...int) *Array {
	const op = "broadcast_to"
	if bad := required(op, x); bad != nil {
		return bad
	}
	if x.err == nil {
		if e := checkShape(op, shape, x.Dtype()); e != nil {
			return &Array{err: e}
		}
	}
	return build(op, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.BroadcastTo(res, x.h, int32s(shape), s)
	})
}

// Contiguous returns x laid out in row-major order, x itself where it is.
// Binds mlx_contiguous.
func Contiguous(x *Array) *Array {
	const op = "contiguous"
	if bad := required(op, x); bad != nil {
		return bad
	}
	return build(op, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.Contiguous(res, x.h, false, s)
	})
}

// Concatenate joins arrays along an axis that they have. Binds mlx_concatenate_axis.
func Concatenate(axis int, arrays ...*Array) *Array {
	return joined("concatenate", capi.ConcatenateAxis, axis, arrays)
}

// Stack joins arrays of one shape along a new axis. Binds mlx_stack_axis.
func Stack(axis int, arrays ...*Array) *Array {
	return joined("stack", capi.StackAxis, axis, arrays)
}

func joined(op string, f func(*capi.Array, capi.VectorArray, int32, capi.Stream) int32, axis int, arrays []*Array) *Array {
	if len(arrays) == 0 {
		return failed(op, ErrShape, "no arrays were given")
	}
	if bad := required(op, arrays...); bad != nil {
		return bad
	}
	return build(op, arrays, func(res *capi.Array, s capi.Stream) int32 {
		list := vector(arrays)
		defer capi.VectorArrayFree(list)
		return f(res, list, int32(axis), s)
	})
}

// Slice returns elements start to stop (not included) of one axis. Negative places
// count from the end, and both are clamped to the axis. Binds mlx_slice.
func Slice(x *Array, axis, start, stop int) *Array {
	const op = "slice"
	if bad := required(op, x); bad != nil {
		return bad
	}
	if x.err != nil {
		return x
	}
	from, to, step, e := along(op, x, axis, start, stop)
	if e != nil {
		return &Array{err: e}
	}
	return build(op, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.Slice(res, x.h, from, to, step, s)
	})
}

// SliceUpdate returns x with update in place of the elements from start on along
// axis; update has x's shape but for that axis. Where nothing else refers to x, its
// memory becomes the result's. Binds mlx_slice_update.
func SliceUpdate(x, update *Array, axis, start int) *Array {
	const op = "slice_update"
	if bad := required(op, x, update); bad != nil {
		return bad
	}
	if x.err != nil {
		return x
	}
	if update.err != nil {
		return update
	}
	want, got := x.Shape(), update.Shape()
	if axis < 0 {
		axis += len(want)
	}
	if axis >= 0 && axis < len(want) && len(got) == len(want) {
		want[axis] = got[axis]
	}
	if !slices.Equal(got, want) {
		return failed(op, ErrShape, "update %s does not fit into %s along axis %d", update, x, axis)
	}
	from, to, step, e := along(op, x, axis, start, start+got[axis])
	if e != nil {
		return &Array{err: e}
	}
	if int(from[axis]) != start || int(to[axis]) != start+got[axis] {
		return failed(op, ErrIndex, "elements %d to %d along axis %d of %s", start, start+got[axis], axis, x)
	}
	return build(op, []*Array{x, update}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.SliceUpdate(res, x.h, update.h, from, to, step, s)
	})
}

// along returns the bounds of elements start to stop of one axis, all of the others;
// negative places count from the end, and both are clamped.
func along(op string, x *Array, axis, start, stop int) (from, to, step []int32, e *Error) {
	shape := x.Shape()
	n := len(shape)
	if axis < 0 {
		axis += n
	}
	if axis < 0 || axis >= n {
		return nil, nil, nil, newError(op, ErrIndex, "axis "+itoa(axis)+" of an array with "+itoa(n)+" axes")
	}
	from, to, step = make([]int32, n), int32s(shape), make([]int32, n)
	for i := range step {
		step[i] = 1
	}
	clamp := func(i int) int32 {
		if i < 0 {
			i += shape[axis]
		}
		return int32(min(max(i, 0), shape[axis]))
	}
	from[axis], to[axis] = clamp(start), clamp(stop)
	to[axis] = max(from[axis], to[axis])
	return from, to, step, nil
}

// Split cuts x along axis into parts of equal length. Binds mlx_split.
func Split(x *Array, parts, axis int) []*Array {
	const op = "split"
	if bad := required(op, x); bad != nil {
		return []*Array{bad}
	}
	if parts < 1 {
		return []*Array{failed(op, ErrShape, "%d parts", parts)}
	}
	return buildList(op, []*Array{x}, func(res *capi.VectorArray, s capi.Stream) int32 {
		return capi.Split(res, x.h, int32(parts), int32(axis), s)
	})
}

// Take returns the slices of x at the given integer indices along axis; negative
// ones count from the end. The result has x's shape with that axis replaced by the
// shape of indices. MLX does not look at indices: those that were made from Go data
// are checked here, computed ones are clamped to the axis. Binds mlx_take_axis.
func Take(x, indices *Array, axis int) *Array {
	const op = "take"
	if bad := required(op, x, indices); bad != nil {
		return bad
	}
	safe := indices
	if x.err == nil && indices.err == nil {
		var e *Error
		if safe, e = inRange(op, x, indices, axis); e != nil {
			return &Array{err: e}
		}
	}
	return build(op, []*Array{x, safe}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.TakeAxis(res, x.h, safe.h, int32(axis), s)
	})
}

// TakeAlongAxis returns x at indices along axis, the other axes matched one to one:
// out[i, j] = x[i, indices[i, j]] for axis 1. Indices are checked or clamped as in
// Take. Binds mlx_take_along_axis.
func TakeAlongAxis(x, indices *Array, axis int) *Array {
	const op = "take_along_axis"
	if bad := required(op, x, indices); bad != nil {
		return bad
	}
	safe := indices
	if x.err == nil && indices.err == nil {
		var e *Error
		if safe, e = inRange(op, x, indices, axis); e != nil {
			return &Array{err: e}
		}
	}
	return build(op, []*Array{x, safe}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.TakeAlongAxis(res, x.h, safe.h, int32(axis), s)
	})
}

// inRange returns indices that are safe along x's axis.
func inRange(op string, x, indices *Array, axis int) (*Array, *Error) {
	shape := x.Shape()
	at := axis
	if at < 0 {
		at += len(shape)
	}
	if at < 0 || at >= len(shape) {
		return nil, newError(op, ErrIndex, "axis "+itoa(axis)+" of an array with "+itoa(len(shape))+" axes")
	}
	if d := indices.Dtype(); !d.IsInteger() {
		return nil, newError(op, ErrDtype, "the indices are "+d.String()+", not integers")
	}
	n := shape[at]
	if n == 0 && indices.Size() > 0 {
		return nil, newError(op, ErrIndex, "axis "+itoa(axis)+" is empty")
	}
	if b := indices.host; b != nil {
		if indices.Size() > 0 && (b.lo < int64(-n) || b.hi >= int64(n)) {
			return nil, newError(op, ErrIndex, "indices from "+itoa(int(b.lo))+" to "+itoa(int(b.hi))+" along an axis of length "+itoa(n))
		}
		return indices, nil
	}
	low := 0
	if d := indices.Dtype(); d >= Int8 && d <= Int64 {
		low = -n
	}
	return clamp(indices, low, n-1), nil
}

// clamp limits integers to [lo, hi] in their own type.
func clamp(x *Array, lo, hi int) *Array {
	return build("clip", []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		var l, h capi.Array
		low, high := capi.ArrayNewInt(int32(lo)), capi.ArrayNewInt(int32(hi))
		d := capi.ArrayDtype(x.h)
		status := max(capi.Astype(&l, low, d, s), capi.Astype(&h, high, d, s))
		if status == 0 {
			status = capi.Clip(res, x.h, l, h, s)
		}
		freeTemporary(low, high, l, h)
		return status
	})
}
