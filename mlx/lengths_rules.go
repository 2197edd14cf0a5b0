package mlx

import "slices"

// A lengthRule is the shape of an operation's result for the shapes of its operands, in the trace and
// now; false where the operation would refuse them, or MLX's trace computes something else.
type lengthRule = func(in, was [][]int, axes []int) (out []int, holds bool)

// lengthRules are known by name: exported functions carry them.
var lengthRules = map[string]lengthRule{
	"same":        sameLengths,
	"broadcast":   func(in, _ [][]int, _ []int) ([]int, bool) { return broadcastLengths(in...) },
	"paired":      pairedLengths,
	"normed":      normedLengths,
	"reduced":     reducedLengths,
	"found":       foundLengths,
	"softmaxed":   softmaxedLengths,
	"transposed":  transposedLengths,
	"expanded":    expandedLengths,
	"squeezed":    squeezedLengths,
	"flattened":   flattenedLengths,
	"unflattened": unflattenedLengths,
	"reshaped":    reshapedLengths,
	"joined":      joinedLengths,
	"product":     productLengths,
	"taken":       takenLengths,
	"along":       alongLengths,
	"gathered":    gatheredLengths,
	"scalar":      func(_, _ [][]int, _ []int) ([]int, bool) { return nil, true },
	"has":         hasPlaces,
	"pinned":      pinnedLengths,
}

func sameLengths(in, _ [][]int, _ []int) ([]int, bool) { return in[0], true }

// broadcastLengths is NumPy's broadcasting.
func broadcastLengths(shapes ...[]int) ([]int, bool) {
	var out []int
	for _, shape := range shapes {
		if len(shape) > len(out) {
			out = slices.Concat(slices.Repeat([]int{1}, len(shape)-len(out)), out)
		}
		front := len(out) - len(shape)
		for i, n := range shape {
			switch at := &out[front+i]; {
			case *at == 1:
				*at = n
			case n != 1 && n != *at:
				return nil, false
			}
		}
	}
	return out, true
}

// pairedLengths broadcast, but for what had one shape in the trace, where MLX then repeats nothing.
func pairedLengths(in, was [][]int, _ []int) ([]int, bool) {
	if slices.Equal(was[0], was[1]) && !slices.Equal(in[0], in[1]) {
		return nil, false
	}
	return broadcastLengths(in...)
}

// normedLengths are of x [..., d] and weights [d] or none, where d is reduced over.
func normedLengths(in, _ [][]int, _ []int) ([]int, bool) {
	x := in[0]
	if !reducible(x, []int{-1}) {
		return nil, false
	}
	for _, w := range in[1:] {
		if len(x) == 0 || len(w) != 1 || w[0] != x[len(x)-1] {
			return nil, false
		}
	}
	return x, true
}

// placesAmong are axes of n, counted from the end when negative, in ascending order; false where they are
// none, or one stands there twice.
func placesAmong(axes []int, n int) ([]int, bool) {
	out := make([]int, len(axes))
	for i, axis := range axes {
		if axis < -n || axis >= n {
			return nil, false
		}
		out[i] = (axis + n) % n
	}
	slices.Sort(out)
	return out, len(slices.Compact(slices.Clone(out))) == len(axes)
}

func without(shape, axes []int) []int {
	var out []int
	for i, n := range shape {
		if !slices.Contains(axes, i) {
			out = append(out, n)
		}
	}
	return out
}

// reducible reports whether MLX can reduce x over axes in a trace: where each has length 1 it ends the process,
// outside a trace it leaves such a reduction out.
func reducible(x, axes []int) bool {
	if len(axes) == 0 {
		axes = make([]int, len(x))
		for i := range axes {
			axes[i] = i
		}
	}
	places, ok := placesAmong(axes, len(x))
	return ok && (len(x) == 0 || slices.ContainsFunc(places, func(axis int) bool { return x[axis] != 1 }))
}

