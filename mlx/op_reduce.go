package mlx

import (
	"math"
	"slices"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

// Reductions remove the axes they run over: no axes means all. Negative axes count
// from the end. KeepDims leaves those axes in place with length 1.

// Flat stands in place of an axis for all axes, read as one in row-major order.
const Flat = math.MinInt

type reduceAll = func(res *capi.Array, a capi.Array, keepDims bool, s capi.Stream) int32
type reduceAxis = func(res *capi.Array, a capi.Array, axis int32, keepDims bool, s capi.Stream) int32
type reduceAxes = func(res *capi.Array, a capi.Array, axes []int32, keepDims bool, s capi.Stream) int32

func reduce(op string, all reduceAll, one reduceAxis, some reduceAxes, x *Array, axes []int) *Array {
	if bad := required(op, x); bad != nil {
		return bad
	}
	return buildIn(op, nil, same, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		switch len(axes) {
		case 0:
			return all(res, x.h, false, s)
		case 1:
			return one(res, x.h, c32(axes[0]), false, s)
		}
		return some(res, x.h, int32s(axes), false, s)
	})
}

// reduced is reduce whose trace serves other lengths.
func reduced(op string, all reduceAll, one reduceAxis, some reduceAxes, x *Array, axes []int) *Array {
	return reduce(op, all, one, some, x, axes).follows("reduced", axes...)
}

// KeepDims returns f(x, axes...) with the axes that f removed in place, of length 1, so
// that the result broadcasts against x: KeepDims(Mean, x, -1), KeepDims(Argmax, x, -1). For an f
// with more parameters, wrap it.
func KeepDims[F func(x *Array, axes ...int) *Array | func(x *Array, axis int) *Array](f F, x *Array, axes ...int) *Array {
	const op = "keepdims"
	if bad := required(op, x); bad != nil {
		return bad
	}
	if len(axes) == 1 && axes[0] == Flat {
		axes = nil
	}
	var r *Array
	switch f := any(f).(type) {
	case func(x *Array, axes ...int) *Array:
		if f == nil {
			return &Array{err: missing(op, "function")}
		}
		r = f(x, axes...)
	case func(x *Array, axis int) *Array:
		switch {
		case f == nil:
			return &Array{err: missing(op, "function")}
		case len(axes) == 0:
			r = f(x, Flat)
		case len(axes) == 1:
			r = f(x, axes[0])
		default:
			return failed(op, ErrIndex, "axes %v for a function of one", axes)
		}
	}
	if len(axes) > 0 {
		return ExpandDims(r, axes...)
	}
	return Reshape(r, slices.Repeat([]int{1}, x.Ndim())...)
}

// Sum returns Σ x over axes; booleans are counted. Binds mlx_sum, mlx_sum_axis, mlx_sum_axes.
func Sum(x *Array, axes ...int) *Array {
	return reduced("sum", capi.Sum, capi.SumAxis, capi.SumAxes, x, axes)
}

// Prod returns Π x over axes. Binds mlx_prod, mlx_prod_axis, mlx_prod_axes.
func Prod(x *Array, axes ...int) *Array {
	return reduced("prod", capi.Prod, capi.ProdAxis, capi.ProdAxes, x, axes)
}

// Mean returns the average over axes, in floating point. Binds mlx_mean, mlx_mean_axis,
// mlx_mean_axes.
func Mean(x *Array, axes ...int) *Array {
	return reduced("mean", capi.Mean, capi.MeanAxis, capi.MeanAxes, x, axes)
}

// Max returns the greatest element over axes, NaN if one is. No element is an error.
// Binds mlx_max, mlx_max_axis, mlx_max_axes.
func Max(x *Array, axes ...int) *Array {
	return reduced("max", capi.Max, capi.MaxAxis, capi.MaxAxes, x, axes)
}

// Min returns the least element over axes, NaN if one is. No element is an error.
// Binds mlx_min, mlx_min_axis, mlx_min_axes.
func Min(x *Array, axes ...int) *Array {
	return reduced("min", capi.Min, capi.MinAxis, capi.MinAxes, x, axes)
}

// All returns whether every element over axes is true (not 0), bool.
// Binds mlx_all, mlx_all_axis, mlx_all_axes.
func All(x *Array, axes ...int) *Array {
	return reduced("all", capi.All, capi.AllAxis, capi.AllAxes, x, axes)
}

// Any returns whether some element over axes is true (not 0), bool.
// Binds mlx_any, mlx_any_axis, mlx_any_axes.
func Any(x *Array, axes ...int) *Array {
	return reduced("any", capi.Any, capi.AnyAxis, capi.AnyAxes, x, axes)
}

