package mlx

import "github.com/mlxlens/mlxlens/mlx/internal/capi"

// Reductions remove the axes they run over: no axes means all. Negative axes
// count from the end.

type reduceAxes = func(res *capi.Array, a capi.Array, axes []int32, keepDims bool, s capi.Stream) int32
type reduceAll = func(res *capi.Array, a capi.Array, keepDims bool, s capi.Stream) int32

func reduce(op string, some reduceAxes, all reduceAll, x *Array, axes []int) *Array {
	if bad := required(op, x); bad != nil {
		return bad
	}
	return build(op, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		if len(axes) == 0 {
			return all(res, x.h, false, s)
		}
		return some(res, x.h, int32s(axes), false, s)
	})
}

// Sum returns Σ x over axes. Binds mlx_sum_axes.
func Sum(x *Array, axes ...int) *Array { return reduce("sum", capi.SumAxes, capi.Sum, x, axes) }

// Mean returns the average over axes. Binds mlx_mean_axes.
func Mean(x *Array, axes ...int) *Array { return reduce("mean", capi.MeanAxes, capi.Mean, x, axes) }

// Max returns the greatest element over axes, NaN if one is. Binds mlx_max_axes.
func Max(x *Array, axes ...int) *Array { return reduce("max", capi.MaxAxes, capi.Max, x, axes) }

// Min returns the least element over axes, NaN if one is. Binds mlx_min_axes.
func Min(x *Array, axes ...int) *Array { return reduce("min", capi.MinAxes, capi.Min, x, axes) }

// All returns whether every element over axes is true. Binds mlx_all_axes.
func All(x *Array, axes ...int) *Array { return reduce("all", capi.AllAxes, capi.All, x, axes) }

// Any returns whether some element over axes is true. Binds mlx_any_axes.
func Any(x *Array, axes ...int) *Array { return reduce("any", capi.AnyAxes, capi.Any, x, axes) }

// LogSumExp returns ln Σ eˣ over axes, without overflow. Binds mlx_logsumexp_axes.
func LogSumExp(x *Array, axes ...int) *Array {
	return reduce("logsumexp", capi.LogsumexpAxes, capi.Logsumexp, x, axes)
}

// Argmax returns the index of the greatest element along axis, uint32.
// Binds mlx_argmax_axis.
func Argmax(x *Array, axis int) *Array {
	const op = "argmax"
	if bad := required(op, x); bad != nil {
		return bad
	}
	return build(op, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.ArgmaxAxis(res, x.h, int32(axis), false, s)
	})
}

// Softmax returns exp(x−max x)/Σ along axis, computed in float32 when x is 16-bit.
// x: any shape, floating; the result has x's shape and dtype. Binds mlx_softmax_axis.
func Softmax(x *Array, axis int) *Array {
	const op = "softmax"
	if bad := required(op, x); bad != nil {
		return bad
	}
	return build(op, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.SoftmaxAxis(res, x.h, int32(axis), true, s)
	})
}

// Argsort returns the indices that sort x along axis in ascending order, uint32.
// Binds mlx_argsort_axis.
func Argsort(x *Array, axis int) *Array {
	const op = "argsort"
	if bad := required(op, x); bad != nil {
		return bad
	}
	return build(op, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.ArgsortAxis(res, x.h, int32(axis), s)
	})
}

// Argpartition returns indices that put the element of rank kth (from 0, ascending)
// along axis in its place, the smaller ones before it and the larger behind it, in
// no order; uint32. A negative kth counts from the end. Binds mlx_argpartition_axis.
func Argpartition(x *Array, kth, axis int) *Array {
	const op = "argpartition"
	if bad := required(op, x); bad != nil {
		return bad
	}
	return build(op, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.ArgpartitionAxis(res, x.h, int32(kth), int32(axis), s)
	})
}
