package mlx

import (
	"slices"
	"strconv"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

// MLX does not look at indices. Those that were made from Go data are checked here, and one
// out of range is an error; computed ones, known only when they are evaluated, are clamped
// to the axis. Negative indices count from the end of the axis.

// Take returns the slices of x at the given integer indices along axis. The result has x's
// shape with that axis replaced by the shape of indices.
// Binds mlx_take, mlx_take_axis.
func Take(x, indices *Array, axis int) *Array {
	const op = "take"
	safe, bad := checkedIndices(op, x, indices, axis)
	if bad != nil {
		return bad
	}
	if axis != Flat && shapelessTraces.Load() > 0 {
		x = pinned(x, []int{(axis + x.Ndim()) % x.Ndim()})
	}
	return build(op, []*Array{x, safe}, func(res *capi.Array, s capi.Stream) int32 {
		if axis == Flat {
			return capi.Take(res, x.h, safe.h, s)
		}
		return capi.TakeAxis(res, x.h, safe.h, c32(axis), s)
	}).follows("taken", axis)
}

// TakeAlongAxis returns x at indices along axis, the other axes matched one to one:
// out[i, j] = x[i, indices[i, j]] for axis 1. Binds mlx_take_along_axis.
func TakeAlongAxis(x, indices *Array, axis int) *Array {
	const op = "take_along_axis"
	safe, bad := checkedIndices(op, x, indices, axis)
	if bad != nil {
		return bad
	}
	return build(op, []*Array{x, safe}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.TakeAlongAxis(res, x.h, safe.h, c32(axis), s)
	}).follows("along", axis)
}

// checkedIndices returns indices that are safe along x's axis, or what to return instead of
// a result.
func checkedIndices(op string, x, indices *Array, axis int) (safe, bad *Array) {
	if bad := required(op, x, indices); bad != nil {
		return nil, bad
	}
	for _, a := range []*Array{x, indices} {
		if a.err != nil {
			return nil, a
		}
	}
	if axis == Flat {
		return inRange(op, x, indices, allAxes(x), 1, "the elements of "+x.String())
	}
	shape := x.lengths()
	at := axis
	if at < 0 {
		at += len(shape)
	}
	if at < 0 || at >= len(shape) {
		return nil, failed(op, ErrIndex, "axis %d of an array with %d axes", axis, len(shape))
	}
	return inRange(op, x, indices, []int{at}, 1, "axis "+strconv.Itoa(axis))
}

// inRange returns indices of which each is the start of length places among the elements of
// some axes of x, or the error. what names the places.
func inRange(op string, x, indices *Array, axes []int, length int, what string) (safe, bad *Array) {
	n := 1
	shape := x.lengths()
	if x.freed() { // since the axes were looked at
		return nil, &Array{err: x.gone(op, "the array")}
	}
	for _, axis := range axes {
		n *= shape[axis]
	}
	if shapelessTraces.Load() > 0 && indices.Dtype().IsInteger() {
		signed := length == 1 && indices.Dtype() >= Int8
		if b := indices.host; b != nil && b.lo <= b.hi { // of a constant it is known what must be there
			x.requires(op, "has", slices.Concat([]int{int(b.lo), int(b.hi) + length - 1}, axes)...)
		}
		return inRangeOf(clampToAxes(x, indices, axes, length, signed))
	}
	return inRangeOfLength(op, indices, n, length, what)
}

func inRangeOf(safe *Array) (_, bad *Array) {
	if safe.err != nil {
		return nil, safe
	}
	return safe, nil
}

// inRangeOfLength is inRange among n places.
func inRangeOfLength(op string, indices *Array, n, length int, what string) (safe, bad *Array) {
	low := -n
	if d := indices.Dtype(); d >= Uint8 && d <= Uint64 || length > 1 {
		low = 0 // a negative start would wrap in the middle of the length
	}
	return inRangeFrom(op, indices, low, n, length, what)
}