// CountNonzero returns how many elements over axes are not 0, int32. Binds
// mlx_count_nonzero, mlx_count_nonzero_axis, mlx_count_nonzero_axes.
func CountNonzero(x *Array, axes ...int) *Array {
	return reduced("count_nonzero", capi.CountNonzero, capi.CountNonzeroAxis, capi.CountNonzeroAxes, x, axes)
}

// LogSumExp returns ln Σ eˣ over axes, without overflow.
// Binds mlx_logsumexp, mlx_logsumexp_axis, mlx_logsumexp_axes.
func LogSumExp(x *Array, axes ...int) *Array {
	r := reduce("logsumexp", capi.Logsumexp, capi.LogsumexpAxis, capi.LogsumexpAxes, x, axes)
	if n := x.Ndim(); tapeOf(r) != nil && len(axes) == 1 && (axes[0] == -1 || axes[0] == n-1) && x.Dtype() != Complex64 { // of others MLX's trace keeps the lengths
		r.follows("found", axes...)
	}
	return r
}

// Median returns the middle element over axes, the mean of two for an even number.
// Binds mlx_median, mlx_median_axis, mlx_median_axes.
func Median(x *Array, axes ...int) *Array {
	if x != nil && x.err == nil {
		shape := x.Shape()
		for i, n := range shape {
			if n == 0 && (len(axes) == 0 || slices.Contains(axes, i) || slices.Contains(axes, i-len(shape))) {
				return failed("median", ErrShape, "%s has no elements along axis %d", x, i)
			}
		}
	}
	return reduce("median", capi.Median, capi.MedianAxis, capi.MedianAxes, x, axes)
}

// Var returns Σ (x − mean x)²/(n − ddof) over axes: ddof 0 for a whole population, 1 for the
// unbiased estimate from a sample. Binds mlx_var, mlx_var_axis, mlx_var_axes.
func Var(x *Array, ddof int, axes ...int) *Array {
	d := c32(ddof)
	return reduced("var",
		func(res *capi.Array, a capi.Array, keep bool, s capi.Stream) int32 {
			return capi.Var(res, a, keep, d, s)
		},
		func(res *capi.Array, a capi.Array, axis int32, keep bool, s capi.Stream) int32 {
			return capi.VarAxis(res, a, axis, keep, d, s)
		},
		func(res *capi.Array, a capi.Array, axes []int32, keep bool, s capi.Stream) int32 {
			return capi.VarAxes(res, a, axes, keep, d, s)
		}, x, axes)
}

// Std returns √Var. Binds mlx_std, mlx_std_axis, mlx_std_axes.
func Std(x *Array, ddof int, axes ...int) *Array {
	d := c32(ddof)
	return reduced("std",
		func(res *capi.Array, a capi.Array, keep bool, s capi.Stream) int32 {
			return capi.Std(res, a, keep, d, s)
		},
		func(res *capi.Array, a capi.Array, axis int32, keep bool, s capi.Stream) int32 {
			return capi.StdAxis(res, a, axis, keep, d, s)
		},
		func(res *capi.Array, a capi.Array, axes []int32, keep bool, s capi.Stream) int32 {
			return capi.StdAxes(res, a, axes, keep, d, s)
		}, x, axes)
}

// Softmax returns exp(x−max x)/Σ over axes (none: all of them), computed in float32 when x
// is 16-bit, as mlx.core's with precise=True. x: any shape; the result has x's shape and dtype, of
// integers and booleans float32 (mlx.core rounds it to integers but for the last axis).
// Binds mlx_softmax, mlx_softmax_axis, mlx_softmax_axes.
func Softmax(x *Array, axes ...int) *Array {
	const op = "softmax"
	if bad := required(op, x); bad != nil {
		return bad
	}
	if d := x.Dtype(); x.err == nil && integral(d) {
		x = AsType(x, Float32)
	}
	r := buildIn(op, nil, same, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		const precise = true
		switch len(axes) {
		case 0:
			return capi.Softmax(res, x.h, precise, s)
		case 1:
			return capi.SoftmaxAxis(res, x.h, c32(axes[0]), precise, s)
		}
		return capi.SoftmaxAxes(res, x.h, int32s(axes), precise, s)
	})
	return r.follows("softmaxed", axes...)
}

// Argmax returns the index of the greatest element along axis, the first of equals, uint32.
// Binds mlx_argmax, mlx_argmax_axis.
func Argmax(x *Array, axis int) *Array {
	return best("argmax", capi.Argmax, capi.ArgmaxAxis, x, axis)
}

// Argmin returns the index of the least element along axis, the first of equals, uint32.
// Binds mlx_argmin, mlx_argmin_axis.
func Argmin(x *Array, axis int) *Array {
	return best("argmin", capi.Argmin, capi.ArgminAxis, x, axis)
}

