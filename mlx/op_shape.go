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
	return buildIn(op, nil, same, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.Reshape(res, x.h, int32s(shape), s)
	})
}

// Transpose returns x with its axes in the given order; none reverses them.
// Binds mlx_transpose, mlx_transpose_axes.
func Transpose(x *Array, axes ...int) *Array {
	return onAxes("transpose", capi.TransposeAxes, nil, capi.Transpose, x, axes)
}

// ExpandDims returns x with new axes of length 1 at the given places of the
// result. Binds mlx_expand_dims, mlx_expand_dims_axes.
func ExpandDims(x *Array, axes ...int) *Array {
	return onAxes("expand_dims", capi.ExpandDimsAxes, capi.ExpandDims, nil, x, axes)
}

// Squeeze returns x without the given axes, each of length 1; none means all such.
// Binds mlx_squeeze, mlx_squeeze_axis, mlx_squeeze_axes.
func Squeeze(x *Array, axes ...int) *Array {
	return onAxes("squeeze", capi.SqueezeAxes, capi.SqueezeAxis, capi.Squeeze, x, axes)
}

// Flip returns x in the opposite order along axes; none means all.
// Binds mlx_flip, mlx_flip_axis, mlx_flip_axes.
func Flip(x *Array, axes ...int) *Array {
	return onAxes("flip", capi.FlipAxes, capi.FlipAxis, capi.Flip, x, axes)
}

// onAxes calls some with axes, one where there is but one and such a form, or all when
// none are given and no axes mean all.
func onAxes(op string, some func(*capi.Array, capi.Array, []int32, capi.Stream) int32, one sortAxis, all sortAll, x *Array, axes []int) *Array {
	if bad := required(op, x); bad != nil {
		return bad
	}
	return buildIn(op, nil, same, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		switch {
		case len(axes) == 0 && all != nil:
			return all(res, x.h, s)
		case len(axes) == 1 && one != nil:
			return one(res, x.h, c32(axes[0]), s)
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
	return buildIn(op, nil, same, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.Contiguous(res, x.h, false, s)
	})
}

// Concatenate joins arrays along an axis that they have; Flat joins their elements into one
// axis. Binds mlx_concatenate, mlx_concatenate_axis.
func Concatenate(axis int, arrays ...*Array) *Array {
	return joined("concatenate", capi.Concatenate, capi.ConcatenateAxis, axis, arrays)
}

// Stack joins arrays of one shape along a new axis. Binds mlx_stack, mlx_stack_axis.
func Stack(axis int, arrays ...*Array) *Array {
	if axis == 0 {
		axis = Flat // mlx_stack: the first axis is the new one
	} else if axis == Flat {
		return failed("stack", ErrIndex, "arrays are stacked along a new axis, not Flat")
	}
	return joined("stack", capi.Stack, capi.StackAxis, axis, arrays)
}

func joined(op string, whole func(*capi.Array, capi.VectorArray, capi.Stream) int32, along func(*capi.Array, capi.VectorArray, int32, capi.Stream) int32, axis int, arrays []*Array) *Array {
	if len(arrays) == 0 {
		return failed(op, ErrShape, "no arrays were given")
	}
	if bad := required(op, arrays...); bad != nil {
		return bad
	}
	return build(op, arrays, func(res *capi.Array, s capi.Stream) int32 {
		list := vector(arrays)
		defer capi.VectorArrayFree(list)
		if axis == Flat {
			return whole(res, list, s)
		}
		return along(res, list, c32(axis), s)
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
	return buildIn(op, nil, same, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
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
	if axis < 0 || axis >= len(want) {
		return failed(op, ErrIndex, "axis %d of an array with %d axes", axis, len(want))
	}
	if len(got) == len(want) {
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
	return buildIn(op, nil, same, []*Array{x, update}, func(res *capi.Array, s capi.Stream) int32 {
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
	// an empty axis has any number of empty parts, each an array
	if parts < 1 || x.err == nil && parts > max(x.Dim(axis), 1<<16) {
		return []*Array{failed(op, ErrShape, "%d parts of axis %d of %s", parts, axis, x)}
	}
	return buildList(op, []*Array{x}, func(res *capi.VectorArray, s capi.Stream) int32 {
		return capi.Split(res, x.h, c32(parts), c32(axis), s)
	})
}

// SplitAt cuts x along axis before each of the given places, ascending.
// Binds mlx_split_sections.
func SplitAt(x *Array, places []int, axis int) []*Array {
	const op = "split"
	if bad := required(op, x); bad != nil {
		return []*Array{bad}
	}
	if x.err != nil {
		return []*Array{x}
	}
	n := x.Dim(axis)
	for i, p := range places {
		if p < 0 || p > n || i > 0 && p < places[i-1] {
			return []*Array{failed(op, ErrIndex, "places %v along an axis of length %d of %s (want: ascending, from 0 to its length)", places, n, x)}
		}
	}
	if len(places) == 0 {
		return []*Array{Positive(x)}
	}
	return buildList(op, []*Array{x}, func(res *capi.VectorArray, s capi.Stream) int32 {
		return capi.SplitSections(res, x.h, int32s(places), c32(axis), s)
	})
}

// Unstack returns the slices of x along axis, without that axis.
// Binds mlx_unstack, mlx_unstack_axis.
func Unstack(x *Array, axis int) []*Array {
	const op = "unstack"
	if bad := required(op, x); bad != nil {
		return []*Array{bad}
	}
	if n := x.Dim(axis); x.err == nil && n > max(x.Size(), 1<<16) {
		return []*Array{failed(op, ErrShape, "%d arrays without elements of %s", n, x)}
	}
	return buildList(op, []*Array{x}, func(res *capi.VectorArray, s capi.Stream) int32 {
		if axis == 0 {
			return capi.Unstack(res, x.h, s)
		}
		return capi.UnstackAxis(res, x.h, c32(axis), s)
	})
}
