package mlx

import (
	"math/bits"
	"slices"
	"strconv"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

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

// BroadcastArrays returns the arrays repeated, without a copy, to the shape that they
// broadcast to. Binds mlx_broadcast_arrays.
func BroadcastArrays(arrays ...*Array) []*Array {
	out := lists("broadcast_arrays", arrays, capi.BroadcastArrays)
	for _, a := range out {
		a.follows("broadcast")
	}
	return out
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
			return newError(op, ErrShape, "a count of "+strconv.Itoa(f)+" (have: 0 and more)")
		}
		hi, lo := bits.Mul64(total, uint64(max(f, 1)))
		if total = lo; hi != 0 || total > uint64(loaded.memoryLimit.Load()) {
			return newError(op, ErrMemory, x.String()+" this many times is more than MLX's memory limit of "+strconv.Itoa(int(loaded.memoryLimit.Load()))+" bytes")
		}
	}
	return nil
}
