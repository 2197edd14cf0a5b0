package mlx

import (
	"fmt"
	"slices"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

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

// newSelection works out an index against x's shape.
func newSelection(op string, x *Array, index []Indexer) (selection, *Error) {
	index, rest, e := withEllipsis(op, x, index)
	r := indexReader{selection: selection{op: op}, x: x, shape: x.lengths()}
	if x.freed() { // meanwhile, and what was read of it is of no array
		return selection{}, x.gone(op, "the array")
	}
	if e != nil {
		return selection{}, e
	}
	for _, ix := range index {
		switch ix := ix.(type) {
		case mark:
			r.mark(ix, rest)
		case At:
			e = r.element(int(ix))
		case Range:
			e = r.span(ix)
		case *Array:
			e = r.places(ix)
		}
		if e != nil {
			return selection{}, e
		}
	}
	r.placeElements()
	return r.selection, nil
}

// withEllipsis returns the index with an Ellipsis, which it gets at its end if it has none,
// and how many axes that stands for.
func withEllipsis(op string, x *Array, index []Indexer) (full []Indexer, rest int, e *Error) {
	takes, ellipses := 0, 0
	for _, ix := range index {
		switch ix := ix.(type) {
		case nil:
			return nil, 0, newError(op, errNoArray, "an index is nil")
		case mark:
			takes += map[mark]int{Whole: 1}[ix]
			ellipses += map[mark]int{Ellipsis: 1}[ix]
		default:
			takes++
		}
	}
	if takes > x.Ndim() || ellipses > 1 {
		return nil, 0, newError(op, ErrIndex, fmt.Sprintf("%d indices and %d ellipses for %s", takes, ellipses, x))
	}
	if ellipses == 0 {
		index = append(slices.Clip(index), Ellipsis)
	}
	return index, x.Ndim() - takes, nil
}

// indexReader makes a selection from one word of an index after the other.
type indexReader struct {
	selection
	x        *Array
	shape    []int // x's
	next     int   // the axis of x that the next word takes
	elements []axisElement
}

// axisElement is one element of an axis of the selection.
type axisElement struct{ axis, i int }

// whole takes the next axis as it is, and returns its place in the selection.
func (r *indexReader) whole() (axis int) {
	n := r.shape[r.next]
	r.addAxis(span{0, 1, n}, n)
	r.next++
	return len(r.selection.shape) - 1
}

// addAxis adds an axis of length n, of which sp is taken.
func (r *indexReader) addAxis(sp span, n int) {
	r.selection.shape, r.spans = append(r.selection.shape, n), append(r.spans, sp)
}

func (r *indexReader) mark(m mark, rest int) {
	switch m {
	case NewAxis:
		r.added = append(r.added, len(r.selection.shape))
		r.addAxis(span{0, 1, 1}, 1)
	case Whole:
		r.whole()
	default:
		for range rest {
			r.whole()
		}
	}
}

func (r *indexReader) element(i int) *Error {
	n := r.shape[r.next]
	if i < -n || i >= n {
		return newError(r.op, ErrIndex, fmt.Sprintf("element %d of axis %d of %s", i, r.next, r.x))
	}
	if i < 0 && shapelessTraces.Load() == 0 { // there it is taken from the end of what is there then
		i += n
	}
	r.elements = append(r.elements, axisElement{r.whole(), i})
	return nil
}

func (r *indexReader) span(places Range) *Error {
	if places.step == 0 {
		return newError(r.op, ErrIndex, "a range with step 0")
	}
	axis := r.whole()
	n := r.selection.shape[axis]
	r.spans[axis] = places.over(n)
	if e := fixedRange(r.op, places, r.spans[axis], n); e != nil {
		return e
	}
	r.sliced = r.sliced || r.spans[axis] != span{0, 1, n}
	return nil
}

func (r *indexReader) places(ix *Array) *Error {
	switch {
	case ix == nil:
		return newError(r.op, errNoArray, "an index is a nil array")
	case ix.err != nil:
		return ix.err
	case !ix.Dtype().IsInteger():
		hint := ""
		if ix.Dtype() == Bool {
			hint = ": how many elements a mask takes is not known before it is evaluated (use Where or MaskedScatter)"
		}
		return newError(r.op, ErrDtype, fmt.Sprintf("an index is %s, not integers%s", ix.Dtype(), hint))
	}
	r.arrays, r.axes, r.gathers = append(r.arrays, ix), append(r.axes, r.whole()), true
	return nil
}

// placeElements makes an array of one place of each single element when there are arrays
// beside it, and a slice of length 1 when there are none.
func (r *indexReader) placeElements() {
	for _, el := range r.elements {
		if r.gathers {
			k, _ := slices.BinarySearch(r.axes, el.axis)
			r.axes = slices.Insert(r.axes, k, el.axis)
			r.arrays = slices.Insert(r.arrays, k, Scalar(r.x.Scope(), int32(el.i)))
			continue
		}
		r.spans[el.axis], r.sliced = span{el.i, 1, 1}, true
		r.single = append(r.single, el.axis)
	}
}

// bounds returns the slice in MLX's terms.
func (sel *selection) bounds() (start, stop, step []int32) {
	for _, sp := range sel.spans {
		a, b, by := sp.bounds()
		start, stop, step = append(start, a), append(stop, b), append(step, by)
	}
	return start, stop, step
}

// slice takes the spans of x, which has the selection's shape.
func (sel *selection) slice(x *Array) *Array {
	if !sel.sliced {
		return x
	}
	start, stop, step := sel.bounds()
	most := int64(same)
	if slices.Contains(sel.counts(), 0) {
		most = unknown
	}
	return buildIn(sel.op, nil, most, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
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
// they are neighbours, and to the front when they are not, as in NumPy.
func (sel *selection) together() (place int) {
	first, last := sel.axes[0], sel.axes[len(sel.axes)-1]
	if last-first+1 != len(sel.axes) {
		return 0
	}
	return first
}
