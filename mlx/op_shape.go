package mlx

import (
	"slices"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

// rearranged notes that r has x's elements, and so what is known of them: labels with a new axis
// are checked as before.
func (r *Array) rearranged(x *Array) *Array {
	r.host = x.host
	return r
}

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
	}).rearranged(x).follows("reshaped", shape...)
}

// Transpose returns x with its axes in the given order; none reverses them.
// Binds mlx_transpose, mlx_transpose_axes.
func Transpose(x *Array, axes ...int) *Array {
	r := onAxes("transpose", capi.TransposeAxes, nil, capi.Transpose, x, axes)
	if len(axes) == 0 && tapeOf(r) != nil {
		axes = allAxes(x)
		slices.Reverse(axes)
	}
	return r.follows("transposed", axes...)
}

// ExpandDims returns x with new axes of length 1 at the given places of the
// result. Binds mlx_expand_dims, mlx_expand_dims_axes.
func ExpandDims(x *Array, axes ...int) *Array {
	return onAxes("expand_dims", capi.ExpandDimsAxes, capi.ExpandDims, nil, x, axes).follows("expanded", axes...)
}

// Squeeze returns x without the given axes, each of length 1; none means all such.
// Binds mlx_squeeze, mlx_squeeze_axis, mlx_squeeze_axes.
func Squeeze(x *Array, axes ...int) *Array {
	return onAxes("squeeze", capi.SqueezeAxes, capi.SqueezeAxis, capi.Squeeze, x, axes).follows("squeezed", axes...)
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
	}).rearranged(x)
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
	}).follows("same")
}

// Flatten joins the axes from start to end, both included, into one.
// Binds mlx_flatten.
func Flatten(x *Array, start, end int) *Array {
	const op = "flatten"
	if bad := required(op, x); bad != nil {
		return bad
	}
	return buildIn(op, nil, same, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.Flatten(res, x.h, c32(start), c32(end), s)
	}).rearranged(x).follows("flattened", start, end)
}

// Unflatten splits an axis into several of as many elements; one of them may be −1.
// Binds mlx_unflatten.
func Unflatten(x *Array, axis int, shape ...int) *Array {
	const op = "unflatten"
	if bad := required(op, x); bad != nil {
		return bad
	}
	free, rest := 0, 1
	for _, n := range shape {
		if n == -1 {
			free++
			continue
		}
		if n < 0 {
			free = 2
		}
		rest *= n
	}
	if len(shape) == 0 || free > 1 || free == 1 && rest == 0 {
		return failed(op, ErrShape, "shape %v: one axis may be -1, none less, and none 0 beside it", shape)
	}
	if n := x.Ndim(); shapelessTraces.Load() > 0 && axis >= -n && axis < n { // MLX's trace keeps the lengths, whatever the axis has then
		if x.lengths()[(axis+n)%n] == 1 {
			return fixed(op)
		}
		x = pinned(x, slices.DeleteFunc(allAxes(x), func(i int) bool { return i == (axis+n)%n }))
	}
	return buildIn(op, nil, same, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.Unflatten(res, x.h, c32(axis), int32s(shape), s)
	}).rearranged(x).follows("unflattened", append([]int{axis}, shape...)...)
}

// Swapaxes exchanges two axes. Binds mlx_swapaxes.
func Swapaxes(x *Array, axis1, axis2 int) *Array {
	return twoAxes("swapaxes", capi.Swapaxes, x, axis1, axis2, func(order []int, i, j int) []int {
		order[i], order[j] = order[j], order[i]
		return order
	})
}

// Moveaxis moves an axis to another place; the others keep their order.
// Binds mlx_moveaxis.
func Moveaxis(x *Array, from, to int) *Array {
	return twoAxes("moveaxis", capi.Moveaxis, x, from, to, func(order []int, i, j int) []int {
		return slices.Insert(slices.Delete(order, i, i+1), j, i)
	})
}

func twoAxes(op string, f func(*capi.Array, capi.Array, int32, int32, capi.Stream) int32, x *Array, i, j int, order func(axes []int, i, j int) []int) *Array {
	if bad := required(op, x); bad != nil {
		return bad
	}
	r := buildIn(op, nil, same, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		return f(res, x.h, c32(i), c32(j), s)
	}).rearranged(x)
	if tapeOf(r) == nil {
		return r
	}
	n := x.Ndim()
	return r.follows("transposed", order(allAxes(x), (i+n)%n, (j+n)%n)...)
}

