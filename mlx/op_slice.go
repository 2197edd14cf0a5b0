package mlx

import (
	"slices"
	"strconv"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

// Slice returns a range of one axis, all of the others: Slice(x, 1, Between(0, 4)) is x[:, 0:4]
// in Python. Binds mlx_slice.
func Slice(x *Array, axis int, r Range) *Array {
	const op = "slice"
	if bad := required(op, x); bad != nil {
		return bad
	}
	if x.err != nil {
		return x
	}
	_, from, to, step, e := along(op, x, axis, r)
	if e != nil {
		return &Array{err: e}
	}
	most := int64(same)
	for i := range from {
		if from[i] == to[i] {
			most = unknown // nothing is left
		}
	}
	return buildIn(op, nil, most, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
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
	if bad := fixed(op); bad != nil {
		return bad
	}
	want, got := x.Shape(), update.Shape()
	asked := axis
	if axis < 0 {
		axis += len(want)
	}
	if axis < 0 || axis >= len(want) {
		return failed(op, ErrIndex, "axis %d of an array with %d axes", asked, len(want))
	}
	if len(got) == len(want) {
		want[axis] = got[axis]
	}
	if !slices.Equal(got, want) {
		return failed(op, ErrShape, "update %s does not fit into %s along axis %d", update, x, axis)
	}
	sp, from, to, step, e := along(op, x, axis, Between(start, start+got[axis]))
	if e != nil {
		return &Array{err: e}
	}
	if sp.start != start || sp.count != got[axis] {
		return failed(op, ErrIndex, "elements %d to %d along axis %d of %s", start, start+got[axis], axis, x)
	}
	return buildIn(op, nil, same, []*Array{x, update}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.SliceUpdate(res, x.h, update.h, from, to, step, s)
	})
}

// along returns the places of a range of one axis, and the bounds of all axes in MLX's terms, of
// which the others are whole.
func along(op string, x *Array, axis int, r Range) (sp span, from, to, step []int32, e *Error) {
	shape := x.Shape()
	n, asked := len(shape), axis
	if axis < 0 {
		axis += n
	}
	switch {
	case axis < 0 || axis >= n:
		return sp, nil, nil, nil, newError(op, ErrIndex, "axis "+strconv.Itoa(asked)+" of an array with "+strconv.Itoa(n)+" axes")
	case r.step == 0:
		return sp, nil, nil, nil, newError(op, ErrIndex, "a range with step 0")
	}
	from, to, step = make([]int32, n), int32s(shape), make([]int32, n)
	for i := range step {
		step[i] = 1
	}
	sp = r.over(shape[axis])
	if e := fixedRange(op, r, sp, shape[axis]); e != nil {
		return sp, nil, nil, nil, e
	}
	from[axis], to[axis], step[axis] = sp.bounds()
	return sp, from, to, step, nil
}

// SliceDynamic returns a slice of the given size, a length for each axis of x, that starts
// at computed places: start[k] along axes[k], 0 along the others. A start is clamped so that
// the slice is inside x. start: [len(axes)] integers. Binds mlx_slice_dynamic.
func SliceDynamic(x, start *Array, axes, size []int) *Array {
	const op = "slice_dynamic"
	safe, bad := starts(op, x, start, axes, size)
	if bad != nil {
		return bad
	}
	most := int64(same)
	if slices.Contains(size, 0) {
		most = unknown
	}
	return buildIn(op, nil, most, []*Array{x, safe}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.SliceDynamic(res, x.h, safe.h, int32s(axes), int32s(size), s)
	})
}

// SliceUpdateDynamic returns x with update in place of the slice that SliceDynamic returns
// for update's shape; first axes that update lacks are x's. Binds mlx_slice_update_dynamic.
func SliceUpdateDynamic(x, update, start *Array, axes ...int) *Array {
	const op = "slice_update_dynamic"
	if bad := required(op, x, update); bad != nil {
		return bad
	}
	if update.err != nil {
		return update
	}
	size := update.Shape()
	if missing := x.Ndim() - len(size); missing > 0 {
		size = append(x.Shape()[:missing], size...)
	}
	safe, bad := starts(op, x, start, axes, size)
	if bad != nil {
		return bad
	}
	if update.Size() == 0 {
		return Positive(x)
	}
	return buildIn(op, nil, same, []*Array{x, update, safe}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.SliceUpdateDynamic(res, x.h, update.h, safe.h, int32s(axes), s)
	})
}

// starts checks and clamps the computed start of a slice.
func starts(op string, x, start *Array, axes, size []int) (safe, bad *Array) {
	if bad := required(op, x, start); bad != nil {
		return nil, bad
	}
	for _, a := range []*Array{x, start} {
		if a.err != nil {
			return nil, a
		}
	}
	if bad := fixed(op); bad != nil {
		return nil, bad
	}
	shape := x.Shape()
	fits := len(size) == len(shape)
	for i := range size {
		fits = fits && size[i] >= 0 && size[i] <= shape[i]
	}
	if !fits {
		return nil, failed(op, ErrShape, "a slice of %v from %s", size, x)
	}
	if d := start.Dtype(); !d.IsInteger() {
		return nil, failed(op, ErrDtype, "the start is %s, not integers", d)
	}
	if start.Ndim() == 0 && len(axes) == 1 {
		place := start.host
		start = Reshape(start, 1)
		start.host = place
	}
	if !slices.Equal(start.Shape(), []int{len(axes)}) || len(axes) == 0 {
		return nil, failed(op, ErrShape, "start %s for axes %v (want: a place for each axis)", start, axes)
	}
	last := make([]int32, len(axes))
	for i, axis := range axes {
		if axis < 0 || axis >= len(shape) || slices.Contains(axes[:i], axis) {
			return nil, failed(op, ErrIndex, "axes %v of an array with %d axes", axes, len(shape))
		}
		last[i] = c32(shape[axis] - size[axis])
	}
	if b := start.host; b != nil && (b.lo < 0 || b.hi > int64(slices.Max(last))) {
		return nil, failed(op, ErrIndex, "a slice of %v from %s cannot start at places from %d to %d", size, x, b.lo, b.hi)
	}
	wide := AsType(start, Int64)
	safe = AsType(Clip(wide, Scalar(x.Scope(), int64(0)), FromSlice(x.Scope(), last)), Int32)
	if safe.err != nil {
		return nil, safe
	}
	return safe, nil
}
