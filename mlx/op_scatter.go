package mlx

import "github.com/mlxlens/mlxlens/mlx/internal/capi"

// PutAlongAxis returns x with values at indices along axis, the other axes matched one to
// one: out[i, indices[i, j]] = values[i, j] for axis 1. Which of several values for one
// place stays is not defined. Binds mlx_put_along_axis.
func PutAlongAxis(x, indices, values *Array, axis int) *Array {
	return putAlong("put_along_axis", capi.PutAlongAxis, x, indices, values, axis)
}

// ScatterAddAxis is PutAlongAxis that adds the values to what is there.
// Binds mlx_scatter_add_axis.
func ScatterAddAxis(x, indices, values *Array, axis int) *Array {
	return putAlong("scatter_add_axis", capi.ScatterAddAxis, x, indices, values, axis)
}

func putAlong(op string, f func(res *capi.Array, a, indices, values capi.Array, axis int32, s capi.Stream) int32, x, indices, values *Array, axis int) *Array {
	if bad := required(op, values); bad != nil {
		return bad
	}
	if bad := fixed(op); bad != nil {
		return bad
	}
	safe, bad := checkedIndices(op, x, indices, axis)
	if bad != nil {
		return bad
	}
	switch {
	case values.err != nil:
		return values
	case indices.Size() == 0:
		if len(indices.Shape()) != x.Ndim() || !spreads(values.Shape(), indices.Shape()) {
			return failed(op, ErrShape, "values %s for indices %s along axis %d of %s", values, indices, axis, x)
		}
		return Positive(x) // MLX divides by the number of values
	case values.Size() == 0:
		return failed(op, ErrShape, "values %s for indices %s", values, indices)
	}
	return build(op, []*Array{x, safe, values}, func(res *capi.Array, s capi.Stream) int32 {
		return f(res, x.h, safe.h, values.h, c32(axis), s)
	})
}

type scatterList = func(res *capi.Array, a capi.Array, indices capi.VectorArray, updates capi.Array, axes []int32, s capi.Stream) int32

type scatterOne = func(res *capi.Array, a, indices, updates capi.Array, axis int32, s capi.Stream) int32

// Scatter returns x with updates in place of slices: the inverse of Gather. updates has the
// shape of the indices, then the shape of a slice. Which of several updates for one place
// stays is not defined. Binds mlx_scatter, mlx_scatter_single.
func Scatter(x *Array, indices []*Array, updates *Array, axes []int) *Array {
	return scatter("scatter", capi.Scatter, capi.ScatterSingle, x, indices, updates, axes)
}

// ScatterAdd is Scatter that adds the updates to what is there.
// Binds mlx_scatter_add, mlx_scatter_add_single.
func ScatterAdd(x *Array, indices []*Array, updates *Array, axes []int) *Array {
	return scatter("scatter_add", capi.ScatterAdd, capi.ScatterAddSingle, x, indices, updates, axes)
}

// ScatterProd is Scatter that multiplies what is there by the updates.
// Binds mlx_scatter_prod, mlx_scatter_prod_single.
func ScatterProd(x *Array, indices []*Array, updates *Array, axes []int) *Array {
	return scatter("scatter_prod", capi.ScatterProd, capi.ScatterProdSingle, x, indices, updates, axes)
}

// ScatterMax is Scatter that keeps the greater of what is there and the update.
// Binds mlx_scatter_max, mlx_scatter_max_single.
func ScatterMax(x *Array, indices []*Array, updates *Array, axes []int) *Array {
	return scatter("scatter_max", capi.ScatterMax, capi.ScatterMaxSingle, x, indices, updates, axes)
}

// ScatterMin is Scatter that keeps the lesser of what is there and the update.
// Binds mlx_scatter_min, mlx_scatter_min_single.
func ScatterMin(x *Array, indices []*Array, updates *Array, axes []int) *Array {
	return scatter("scatter_min", capi.ScatterMin, capi.ScatterMinSingle, x, indices, updates, axes)
}

func scatter(op string, list scatterList, one scatterOne, x *Array, indices []*Array, updates *Array, axes []int) *Array {
	if bad := required(op, x, updates); bad != nil {
		return bad
	}
	if x.err != nil {
		return x
	}
	if updates.err != nil {
		return updates
	}
	if bad := fixed(op); bad != nil {
		return bad
	}
	shape := updates.Shape()
	if len(shape) < x.Ndim() {
		return failed(op, ErrShape, "updates %s for %s (want: the axes of the indices, then those of a slice)", updates, x)
	}
	safe, bad := scatterIndices(op, x, indices, axes, shape[len(shape)-x.Ndim():])
	if bad != nil {
		return bad
	}
	if updates.Size() == 0 {
		return Positive(x) // MLX divides by the number of updates
	}
	return buildIn(op, nil, same, append([]*Array{x, updates}, safe...), func(res *capi.Array, s capi.Stream) int32 {
		if len(safe) == 1 {
			return one(res, x.h, safe[0].h, updates.h, c32(axes[0]), s)
		}
		ixs := vector(safe)
		defer capi.VectorArrayFree(ixs)
		return list(res, x.h, ixs, updates.h, int32s(axes), s)
	})
}

// spreads reports whether an array of shape a broadcasts to shape b.
func spreads(a, b []int) bool {
	if len(a) > len(b) {
		return false
	}
	for i, n := range a {
		if at := b[len(b)-len(a)+i]; n != at && n != 1 {
			return false
		}
	}
	return true
}

// MaskedScatter returns x with the elements where mask holds replaced by those of src, in
// row-major order; src has at least as many, or evaluating is an error (of a computed mask on a
// GPU, missing elements are 0). mask broadcasts to x's first axes.
// Binds mlx_masked_scatter.
func MaskedScatter(x, mask, src *Array) *Array {
	const op = "masked_scatter"
	if bad := required(op, x, mask, src); bad != nil {
		return bad
	}
	for _, a := range []*Array{x, mask, src} {
		if a.err != nil {
			return a
		}
	}
	if bad := fixed(op); bad != nil {
		return bad
	}
	if mask.Dtype() != Bool {
		return failed(op, ErrDtype, "the mask is %s, not bool", mask.Dtype())
	}
	taken := x.Size()
	if mask.host != nil && mask.Size() > 0 {
		taken = mask.host.trues * max(taken/mask.Size(), 1)
		if src.Size() < taken {
			return failed(op, ErrShape, "src %s has fewer elements than the %d that the mask takes", src, taken)
		}
	} else if src.Size() < taken && x.stream.Device() == GPU {
		// how many a computed mask takes is known when it is evaluated, and a GPU does not look
		src = Pad(Flatten(src, 0, -1), PadConstant, 0, [2]int{0, taken - src.Size()})
		if src.err != nil {
			return src
		}
	}
	if src.Size() == 0 || mask.Size() == 0 {
		if first := x.Shape()[:min(mask.Ndim(), x.Ndim())]; !spreads(mask.Shape(), first) {
			return failed(op, ErrShape, "mask %s does not broadcast to the first axes of %s", mask, x)
		}
		if mask.Size() > 0 && x.Size() > 0 && taken > 0 {
			return failed(op, ErrShape, "src %s has no elements for those that the mask may take", src)
		}
		// nothing is taken; MLX divides by the number of elements
		return buildIn(op, nil, same, []*Array{x, mask, src}, func(res *capi.Array, s capi.Stream) int32 {
			return capi.Positive(res, x.h, s)
		})
	}
	return mayFail(buildIn(op, nil, same, []*Array{x, mask, src}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.MaskedScatter(res, x.h, mask.h, src.h, s)
	}))[0]
}