// softmaxedLengths are those of x. Over the last axis it is one operation of MLX's, over others it reduces.
func softmaxedLengths(in, was [][]int, axes []int) ([]int, bool) {
	x := in[0]
	if len(axes) == 1 && (axes[0] == -1 || axes[0] == len(x)-1) {
		return x, true
	}
	// of several axes it is as over the last when those before have length 1
	return x, reducible(x, axes) && (len(axes) == 1 || !slices.Contains(was[0], 1))
}

// reducedLengths lack the axes; no axes mean all.
func reducedLengths(in, _ [][]int, axes []int) ([]int, bool) {
	if !reducible(in[0], axes) {
		return nil, false
	}
	return foundLengths(in, nil, axes)
}

// foundLengths lack the axes; no axes and Flat mean all.
func foundLengths(in, _ [][]int, axes []int) ([]int, bool) {
	if len(axes) == 0 || axes[0] == Flat {
		return nil, true
	}
	gone, ok := placesAmong(axes, len(in[0]))
	return without(in[0], gone), ok
}

func transposedLengths(in, _ [][]int, axes []int) ([]int, bool) {
	out := make([]int, len(in[0]))
	if len(axes) != len(out) {
		return nil, false
	}
	for i, axis := range axes {
		if axis < 0 {
			axis += len(out)
		}
		if axis < 0 || axis >= len(out) {
			return nil, false
		}
		out[i] = in[0][axis]
	}
	return out, true
}

func expandedLengths(in, _ [][]int, axes []int) ([]int, bool) {
	added, ok := placesAmong(axes, len(in[0])+len(axes))
	out := in[0]
	for _, axis := range added {
		out = slices.Insert(slices.Clone(out), axis, 1)
	}
	return out, ok
}

// squeezedLengths lack axes of length 1, which MLX's trace does not look at.
func squeezedLengths(in, _ [][]int, axes []int) ([]int, bool) {
	gone, ok := placesAmong(axes, len(in[0]))
	for _, axis := range gone {
		ok = ok && in[0][axis] == 1
	}
	return without(in[0], gone), ok && len(axes) > 0
}

func flattenedLengths(in, _ [][]int, axes []int) ([]int, bool) {
	x := in[0]
	ends, ok := make([]int, 2), true
	for i, axis := range axes[:2] {
		if axis < 0 {
			axis += len(x)
		}
		ok = ok && axis >= 0 && axis < len(x)
		ends[i] = axis
	}
	if !ok || ends[0] > ends[1] {
		return nil, false
	}
	return slices.Concat(x[:ends[0]], []int{numElements(x[ends[0] : ends[1]+1])}, x[ends[1]+1:]), true
}

// unflattenedLengths are of {axis, its new lengths}: MLX's trace keeps them, of whatever length the axis is.
func unflattenedLengths(in, was [][]int, axes []int) ([]int, bool) {
	at, ok := placesAmong(axes[:1], len(in[0]))
	if !ok || in[0][at[0]] != was[0][at[0]] {
		return nil, false
	}
	parts, ok := reshapedLengths([][]int{{in[0][at[0]]}}, nil, axes[1:])
	return slices.Concat(in[0][:at[0]], parts, in[0][at[0]+1:]), ok
}

// reshapedLengths are axes, one of which may be -1. Where the trace has the shape already, MLX leaves the
// operation out.
func reshapedLengths(in, was [][]int, axes []int) ([]int, bool) {
	if was != nil && slices.Equal(was[0], axes) {
		return axes, slices.Equal(in[0], axes)
	}
	out := slices.Clone(axes)
	free, rest := slices.Index(out, -1), 1
	for _, n := range out {
		if n >= 0 {
			rest *= n
		}
	}
	if free >= 0 && rest > 0 {
		out[free] = numElements(in[0]) / rest
	}
	return out, numElements(out) == numElements(in[0])
}

