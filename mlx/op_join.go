package mlx

import (
	"math"
	"slices"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

// Concatenate joins arrays along an axis that they have; Flat joins their elements into one
// axis. Binds mlx_concatenate, mlx_concatenate_axis.
func Concatenate(axis int, arrays ...*Array) *Array {
	return joined("concatenate", capi.Concatenate, capi.ConcatenateAxis, axis, arrays).follows("joined", axis)
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

// Split cuts x along axis into parts of equal length. Binds mlx_split.
func Split(x *Array, parts, axis int) []*Array {
	const op = "split"
	if bad := required(op, x); bad != nil {
		return fill(nil, bad, parts)
	}
	// an empty axis has any number of empty parts, each an array
	if parts < 1 || x.err == nil && parts > max(x.Dim(axis), mostFilled) {
		return fill(nil, failed(op, ErrShape, "%d parts of axis %d of %s", parts, axis, x), parts)
	}
	return fill(buildList(op, []*Array{x}, func(res *capi.VectorArray, s capi.Stream) int32 {
		return capi.Split(res, x.h, c32(parts), c32(axis), s)
	}), nil, parts)
}

// SplitAt cuts x along axis before each of the given places, as Python slices with them: a negative
// one counts from the end, one beyond the axis is its end, and what lies between a place and a
// lesser one is empty. Binds mlx_split_sections.
func SplitAt(x *Array, places []int, axis int) []*Array {
	const op = "split"
	if bad := required(op, x); bad != nil {
		return fill(nil, bad, len(places)+1)
	}
	if x.err != nil {
		return fill(nil, x, len(places)+1)
	}
	if n := x.Ndim(); axis < -n || axis >= n {
		return fill(nil, failed(op, ErrIndex, "axis %d of %s", axis, x), len(places)+1)
	}
	if len(places) == 0 {
		return []*Array{Positive(x)}
	}
	return fill(buildList(op, []*Array{x}, func(res *capi.VectorArray, s capi.Stream) int32 {
		return capi.SplitSections(res, x.h, int32s(places), c32(axis), s)
	}), nil, len(places)+1)
}

// mostFilled bounds the arrays that a failure fills a list with.
const mostFilled = 1 << 16

// fill makes a list that failed, or bad alone, one of the n arrays that the caller takes: each is the
// same failure.
func fill(list []*Array, bad *Array, n int) []*Array {
	if bad == nil {
		if len(list) != 1 || list[0].err == nil {
			return list
		}
		bad = list[0]
	}
	return slices.Repeat([]*Array{bad}, min(max(n, 1), mostFilled))
}

// Unstack returns the slices of x along axis, without that axis.
// Binds mlx_unstack, mlx_unstack_axis.
func Unstack(x *Array, axis int) []*Array {
	const op = "unstack"
	if bad := required(op, x); bad != nil {
		return []*Array{bad}
	}
	if n := x.Dim(axis); x.err == nil && n > max(x.Size(), mostFilled) {
		return []*Array{failed(op, ErrShape, "%d arrays without elements of %s", n, x)}
	}
	return buildList(op, []*Array{x}, func(res *capi.VectorArray, s capi.Stream) int32 {
		if axis == 0 {
			return capi.Unstack(res, x.h, s)
		}
		return capi.UnstackAxis(res, x.h, c32(axis), s)
	})
}

// PadMode is what Pad fills with.
type PadMode string

// What Pad fills with.
const (
	PadConstant  PadMode = "constant"  // the value given
	PadEdge      PadMode = "edge"      // the nearest element
	PadReflect   PadMode = "reflect"   // the elements in mirrors that stand on the outermost, again and again
	PadSymmetric PadMode = "symmetric" // those in mirrors behind the outermost, which they repeat
)

var padModes = []PadMode{PadConstant, PadEdge, PadReflect, PadSymmetric}

// Pad returns x with elements added before and behind it along each axis: widths[i] =
// {before, behind} for axis i, or one pair for all axes. value fills them in the constant
// mode, converted to x's type. Binds mlx_pad, mlx_pad_symmetric.
func Pad(x *Array, mode PadMode, value float64, widths ...[2]int) *Array {
	const op = "pad"
	if bad := required(op, x); bad != nil {
		return bad
	}
	if x.err != nil {
		return x
	}
	if !slices.Contains(padModes, mode) {
		return failed(op, ErrIndex, "there is no mode %q (have: constant, edge, reflect, symmetric)", string(mode))
	}
	shape := x.Shape()
	if len(widths) != 1 && len(widths) != len(shape) {
		return failed(op, ErrShape, "%d pairs of widths for %s (want: one, or one an axis)", len(widths), x)
	}
	axes, low, high := make([]int, len(shape)), make([]int, len(shape)), make([]int, len(shape))
	for i := range shape {
		w := widths[min(i, len(widths)-1)]
		if w[0] < 0 || w[1] < 0 || w[0] > math.MaxInt32 || w[1] > math.MaxInt32 {
			return failed(op, ErrShape, "widths %v (have: 0 to %d)", w, math.MaxInt32)
		}
		if mode != PadConstant && shape[i] == 0 && w[0]+w[1] > 0 {
			return failed(op, ErrShape, "axis %d of %s has no edge", i, x)
		}
		axes[i], low[i], high[i] = i, w[0], w[1]
		shape[i] += w[0] + w[1]
	}
	if e := checkShape(op, shape, x.Dtype()); e != nil {
		return &Array{err: e}
	}
	if (mode == PadReflect || mode == PadSymmetric) && !slices.Equal(shape, x.Shape()) {
		return mirrored(op, x, mode, low, high)
	}
	return build(op, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		scalar := capi.ArrayNewFloat64(value)
		var v capi.Array
		defer func() { freeTemporary(scalar, v) }()
		if s != DefaultStream(CPU).handle() { // only a CPU knows float64
			freeTemporary(scalar)
			scalar = capi.ArrayNewFloat32(float32(value))
		}
		if status := capi.Astype(&v, scalar, capi.ArrayDtype(x.h), s); status != 0 {
			return status
		}
		if len(widths) == 1 && widths[0][0] == widths[0][1] {
			return capi.PadSymmetric(res, x.h, c32(widths[0][0]), v, capi.Bytes(string(mode)), s)
		}
		return capi.Pad(res, x.h, int32s(axes), int32s(low), int32s(high), v, capi.Bytes(string(mode)), s)
	})
}

// mirrored is Pad of the modes with mirrors. MLX's own builds some operations for every mirror, without a
// bound; here one takes each axis from places worked out for all.
func mirrored(op string, x *Array, mode PadMode, low, high []int) *Array {
	if bad := fixed(op); bad != nil {
		return bad
	}
	s := x.Scope()
	for axis := range low {
		n := x.Dim(axis)
		if low[axis]+high[axis] == 0 {
			continue
		}
		last := 2*n - 1 // place k and place last−k are one element
		period := 2 * n
		if mode == PadReflect {
			last = max(2*n-2, 1)
			period = last
		}
		k := Remainder(Arange(s, float64(-low[axis]), float64(n+high[axis]), 1, Int64), Scalar(s, int64(period)))
		x = Take(x, Minimum(k, Subtract(Scalar(s, int64(last)), k)), axis)
	}
	return x
}
