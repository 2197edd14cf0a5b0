package mlx

import (
	"fmt"
	"slices"

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
	return build(op, []*Array{x, safe}, func(res *capi.Array, s capi.Stream) int32 {
		if axis == Flat {
			return capi.Take(res, x.h, safe.h, s)
		}
		return capi.TakeAxis(res, x.h, safe.h, c32(axis), s)
	})
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
	})
}

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
	safe, bad := checkedIndices(op, x, indices, axis)
	if bad != nil {
		return bad
	}
	switch {
	case values.err != nil:
		return values
	case indices.Size() == 0:
		return Positive(x) // MLX divides by the number of values
	case values.Size() == 0:
		return failed(op, ErrShape, "values %s for indices %s", values, indices)
	}
	return build(op, []*Array{x, safe, values}, func(res *capi.Array, s capi.Stream) int32 {
		return f(res, x.h, safe.h, values.h, c32(axis), s)
	})
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
		return inRange(op, indices, x.Size(), 1, "the elements of "+x.String())
	}
	shape := x.Shape()
	at := axis
	if at < 0 {
		at += len(shape)
	}
	if at < 0 || at >= len(shape) {
		return nil, failed(op, ErrIndex, "axis %d of an array with %d axes", axis, len(shape))
	}
	return inRange(op, indices, shape[at], 1, "axis "+itoa(axis))
}

// inRange returns indices of which each is the start of length places among n, or the error.
// what names the places.
func inRange(op string, indices *Array, n, length int, what string) (safe, bad *Array) {
	if d := indices.Dtype(); !d.IsInteger() {
		return nil, failed(op, ErrDtype, "the indices are %s, not integers", d)
	}
	if n < length && indices.Size() > 0 {
		return nil, failed(op, ErrIndex, "%s has length %d, and %d are taken", what, n, length)
	}
	low := -n
	if d := indices.Dtype(); d >= Uint8 && d <= Uint64 || length > 1 {
		low = 0 // a negative start would wrap in the middle of the length
	}
	if b := indices.host; b != nil {
		if indices.Size() > 0 && (b.lo < int64(low) || b.hi > int64(n-length)) {
			return nil, failed(op, ErrIndex, "indices from %d to %d along %s of length %d", b.lo, b.hi, what, n)
		}
		return indices, nil
	}
	safe = clamp(indices, low, n-length)
	if safe.err != nil {
		return nil, safe
	}
	return safe, nil
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
	})
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
	return build(op, append([]*Array{x}, safe...), func(res *capi.Array, s capi.Stream) int32 {
		if len(safe) == 1 {
			return capi.GatherSingle(res, x.h, safe[0].h, c32(axes[0]), int32s(sizes), s)
		}
		list := vector(safe)
		defer capi.VectorArrayFree(list)
		return capi.Gather(res, x.h, list, int32s(axes), int32s(sizes), s)
	})
}

// scatterIndices checks the places of slices of the given sizes.
func scatterIndices(op string, x *Array, indices []*Array, axes, sizes []int) (safe []*Array, bad *Array) {
	if bad := required(op, append([]*Array{x}, indices...)...); bad != nil {
		return nil, bad
	}
	if x.err != nil {
		return nil, x
	}
	shape := x.Shape()
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
		if safe[i], bad = inRange(op, ix, shape[axes[i]], sizes[axes[i]], "axis "+itoa(axes[i])); bad != nil {
			return nil, bad
		}
	}
	return safe, nil
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

