package mlx

import (
	"slices"
	"sync/atomic"
)

// A trace that serves arguments of other shapes must hold none of the shapes that it was made
// with. What this package works out from a shape, as where indices are clamped, is computed by
// the trace itself while such a trace is made.

// shapelessTraces counts the traces under way that must not hold a shape.
var shapelessTraces atomic.Int64

// withoutShapes calls f, in which functions are traced, for other shapes too if so.
func withoutShapes(so bool, f func() int32) int32 {
	if !so {
		return f()
	}
	shapelessTraces.Add(1)
	defer shapelessTraces.Add(-1)
	return f()
}

// fixed refuses an operation whose sizes cannot follow the shapes of a trace.
func fixed(op string) *Array {
	if shapelessTraces.Load() > 0 {
		return failed(op, ErrShape, "it is of fixed sizes, which a trace for other shapes cannot hold: trace it without shapeless")
	}
	return nil
}

// clampToAxes limits the indices of places among the elements of some axes of x, to which
// length more belong, as clamp does, but to what the axes have when the trace is run.
func clampToAxes(x, indices *Array, axes []int, length int, signed bool) *Array {
	if d := indices.Dtype(); d.Size() < 4 {
		indices = AsType(indices, Int32)
	}
	n := NumberOfElements(x, false, Int64, axes...)
	of := func(v int64) *Array { return Scalar(x.Scope(), v) }
	low := of(0)
	if signed {
		low = Negative(n)
	}
	d := indices.Dtype()
	return AsType(Clip(AsType(indices, Int64), low, Subtract(n, of(int64(length)))), d)
}

// pinned is x, a view of it, whose axes have the lengths that they have now when the trace is
// run, or running it is an error: but for those that are free, along which places are taken.
func pinned(x *Array, free []int) *Array {
	if shapelessTraces.Load() == 0 {
		return x
	}
	x.requires("pinned", "pinned", free...)
	shape := x.lengths()
	for i := range shape {
		if slices.Contains(free, i) {
			shape[i] = 1
		}
	}
	return BroadcastArrays(x, Zeros(x.Scope(), Bool, shape...))[0]
}

// allAxes are the axes of x.
func allAxes(x *Array) []int {
	axes := make([]int, x.Ndim())
	for i := range axes {
		axes[i] = i
	}
	return axes
}

// fixedRange refuses, in a trace for other shapes, a range that is all of an axis of this length and
// not of any: MLX leaves such a slice out. Any other it refuses itself.
func fixedRange(op string, r Range, sp span, n int) *Error {
	if sp != (span{0, 1, n}) || r.step == 1 && !r.hasStop && (!r.hasStart || r.start == 0) {
		return nil
	}
	if bad := fixed(op); bad != nil {
		return bad.err
	}
	return nil
}

// inTrace are updates of x where mask holds.
var inTrace = map[string]func(x, update *Array) *Array{
	"index_update": func(_, update *Array) *Array { return update }, "index_add": Add, "index_multiply": Multiply, "index_maximum": Maximum, "index_minimum": Minimum,
}

// updatedInTrace updates single elements in a trace for other shapes; nil for an index without any. MLX's
// slice has their places as numbers, and writes there whatever the length is then. Here a mask says
// where an element is, clamped as indices are: sorting equal elements, which stay in order, numbers them.
func updatedInTrace(op string, x, update *Array, index []Indexer) *Array {
	full, rest, e := withEllipsis(op, x, index)
	if e != nil {
		return nil // newSelection says so
	}
	axis, shape := 0, x.lengths()
	var axes, places []int
	for _, ix := range full {
		switch ix := ix.(type) {
		case At:
			axes, places = append(axes, axis), append(places, int(ix))
			if int(ix) < -shape[axis] || int(ix) >= shape[axis] {
				return nil
			}
			x.requires(op, "has", int(ix), int(ix), axis)
			axis++
		case mark:
			if ix == NewAxis {
				return fixed(op)
			}
			axis += map[mark]int{Whole: 1, Ellipsis: rest}[ix]
		case Range:
			if ix.hasStop || ix.hasStart || ix.step != 1 {
				return fixed(op)
			}
			axis++
		default:
			return nil // by arrays, which is refused
		}
	}
	missing := len(shape) - len(axes) - update.Ndim()
	switch {
	case len(axes) == 0:
		return nil
	case missing < 0:
		return fixed(op)
	case missing > 0:
		front := make([]int, missing)
		for i := range front {
			front[i] = i
		}
		update = ExpandDims(update, front...)
	}
	update = ExpandDims(update, axes...)
	update = AsType(update, x.Dtype())
	updated := inTrace[op](x, update)
	for i, axis := range axes {
		updated = Where(placeOfTrace(x, axis, places[i]), updated, x)
	}
	return updated
}

// placeOfTrace is where along axis of x the place is, counted from the end when negative.
func placeOfTrace(x *Array, axis, place int) *Array {
	of := func(v int) *Array { return Scalar(x.Scope(), int64(v)) }
	n := NumberOfElements(x, false, Int64, axis)
	at := of(place)
	if place < 0 {
		at = Add(n, at)
	}
	number := Argsort(ZerosLike(x, Int32), axis)
	return Equal(AsType(number, Int64), Clip(at, of(0), Subtract(n, of(1))))
}

// elementsOfTrace takes the single elements of an index, in a trace for other shapes, and returns what is
// left to be taken. MLX's slice has their places as numbers, and leaves out one of an axis of length 1.
func elementsOfTrace(op string, x *Array, index []Indexer) (*Array, []Indexer) {
	full, rest, e := withEllipsis(op, x, index)
	if e != nil {
		return x, index
	}
	shape, axis := x.lengths(), 0
	var left []Indexer
	var gone []int
	for _, ix := range full {
		switch ix := ix.(type) {
		case *Array:
			return x, index // an element is an index among them
		case At:
			if int(ix) < -shape[axis] || int(ix) >= shape[axis] {
				return x, index // which says so
			}
			x.requires(op, "has", int(ix), int(ix), axis)
			at := Reshape(Scalar(x.Scope(), int32(ix)), slices.Repeat([]int{1}, len(shape))...)
			x, gone = TakeAlongAxis(x, at, axis), append(gone, axis)
			axis++
			continue
		case mark:
			axis += map[mark]int{Whole: 1, Ellipsis: rest}[ix]
		default:
			axis++
		}
		left = append(left, ix)
	}
	if len(gone) > 0 {
		x = Squeeze(x, gone...)
	}
	return x, left
}
