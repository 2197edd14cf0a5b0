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
	shape := x.Shape()
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