// MaskedScatter returns x with the elements where mask holds replaced by those of src, in
// row-major order; src has at least as many. mask broadcasts to x's first axes.
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
	if mask.Dtype() != Bool {
		return failed(op, ErrDtype, "the mask is %s, not bool", mask.Dtype())
	}
	// how many elements a computed mask takes is known when it is evaluated: then src must
	// have as many as it could take at most
	taken := x.Size()
	if mask.host != nil && mask.Size() > 0 {
		taken = mask.host.trues * max(taken/mask.Size(), 1)
	}
	if src.Size() < taken {
		return failed(op, ErrShape, "src %s has fewer elements than the %d that the mask takes or may take", src, taken)
	}
	if src.Size() == 0 || mask.Size() == 0 {
		// nothing is taken; MLX divides by the number of elements
		return buildIn(op, nil, same, []*Array{x, mask, src}, func(res *capi.Array, s capi.Stream) int32 {
			return capi.Positive(res, x.h, s)
		})
	}
	return buildIn(op, nil, same, []*Array{x, mask, src}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.MaskedScatter(res, x.h, mask.h, src.h, s)
	})
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
	return buildIn(op, nil, same, []*Array{x, safe}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.SliceDynamic(res, x.h, safe.h, int32s(axes), int32s(size), s)
	})
}