// inRangeFrom is inRange among n places of which the first is at low.
func inRangeFrom(op string, indices *Array, low, n, length int, what string) (safe, bad *Array) {
	if d := indices.Dtype(); !d.IsInteger() {
		return nil, failed(op, ErrDtype, "the indices are %s, not integers", d)
	}
	if n < length && indices.Size() > 0 {
		return nil, failed(op, ErrIndex, "%s has length %d, and %d are taken", what, n, length)
	}
	if b := indices.host; b != nil {
		if indices.Size() > 0 && (b.lo < int64(low) || b.hi > int64(n-length)) {
			return nil, failed(op, ErrIndex, "indices from %d to %d along %s of length %d", b.lo, b.hi, what, n)
		}
		return indices, nil
	}
	return inRangeOf(clamp(indices, low, n-length))
}

// clamp limits integers to [lo, hi] in their own type, or in int32 where that holds more.
func clamp(x *Array, lo, hi int) *Array {
	if d := x.Dtype(); d.Size() < 4 {
		x = AsType(x, Int32) // hi may be beyond a small type
	}
	return buildIn("clip", nil, same, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		var l, h capi.Array
		low, high := capi.ArrayNewInt(c32(lo)), capi.ArrayNewInt(c32(hi))
		d := capi.ArrayDtype(x.h)
		status := max(capi.Astype(&l, low, d, s), capi.Astype(&h, high, d, s))
		if status == 0 {
			status = capi.Clip(res, x.h, l, h, s)
		}
		freeTemporary(low, high, l, h)
		return status
	}).follows("same")
}

// Gather returns slices of x: indices[k] holds places along axes[k], all of one shape after
// broadcasting, and a slice of the given size is taken at each. The result's shape is that
// of the indices, then sizes. Binds mlx_gather, mlx_gather_single.
func Gather(x *Array, indices []*Array, axes, sizes []int) *Array {
	const op = "gather"
	safe, bad := scatterIndices(op, x, indices, axes, sizes)
	if bad != nil {
		return bad
	}
	x = pinned(x, axes)
	return build(op, append([]*Array{x}, safe...), func(res *capi.Array, s capi.Stream) int32 {
		if len(safe) == 1 {
			return capi.GatherSingle(res, x.h, safe[0].h, c32(axes[0]), int32s(sizes), s)
		}
		list := vector(safe)
		defer capi.VectorArrayFree(list)
		return capi.Gather(res, x.h, list, int32s(axes), int32s(sizes), s)
	}).follows("gathered", slices.Concat([]int{len(axes)}, axes, sizes)...)
}

// scatterIndices checks the places of slices of the given sizes.
func scatterIndices(op string, x *Array, indices []*Array, axes, sizes []int) (safe []*Array, bad *Array) {
	if bad := required(op, append([]*Array{x}, indices...)...); bad != nil {
		return nil, bad
	}
	if x.err != nil {
		return nil, x
	}
	shape := x.lengths()
	if len(indices) == 0 || len(indices) != len(axes) || len(sizes) != len(shape) {
		return nil, failed(op, ErrShape, "%d indices, %d axes and slices of %v for %s (want: an axis for each index, and a length for each axis)", len(indices), len(axes), sizes, x)
	}
	for i, n := range sizes {
		if n < 0 || n > shape[i] {
			return nil, failed(op, ErrShape, "slices of %v from %s", sizes, x)
		}
	}
	safe = make([]*Array, len(indices))
	for i, ix := range indices {
		if ix.err != nil {
			return nil, ix
		}
		if axes[i] < 0 || axes[i] >= len(shape) || slices.Contains(axes[:i], axes[i]) {
			return nil, failed(op, ErrIndex, "axes %v of an array with %d axes", axes, len(shape))
		}
		if safe[i], bad = inRange(op, x, ix, axes[i:i+1], sizes[axes[i]], "axis "+strconv.Itoa(axes[i])); bad != nil {
			return nil, bad
		}
	}
	return safe, nil
}