// joinedLengths are of shapes that differ along one axis only; Flat joins all elements.
func joinedLengths(in, _ [][]int, axes []int) ([]int, bool) {
	if axes[0] == Flat {
		n := 0
		for _, shape := range in {
			n += numElements(shape)
		}
		return []int{n}, true
	}
	at, ok := placesAmong(axes, len(in[0]))
	if !ok {
		return nil, false
	}
	out := slices.Clone(in[0])
	for _, shape := range in[1:] {
		if len(shape) != len(out) || !slices.Equal(without(shape, at), without(out, at)) {
			return nil, false
		}
		out[at[0]] += shape[at[0]]
	}
	return out, true
}

// productLengths are a matrix product's; with axes {1}, of the second operand transposed.
func productLengths(in, _ [][]int, axes []int) ([]int, bool) {
	a, b := in[0], slices.Clone(in[1])
	if len(a) == 0 || len(b) == 0 {
		return nil, false
	}
	if len(axes) > 0 {
		if len(b) != 2 {
			return nil, false
		}
		slices.Reverse(b)
	}
	row, column := len(a) == 1, len(b) == 1
	if row {
		a = []int{1, a[0]}
	}
	if column {
		b = []int{b[0], 1}
	}
	batch, ok := broadcastLengths(a[:len(a)-2], b[:len(b)-2])
	if !ok || a[len(a)-1] != b[len(b)-2] {
		return nil, false
	}
	if !row {
		batch = append(batch, a[len(a)-2])
	}
	if !column {
		batch = append(batch, b[len(b)-1])
	}
	return batch, true
}

// takenLengths are of x and indices along an axis: MLX's trace keeps the lengths of the others.
func takenLengths(in, was [][]int, axes []int) ([]int, bool) {
	if axes[0] == Flat {
		return in[1], true
	}
	at, ok := placesAmong(axes, len(in[0]))
	if !ok || !slices.Equal(without(in[0], at), without(was[0], at)) {
		return nil, false
	}
	return slices.Concat(in[0][:at[0]], in[1], in[0][at[0]+1:]), true
}

// alongLengths are those of the indices along the axis; the others broadcast.
func alongLengths(in, _ [][]int, axes []int) ([]int, bool) {
	at, ok := placesAmong(axes, len(in[0]))
	if !ok || len(in[1]) != len(in[0]) {
		return nil, false
	}
	x := slices.Clone(in[0])
	x[at[0]] = 1
	return broadcastLengths(in[1], x)
}

// gatheredLengths are of x and its indices; axes are how many there are, their axes, and the slices' lengths.
func gatheredLengths(in, was [][]int, axes []int) ([]int, bool) {
	of, sizes := axes[1:1+axes[0]], axes[1+axes[0]:]
	places, ok := broadcastLengths(in[1:]...)
	if !ok || !slices.Equal(without(in[0], of), without(was[0], of)) {
		return nil, false
	}
	for i, n := range sizes {
		ok = ok && n <= in[0][i]
	}
	return slices.Concat(places, sizes), ok
}

// hasPlaces holds where the elements of some axes reach from the least to the greatest index: axes are
// both, and then the axes.
func hasPlaces(in, _ [][]int, axes []int) ([]int, bool) {
	n := 1
	for _, axis := range axes[2:] {
		n *= in[0][axis]
	}
	return nil, axes[0] >= -n && axes[1] < n
}

// pinnedLengths holds where all but the given axes are as in the trace.
func pinnedLengths(in, was [][]int, axes []int) ([]int, bool) {
	return nil, slices.Equal(without(in[0], axes), without(was[0], axes))
}

// reduces are the operations that reduce over axes, or that MLX makes of such.
var reduces = map[string]bool{
	"sum": true, "prod": true, "mean": true, "max": true, "min": true, "all": true, "any": true, "count_nonzero": true, "logsumexp": true, "median": true,
	"var": true, "std": true, "softmax": true, "rms_norm": true, "layer_norm": true, "norm": true, "vecdot": true, "cross_entropy": true, "allclose": true,
	"array_equal": true, "attention": true, "quantize": true, "einsum": true,
}
