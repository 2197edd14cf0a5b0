package mlx

import (
	"slices"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

// Index returns the elements that index takes, a word an axis, as Python's x[...] does:
//
//	Index(x, At(0), Between(1, -1))     x[0, 1:-1]
//	Index(x, Ellipsis, Every(2))        x[..., ::2]
//	Index(x, Whole, rows)               x[:, rows]
//
// Several arrays broadcast, and their axes stand at the first of them in the result, or in
// front when other axes lie between. Binds mlx_slice, and mlx_gather for arrays.
func Index(x *Array, index ...Indexer) *Array {
	const op = "index"
	if bad := required(op, x); bad != nil {
		return bad
	}
	if x.err != nil {
		return x
	}
	if shapelessTraces.Load() > 0 {
		x, index = elementsOfTrace(op, x, index)
	}
	sel, e := newSelection(op, x, index)
	if e != nil {
		return &Array{err: e}
	}
	if len(sel.added) > 0 {
		x = ExpandDims(x, sel.added...)
	}
	y := sel.slice(x)
	if !sel.gathers {
		if len(sel.single) > 0 {
			return Squeeze(y, sel.single...)
		}
		if y == x && len(sel.added) == 0 {
			return Positive(x)
		}
		return y
	}
	y = Gather(y, sel.arrays, sel.axes, sel.sizes())
	if y.err != nil {
		return y
	}
	// [indices…, an axis for each of x's, those of the arrays of length 1]
	n := y.Ndim() - len(sel.shape)
	gone := make([]int, len(sel.axes))
	for i, axis := range sel.axes {
		gone[i] = n + axis
	}
	return moveFront(Squeeze(y, gone...), n, sel.together())
}

// moveFront moves the first n axes behind the next place ones.
func moveFront(x *Array, n, place int) *Array {
	if n == 0 || place == 0 {
		return x
	}
	var order []int
	for i := range place {
		order = append(order, n+i)
	}
	for i := range n {
		order = append(order, i)
	}
	for i := n + place; i < x.Ndim(); i++ {
		order = append(order, i)
	}
	return Transpose(x, order...)
}

type (
	updateSlice = func(res *capi.Array, src, update capi.Array, start, stop, strides []int32, s capi.Stream) int32
	scatterFunc = func(x *Array, indices []*Array, updates *Array, axes []int) *Array
)

// IndexUpdate returns x with update in place of what Index(x, index...) returns; update
// broadcasts to that, and may have more axes in front, of length 1. It is Python's x[...] = update. Which of several values for one place
// stays is not defined. Binds mlx_slice_update, and mlx_scatter for arrays.
func IndexUpdate(x, update *Array, index ...Indexer) *Array {
	return updated("index_update", capi.SliceUpdate, Scatter, x, update, index)
}

// IndexAdd returns x with update added to what Index returns, once for each time that a place
// is named: Python's x.at[...].add. Binds mlx_slice_update_add, mlx_scatter_add.
func IndexAdd(x, update *Array, index ...Indexer) *Array {
	return updated("index_add", capi.SliceUpdateAdd, ScatterAdd, x, update, index)
}

// IndexMultiply returns x with what Index returns multiplied by update: Python's
// x.at[...].multiply. Binds mlx_slice_update_prod, mlx_scatter_prod.
func IndexMultiply(x, update *Array, index ...Indexer) *Array {
	return updated("index_multiply", capi.SliceUpdateProd, ScatterProd, x, update, index)
}

// IndexMaximum returns x with the greater of update and what Index returns: Python's
// x.at[...].maximum. Binds mlx_slice_update_max, mlx_scatter_max.
func IndexMaximum(x, update *Array, index ...Indexer) *Array {
	return updated("index_maximum", capi.SliceUpdateMax, ScatterMax, x, update, index)
}

// IndexMinimum returns x with the lesser of update and what Index returns: Python's
// x.at[...].minimum. Binds mlx_slice_update_min, mlx_scatter_min.
func IndexMinimum(x, update *Array, index ...Indexer) *Array {
	return updated("index_minimum", capi.SliceUpdateMin, ScatterMin, x, update, index)
}

func updated(op string, bySlice updateSlice, byArrays scatterFunc, x, update *Array, index []Indexer) *Array {
	if bad := required(op, x, update); bad != nil {
		return bad
	}
	for _, a := range []*Array{x, update} {
		if a.err != nil {
			return a
		}
	}
	if shapelessTraces.Load() > 0 {
		if z := updatedInTrace(op, x, update, index); z != nil {
			return z
		}
	}
	sel, e := newSelection(op, x, index)
	if e != nil {
		return &Array{err: e}
	}
	update = AsType(update, x.Dtype())
	y := x
	if len(sel.added) > 0 {
		y = ExpandDims(x, sel.added...)
	}
	if sel.gathers {
		update = sel.updatedAtArrays(y, update, byArrays)
		if !sel.sliced {
			return reshapeLike(update, x)
		}
		bySlice = capi.SliceUpdate
	} else {
		update = sel.asSlice(update)
	}
	if update.err != nil {
		return update
	}
	start, stop, step := sel.bounds()
	z := buildIn(op, nil, same, []*Array{y, update}, func(res *capi.Array, s capi.Stream) int32 {
		return bySlice(res, y.h, update.h, start, stop, step, s)
	})
	return reshapeLike(z, x)
}

// updatedAtArrays returns the slice of x with update in place of what the arrays take of it.
func (sel *selection) updatedAtArrays(x, update *Array, byArrays scatterFunc) *Array {
	places := BroadcastArrays(sel.arrays...)
	n := places[0].Ndim()
	// update as it would come out of Index, then as Gather has it: the arrays' axes in front
	kept := slices.Clone(sel.counts())
	for i := len(sel.axes) - 1; i >= 0; i-- {
		kept = slices.Delete(kept, sel.axes[i], sel.axes[i]+1)
	}
	at := sel.together()
	want := slices.Concat(kept[:at], places[0].Shape(), kept[at:])
	u := BroadcastTo(withoutLeadingOnes(update, len(want)), want...)
	for i := range n {
		u = Moveaxis(u, at+i, i)
	}
	u = Reshape(u, slices.Concat(places[0].Shape(), sel.sizes())...)
	indices := sel.arrays
	if n > 0 {
		indices = keepBounds(places, sel.arrays)
	}
	return byArrays(sel.slice(x), indices, u, sel.axes)
}

// asSlice returns update in the shape of the slice.
func (sel *selection) asSlice(update *Array) *Array {
	want := sel.counts()
	for i := len(sel.single) - 1; i >= 0; i-- {
		want = slices.Delete(want, sel.single[i], sel.single[i]+1)
	}
	update = BroadcastTo(withoutLeadingOnes(update, len(want)), want...)
	if len(sel.single) > 0 {
		update = Reshape(update, sel.counts()...)
	}
	return update
}

// withoutLeadingOnes drops axes of length 1 in front of the last n.
func withoutLeadingOnes(x *Array, n int) *Array {
	shape := x.Shape()
	extra := 0
	for len(shape)-extra > n && shape[extra] == 1 {
		extra++
	}
	if extra == 0 {
		return x
	}
	return Reshape(x, shape[extra:]...)
}

// keepBounds carries over to broadcast indices what is known of their elements.
func keepBounds(places, indices []*Array) []*Array {
	for i := range places {
		if places[i].err == nil {
			places[i].host = indices[i].host
		}
	}
	return places
}

func reshapeLike(y, x *Array) *Array {
	if y.err != nil || y.Ndim() == x.Ndim() {
		return y
	}
	return Reshape(y, x.Shape()...)
}
