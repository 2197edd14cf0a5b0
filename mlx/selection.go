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
