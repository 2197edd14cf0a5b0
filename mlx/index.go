package mlx

import "math"

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

func (At) indexer() {}

func (Range) indexer() {}

func (mark) indexer() {}

func (*Array) indexer() {}

// span is a Range along an axis of a known length: count places from start on.
type span struct{ start, step, count int }

// bounds returns the places in MLX's terms.
func (sp span) bounds() (start, stop, step int32) {
	if sp.count == 0 {
		return 0, 0, 1
	}
	end := sp.start + sp.count*sp.step
	if end < 0 {
		end = math.MinInt32 // below every place: MLX adds the length to a negative stop
	}
	return c32(sp.start), c32(end), c32(sp.step)
}

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