// Atleast1D returns x with at least one axis. Binds mlx_atleast_1d.
func Atleast1D(x *Array) *Array { return unary("atleast_1d", capi.Atleast1d, x) }

// Atleast2D returns x with at least two axes: [n] becomes [1 n]. Binds mlx_atleast_2d.
func Atleast2D(x *Array) *Array { return unary("atleast_2d", capi.Atleast2d, x) }

// Atleast3D returns x with at least three axes: [n] becomes [1 n 1], [m n] becomes [m n 1].
// Binds mlx_atleast_3d.
func Atleast3D(x *Array) *Array { return unary("atleast_3d", capi.Atleast3d, x) }

// Roll moves the elements along axes by shifts, those that fall off the end to the front;
// no axes means all elements as one row, by the sum of the shifts.
// Binds mlx_roll, mlx_roll_axis, mlx_roll_axes.
func Roll(x *Array, shifts []int, axes ...int) *Array {
	const op = "roll"
	if bad := required(op, x); bad != nil {
		return bad
	}
	if len(shifts) == 0 || len(axes) > 1 && len(shifts) != len(axes) {
		return failed(op, ErrShape, "%d shifts for %d axes", len(shifts), len(axes))
	}
	return buildIn(op, nil, same, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		switch len(axes) {
		case 0:
			return capi.Roll(res, x.h, int32s(shifts), s)
		case 1:
			return capi.RollAxis(res, x.h, int32s(shifts), c32(axes[0]), s)
		}
		return capi.RollAxes(res, x.h, int32s(shifts), int32s(axes), s)
	})
}

// AsStrided returns a view of x's elements in row-major order: element i of the result is
// element offset + Σ i[k]·strides[k] of x. Every such place must be one of x's.
// Binds mlx_as_strided.
func AsStrided(x *Array, shape, strides []int, offset int) *Array {
	const op = "as_strided"
	if bad := required(op, x); bad != nil {
		return bad
	}
	if x.err != nil {
		return x
	}
	if len(shape) != len(strides) {
		return failed(op, ErrShape, "%d axes and %d strides", len(shape), len(strides))
	}
	if e := checkShape(op, shape, x.Dtype()); e != nil {
		return &Array{err: e}
	}
	wide := make([]int64, len(strides))
	first, last, size := int64(offset), int64(offset), int64(x.Size())
	inside := !slices.Contains(shape, 0)
	for i, st := range strides {
		wide[i] = int64(st)
		if !inside {
			continue
		}
		// one place beyond size is enough to refuse, so that nothing here overflows
		if shape[i] > 1 && (int64(st) > size || int64(st) < -size) {
			first = -1
			break
		}
		reach := int64(shape[i]-1) * int64(st)
		first, last = first+min(reach, 0), last+max(reach, 0)
		if first < 0 || last >= size {
			break
		}
	}
	if inside && (first < 0 || last >= size) || offset < 0 || int64(offset) > size { // of an offset near 2⁶³, last wraps
		return failed(op, ErrIndex, "shape %v with strides %v from element %d reaches outside %s", shape, strides, offset, x)
	}
	x = Contiguous(x) // MLX refuses, when it is evaluated, what lies otherwise
	return build(op, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.AsStrided(res, x.h, int32s(shape), wide, offset, s)
	})
}

// NumberOfElements returns the product of the lengths of axes as a 0-d array that follows
// the shape when a compiled function gets arrays of another one; inverted returns 1 over it.
// Binds mlx_number_of_elements.
func NumberOfElements(x *Array, inverted bool, d Dtype, axes ...int) *Array {
	const op = "number_of_elements"
	if bad := required(op, x); bad != nil {
		return bad
	}
	if !d.valid() {
		return failed(op, ErrDtype, "%v is no data type", d)
	}
	if x.err == nil {
		n := x.Ndim()
		for i, axis := range axes {
			if axis < -n || axis >= n || slices.Contains(axes[:i], axis) { // MLX divides by the number of axes
				return failed(op, ErrIndex, "axes %v of %s", axes, x)
			}
		}
	}
	return build(op, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.NumberOfElements(res, x.h, int32s(axes), inverted, capi.Dtype(d), s)
	}).madeOf().follows("scalar")
}