// SliceUpdateDynamic returns x with update in place of the slice that SliceDynamic returns
// for update's shape. Binds mlx_slice_update_dynamic.
func SliceUpdateDynamic(x, update, start *Array, axes ...int) *Array {
	const op = "slice_update_dynamic"
	if bad := required(op, update); bad != nil {
		return bad
	}
	if update.err != nil {
		return update
	}
	safe, bad := starts(op, x, start, axes, update.Shape())
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

// Indexer says what [Index] takes of one axis, or of several. It is one of
//
//	At(i)          element i, and the axis goes      x[i]
//	Between(i, j)  elements i to j, j not included   x[i:j]
//	From(i)        elements from i on                x[i:]
//	To(j)          elements before j                 x[:j]
//	Every(n)       each n-th, backwards if n < 0     x[::n]
//	Whole          the axis as it is                 x[:]
//	Ellipsis       as many Whole as axes are left    x[...]
//	NewAxis        a new axis of length 1            x[None]
//	*Array         the elements at integer indices   x[indices]
//
// as in Python; Between, From and To take a step with By. Negative places count from the end,
// and those of ranges are clamped to the axis.
type Indexer interface{ indexer() }

// At is the index of one element.
type At int

// Range is a range of places; Between, From, To and Every make one.
type Range struct {
	start, stop       int
	step              int
	hasStart, hasStop bool
}

// Between is the range i, i+1, … j−1.
func Between(i, j int) Range { return Range{start: i, stop: j, step: 1, hasStart: true, hasStop: true} }

// From is the range from i to the end of the axis.
func From(i int) Range { return Range{start: i, step: 1, hasStart: true} }

// To is the range from the start of the axis to j, which is not included.
func To(j int) Range { return Range{stop: j, step: 1, hasStop: true} }

// Every is each n-th element of the axis, from its end if n is negative.
func Every(n int) Range { return Range{step: n} }

// By is r with another step than 1; a negative one goes down from start to stop.
func (r Range) By(step int) Range {
	r.step = step
	return r
}

type mark int

// What is not a place.
const (
	Whole    mark = iota // the axis as it is
	Ellipsis             // as many Whole as axes are left
	NewAxis              // a new axis of length 1
)

func (At) indexer()     {}
func (Range) indexer()  {}
func (mark) indexer()   {}
func (*Array) indexer() {}

// span is a Range along an axis of a known length: count places from start on.
type span struct{ start, step, count int }

func (r Range) over(n int) span {
	place := func(i int, has bool, otherwise, lo, hi int) int {
		if !has {
			return otherwise
		}
		if i < 0 {
			i += n
		}
		return min(max(i, lo), hi)
	}
	if r.step > 0 {
		start, stop := place(r.start, r.hasStart, 0, 0, n), place(r.stop, r.hasStop, n, 0, n)
		return span{start, r.step, max(0, (stop-start+r.step-1)/r.step)}
	}
	start, stop := place(r.start, r.hasStart, n-1, -1, n-1), place(r.stop, r.hasStop, -1, -1, n-1)
	return span{start, r.step, max(0, (start-stop-r.step-1)/-r.step)}
}

// selection is an index worked out against a shape: first new axes, then a slice along each
// axis, then arrays along some, then the axes of single elements go.
type selection struct {
	op      string
	added   []int  // places of new axes in the result of ExpandDims
	shape   []int  // x's shape with them
	spans   []span // one an axis
	sliced  bool   // some span is not the whole axis
	single  []int  // axes of At, when there are no arrays
	arrays  []*Array
	axes    []int // of the arrays
	gathers bool
}

func parse(op string, x *Array, index []Indexer) (selection, *Error) {
	sel := selection{op: op}
	shape := x.Shape()
	takes, ellipses := 0, 0
	for _, ix := range index {
		switch ix := ix.(type) {
		case nil:
			return sel, newError(op, errNoArray, "an index is nil")
		case mark:
			takes += map[mark]int{Whole: 1}[ix]
			ellipses += map[mark]int{Ellipsis: 1}[ix]
		default:
			takes++
		}
	}
	if takes > len(shape) || ellipses > 1 {
		return sel, newError(op, ErrIndex, fmt.Sprintf("%d indices and %d ellipses for %s", takes, ellipses, x))
	}
	rest := len(shape) - takes
	if ellipses == 0 {
		index = append(slices.Clip(index), Ellipsis)
	}
	next := 0 // axis of x
	var ats []struct{ axis, i int }
	whole := func() {
		sel.shape = append(sel.shape, shape[next])
		sel.spans = append(sel.spans, span{0, 1, shape[next]})
		next++
	}
	for _, ix := range index {
		axis := len(sel.shape)
		switch ix := ix.(type) {
		case mark:
			switch ix {
			case NewAxis:
				sel.added = append(sel.added, axis)
				sel.shape, sel.spans = append(sel.shape, 1), append(sel.spans, span{0, 1, 1})
			case Whole:
				whole()
			default:
				for range rest {
					whole()
				}
			}
		case At:
			n, i := shape[next], int(ix)
			if i < -n || i >= n {
				return sel, newError(op, ErrIndex, fmt.Sprintf("element %d of axis %d of %s", i, next, x))
			}
			if i < 0 {
				i += n
			}
			whole()
			ats = append(ats, struct{ axis, i int }{axis, i})
		case Range:
			if ix.step == 0 {
				return sel, newError(op, ErrIndex, "a range with step 0")
			}
			n := shape[next]
			whole()
			sel.spans[axis] = ix.over(n)
			sel.sliced = sel.sliced || sel.spans[axis] != span{0, 1, n}
		case *Array:
			if ix == nil {
				return sel, newError(op, errNoArray, "an index is a nil array")
			}
			if ix.err != nil {
				return sel, ix.err
			}
			if !ix.Dtype().IsInteger() {
				hint := ""
				if ix.Dtype() == Bool {
					hint = ": how many elements a mask takes is not known before it is evaluated (use Where or MaskedScatter)"
				}
				return sel, newError(op, ErrDtype, fmt.Sprintf("an index is %s, not integers%s", ix.Dtype(), hint))
			}
			whole()
			sel.arrays, sel.axes, sel.gathers = append(sel.arrays, ix), append(sel.axes, axis), true
		}
	}
	// beside arrays a single element is an array of one; else it is a slice of length 1
	for _, at := range ats {
		if sel.gathers {
			k, _ := slices.BinarySearch(sel.axes, at.axis)
			sel.axes = slices.Insert(sel.axes, k, at.axis)
			sel.arrays = slices.Insert(sel.arrays, k, Scalar(x.Scope(), int32(at.i)))
			continue
		}
		sel.spans[at.axis], sel.sliced = span{at.i, 1, 1}, true
		sel.single = append(sel.single, at.axis)
	}
	return sel, nil
}

// bounds returns the slice in MLX's terms.
func (sel *selection) bounds() (start, stop, step []int32) {
	for _, sp := range sel.spans {
		end := sp.start + sp.count*sp.step
		if sp.count == 0 {
			sp.start, end, sp.step = 0, 0, 1
		}
		if end < 0 {
			end = -1 - len(sel.spans) - 1<<30 // below every place: MLX adds the length to a negative stop
		}
		start, stop, step = append(start, c32(sp.start)), append(stop, c32(end)), append(step, c32(sp.step))
	}
	return start, stop, step
}

// slice takes the spans of x, which has the selection's shape.
func (sel *selection) slice(x *Array) *Array {
	if !sel.sliced {
		return x
	}
	start, stop, step := sel.bounds()
	return buildIn(sel.op, nil, same, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.Slice(res, x.h, start, stop, step, s)
	})
}