func best(op string, all reduceAll, one reduceAxis, x *Array, axis int) *Array {
	if bad := required(op, x); bad != nil {
		return bad
	}
	return buildIn(op, nil, same, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		if axis == Flat {
			return all(res, x.h, false, s)
		}
		return one(res, x.h, c32(axis), false, s)
	}).follows("found", axis)
}

// Cumulative says how a running total goes; the zero value goes forward and includes each
// element in its own total.
type Cumulative struct {
	Reverse   bool // from the end of the axis
	Exclusive bool // each element gets the total of those before it
}

// Cumsum returns running sums along axis. Binds mlx_cumsum, mlx_cumsum_axis.
func Cumsum(x *Array, axis int, how ...Cumulative) *Array {
	return cumulate("cumsum", withDtype(capi.Cumsum), withDtypeAxis(capi.CumsumAxis), x, axis, how)
}

// Cumprod returns running products along axis. Binds mlx_cumprod, mlx_cumprod_axis.
func Cumprod(x *Array, axis int, how ...Cumulative) *Array {
	return cumulate("cumprod", withDtype(capi.Cumprod), withDtypeAxis(capi.CumprodAxis), x, axis, how)
}

// Cummax returns running maxima along axis. Binds mlx_cummax, mlx_cummax_axis.
func Cummax(x *Array, axis int, how ...Cumulative) *Array {
	return cumulate("cummax", capi.Cummax, capi.CummaxAxis, x, axis, how)
}

// Cummin returns running minima along axis. Binds mlx_cummin, mlx_cummin_axis.
func Cummin(x *Array, axis int, how ...Cumulative) *Array {
	return cumulate("cummin", capi.Cummin, capi.CumminAxis, x, axis, how)
}

// Logcumsumexp returns running ln Σ eˣ along axis, without overflow. x: any shape; the result has x's
// shape and dtype, of integers and booleans float32 (mlx.core rounds each step to integers, and what
// overflows there depends on the processor). Binds mlx_logcumsumexp, mlx_logcumsumexp_axis.
func Logcumsumexp(x *Array, axis int, how ...Cumulative) *Array {
	const op = "logcumsumexp"
	if bad := required(op, x); bad != nil {
		return bad
	}
	if d := x.Dtype(); x.err == nil && integral(d) {
		x = AsType(x, Float32)
	}
	return cumulate(op, capi.Logcumsumexp, capi.LogcumsumexpAxis, x, axis, how)
}

type cumulateAll = func(res *capi.Array, a capi.Array, reverse, inclusive bool, s capi.Stream) int32
type cumulateAxis = func(res *capi.Array, a capi.Array, axis int32, reverse, inclusive bool, s capi.Stream) int32

func cumulate(op string, all cumulateAll, one cumulateAxis, x *Array, axis int, how []Cumulative) *Array {
	if bad := required(op, x); bad != nil {
		return bad
	}
	var h Cumulative
	switch {
	case len(how) > 1:
		return failed(op, ErrShape, "%d ways to cumulate were given, not one", len(how))
	case len(how) == 1:
		h = how[0]
	}
	return buildIn(op, nil, same, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		if axis == Flat {
			return all(res, x.h, h.Reverse, !h.Exclusive, s)
		}
		return one(res, x.h, c32(axis), h.Reverse, !h.Exclusive, s)
	})
}

// withDtype leaves the type of sums and products to MLX.
func withDtype(f func(*capi.Array, capi.Array, bool, bool, capi.OptionalDtype, capi.Stream) int32) cumulateAll {
	return func(res *capi.Array, a capi.Array, reverse, inclusive bool, s capi.Stream) int32 {
		return f(res, a, reverse, inclusive, capi.OptionalDtype{}, s)
	}
}

func withDtypeAxis(f func(*capi.Array, capi.Array, int32, bool, bool, capi.OptionalDtype, capi.Stream) int32) cumulateAxis {
	return func(res *capi.Array, a capi.Array, axis int32, reverse, inclusive bool, s capi.Stream) int32 {
		return f(res, a, axis, reverse, inclusive, capi.OptionalDtype{}, s)
	}
}

// Diff returns the n-th differences x[i+1] − x[i] along axis, which gets n shorter.
// Binds mlx_diff.
func Diff(x *Array, n, axis int) *Array {
	const op = "diff"
	if bad := required(op, x); bad != nil {
		return bad
	}
	if n < 0 {
		return failed(op, ErrIndex, "%d differences (have: 0 and more)", n)
	}
	n = min(n, max(x.Dim(axis), 1))                                            // then nothing is left, and MLX would go on
	return build(op, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 { // it may be empty
		return capi.Diff(res, x.h, c32(n), c32(axis), s)
	})
}
