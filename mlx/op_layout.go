package mlx

import (
	"math"
	"math/bits"
	"slices"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

// Flatten joins the axes from start to end, both included, into one.
// Binds mlx_flatten.
func Flatten(x *Array, start, end int) *Array {
	const op = "flatten"
	if bad := required(op, x); bad != nil {
		return bad
	}
	return buildIn(op, nil, same, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.Flatten(res, x.h, c32(start), c32(end), s)
	})
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
	return buildIn(op, nil, same, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.Unflatten(res, x.h, c32(axis), int32s(shape), s)
	})
}

// Swapaxes exchanges two axes. Binds mlx_swapaxes.
func Swapaxes(x *Array, axis1, axis2 int) *Array {
	return twoAxes("swapaxes", capi.Swapaxes, x, axis1, axis2)
}

// Moveaxis moves an axis to another place; the others keep their order.
// Binds mlx_moveaxis.
func Moveaxis(x *Array, from, to int) *Array {
	return twoAxes("moveaxis", capi.Moveaxis, x, from, to)
}

func twoAxes(op string, f func(*capi.Array, capi.Array, int32, int32, capi.Stream) int32, x *Array, i, j int) *Array {
	if bad := required(op, x); bad != nil {
		return bad
	}
	return buildIn(op, nil, same, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		return f(res, x.h, c32(i), c32(j), s)
	})
}

// Atleast1D returns x with at least one axis. Binds mlx_atleast_1d.
func Atleast1D(x *Array) *Array { return unary("atleast_1d", capi.Atleast1d, x) }

// Atleast2D returns x with at least two axes: [n] becomes [1 n]. Binds mlx_atleast_2d.
func Atleast2D(x *Array) *Array { return unary("atleast_2d", capi.Atleast2d, x) }

// Atleast3D returns x with at least three axes: [n] becomes [1 n 1], [m n] becomes [m n 1].
// Binds mlx_atleast_3d.
func Atleast3D(x *Array) *Array { return unary("atleast_3d", capi.Atleast3d, x) }

// BroadcastArrays returns the arrays repeated, without a copy, to the shape that they
// broadcast to. Binds mlx_broadcast_arrays.
func BroadcastArrays(arrays ...*Array) []*Array {
	return lists("broadcast_arrays", arrays, capi.BroadcastArrays)
}

// lists is buildList for operations from a list to a list as long.
func lists(op string, arrays []*Array, f func(*capi.VectorArray, capi.VectorArray, capi.Stream) int32) []*Array {
	if len(arrays) == 0 {
		return nil
	}
	if bad := required(op, arrays...); bad != nil {
		return slices.Repeat([]*Array{bad}, len(arrays))
	}
	out := buildList(op, arrays, func(res *capi.VectorArray, s capi.Stream) int32 {
		list := vector(arrays)
		defer capi.VectorArrayFree(list)
		return f(res, list, s)
	})
	if len(out) == 1 && out[0].err != nil {
		return slices.Repeat(out, len(arrays))
	}
	return out
}

// Indexing is the order of the axes that Meshgrid makes.
type Indexing string

// The orders of a grid's axes.
const (
	XY Indexing = "xy" // the first two exchanged, as in plots
	IJ Indexing = "ij" // those of the arguments, as in matrices
)

// Meshgrid returns, for each one-axis array, its values over the grid that all of them
// span; with sparse set, each only along its own axis. Binds mlx_meshgrid.
func Meshgrid(order Indexing, sparse bool, arrays ...*Array) []*Array {
	const op = "meshgrid"
	if order != XY && order != IJ {
		return slices.Repeat([]*Array{failed(op, ErrIndex, "there is no indexing %q (have: xy, ij)", string(order))}, max(len(arrays), 1))
	}
	return lists(op, arrays, func(res *capi.VectorArray, list capi.VectorArray, s capi.Stream) int32 {
		return capi.Meshgrid(res, list, sparse, capi.Bytes(string(order)), s)
	})
}