// counts returns the shape of the slice.
func (sel *selection) counts() []int {
	out := make([]int, len(sel.spans))
	for i, sp := range sel.spans {
		out[i] = sp.count
	}
	return out
}

// sizes returns the shape of what each place of the arrays takes from the slice.
func (sel *selection) sizes() []int {
	sizes := sel.counts()
	for _, axis := range sel.axes {
		sizes[axis] = 1
	}
	return sizes
}

// together reports where the axes of the arrays go in the result: at the first of them when
// they are neighbours, else to the front, as in NumPy.
func (sel *selection) together() (place int) {
	first, last := sel.axes[0], sel.axes[len(sel.axes)-1]
	if last-first+1 != len(sel.axes) {
		return 0
	}
	return first
}

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
	sel, e := parse(op, x, index)
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

type updateSlice = func(res *capi.Array, src, update capi.Array, start, stop, strides []int32, s capi.Stream) int32

// IndexUpdate returns x with update in place of what Index(x, index...) returns; update
// broadcasts to that. It is Python's x[...] = update. Which of several values for one place
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

func updated(op string, bySlice updateSlice, byArrays func(*Array, []*Array, *Array, []int) *Array, x, update *Array, index []Indexer) *Array {
	if bad := required(op, x, update); bad != nil {
		return bad
	}
	for _, a := range []*Array{x, update} {
		if a.err != nil {
			return a
		}
	}
	sel, e := parse(op, x, index)
	if e != nil {
		return &Array{err: e}
	}
	update = AsType(update, x.Dtype())
	y := x
	if len(sel.added) > 0 {
		y = ExpandDims(x, sel.added...)
	}
	if sel.gathers {
		part := sel.slice(y)
		places := BroadcastArrays(sel.arrays...)
		n := places[0].Ndim()
		// update as it would come out of Index, then as Gather has it: the arrays' axes in front
		kept := slices.Clone(sel.counts())
		for i := len(sel.axes) - 1; i >= 0; i-- {
			kept = slices.Delete(kept, sel.axes[i], sel.axes[i]+1)
		}
		at := sel.together()
		want := slices.Concat(kept[:at], places[0].Shape(), kept[at:])
		u := BroadcastTo(update, want...)
		for i := range n {
			u = Moveaxis(u, at+i, i)
		}
		u = Reshape(u, slices.Concat(places[0].Shape(), sel.sizes())...)
		indices := sel.arrays
		if n > 0 {
			indices = keepBounds(places, sel.arrays)
		}
		part = byArrays(part, indices, u, sel.axes)
		if !sel.sliced {
			return reshapeLike(part, x)
		}
		bySlice, update = capi.SliceUpdate, part
	} else {
		want := sel.counts()
		for i := len(sel.single) - 1; i >= 0; i-- {
			want = slices.Delete(want, sel.single[i], sel.single[i]+1)
		}
		if update = BroadcastTo(update, want...); len(sel.single) > 0 {
			update = Reshape(update, sel.counts()...)
		}
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