// Repeat returns each element n times in a row along axis. Binds mlx_repeat, mlx_repeat_axis.
func Repeat(x *Array, n, axis int) *Array {
	const op = "repeat"
	if bad := required(op, x); bad != nil {
		return bad
	}
	if e := grows(op, x, n); e != nil {
		return &Array{err: e}
	}
	return build(op, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		if axis == Flat {
			return capi.Repeat(res, x.h, c32(n), s)
		}
		return capi.RepeatAxis(res, x.h, c32(n), c32(axis), s)
	})
}

// Tile returns x repeated as a whole along each axis; missing counts are 1, and more counts
// than axes add axes in front. Binds mlx_tile.
func Tile(x *Array, counts ...int) *Array {
	const op = "tile"
	if bad := required(op, x); bad != nil {
		return bad
	}
	if e := grows(op, x, counts...); e != nil {
		return &Array{err: e}
	}
	return build(op, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.Tile(res, x.h, int32s(counts), s)
	})
}

// grows refuses a result of x's size times factors that memory cannot hold, before MLX
// multiplies its lengths in 32 bits.
func grows(op string, x *Array, factors ...int) *Error {
	if x.err != nil {
		return nil // passed on
	}
	total := uint64(max(x.Nbytes(), 1))
	for _, f := range factors {
		if f < 0 {
			return newError(op, ErrShape, "a count of "+itoa(f)+" (have: 0 and more)")
		}
		hi, lo := bits.Mul64(total, uint64(max(f, 1)))
		if total = lo; hi != 0 || total > uint64(loaded.memoryLimit.Load()) {
			return newError(op, ErrMemory, x.String()+" this many times is more than MLX's memory limit of "+itoa(int(loaded.memoryLimit.Load()))+" bytes")
		}
	}
	return nil
}

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

// PadMode is what Pad fills with.
type PadMode string

// What Pad fills with.
const (
	PadConstant PadMode = "constant" // the value given
	PadEdge     PadMode = "edge"     // the nearest element
)

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
	if mode != PadConstant && mode != PadEdge {
		return failed(op, ErrIndex, "there is no mode %q (have: constant, edge)", string(mode))
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
		if mode == PadEdge && shape[i] == 0 && w[0]+w[1] > 0 {
			return failed(op, ErrShape, "axis %d of %s has no edge", i, x)
		}
		axes[i], low[i], high[i] = i, w[0], w[1]
		shape[i] += w[0] + w[1]
	}
	if e := checkShape(op, shape, x.Dtype()); e != nil {
		return &Array{err: e}
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
	return build(op, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.AsStrided(res, x.h, int32s(shape), wide, offset, s)
	})
}

// Diag returns the diagonal of a matrix, or the matrix with a given diagonal and zeros
// elsewhere; k > 0 means the k-th above the main one, k < 0 below. Binds mlx_diag.
func Diag(x *Array, k int) *Array {
	const op = "diag"
	if bad := required(op, x); bad != nil {
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

// Diagonal returns the diagonals of the matrices over two axes, as a new last axis.
// Binds mlx_diagonal.
func Diagonal(x *Array, offset, axis1, axis2 int) *Array {
	const op = "diagonal"
	if bad := required(op, x); bad != nil {
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
func Trace(x *Array, offset, axis1, axis2 int) *Array {
	const op = "trace"
	if bad := required(op, x); bad != nil {
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
	return build(op, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.NumberOfElements(res, x.h, int32s(axes), inverted, capi.Dtype(d), s)
	})
}

// Depends returns the inputs, each to be computed after the dependencies are.
// Binds mlx_depends.
func Depends(inputs, dependencies []*Array) []*Array {
	const op = "depends"
	operands := slices.Concat(inputs, dependencies)
	if len(inputs) == 0 {
		return nil
	}
	if bad := required(op, operands...); bad != nil {
		return slices.Repeat([]*Array{bad}, len(inputs))
	}
	out := buildList(op, operands, func(res *capi.VectorArray, _ capi.Stream) int32 {
		in, after := vector(inputs), vector(dependencies)
		defer capi.VectorArrayFree(in)
		defer capi.VectorArrayFree(after)
		return capi.Depends(res, in, after)
	})
	if len(out) == 1 && out[0].err != nil {
		return slices.Repeat(out, len(inputs))
	}
	return out
}
