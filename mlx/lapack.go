package mlx

import "github.com/mlxlens/mlxlens/mlx/internal/capi"

// MLX computes linear algebra with LAPACK, on CPU streams, and refuses a GPU's: mlx.core has its
// callers name a stream. Here the stream is the operands', so that a GPU's arrays are handed to
// the CPU's stream, which waits for them, and the results to the GPU's, which waits for those.

// forLAPACK is the stream that computes linear algebra of a stream's arrays. Tests have another
// stream play the GPU's part.
var forLAPACK = func(s Stream) Stream {
	if s.Device() == GPU {
		return DefaultStream(CPU)
	}
	return s
}

// lapack calls f with the operands where linear algebra can be computed, and returns its results on
// the stream where any other operation of these operands would have its own.
func lapack(f func(on ...*Array) []*Array, operands ...*Array) []*Array {
	home := homeOf(operands)
	there := forLAPACK(home)
	if there == home {
		return f(operands...)
	}
	moved := make([]*Array, len(operands))
	for i, a := range operands {
		moved[i] = a.onStream(there)
	}
	out := f(moved...)
	for i, a := range out {
		out[i] = a.onStream(home)
	}
	return out
}

// homeOf is the stream of what is computed from operands, as start has it.
func homeOf(operands []*Array) Stream {
	home := operands[0].stream
	depth := 0
	for _, a := range operands {
		if s := a.scope.Load(); s != nil && s.depth > depth {
			home, depth = a.stream, s.depth
		}
	}
	return home
}

// onStream returns another handle on a's data, in a's scope, from which results are computed on s.
func (a *Array) onStream(s Stream) *Array {
	const op = "hold"
	if a.err != nil {
		return a
	}
	if !a.acquire() {
		return &Array{err: a.gone(op, "the array")}
	}
	defer a.release()
	r := a.twin()
	r.stream = s
	r.scope.Store(a.scope.Load())
	r.settle(op)
	r.isAlso(a)
	return r
}

// twin returns another handle on a's data, of nobody yet. The caller has acquired a.
func (a *Array) twin() *Array {
	r := &Array{stream: a.stream, host: a.host}
	r.most.Store(a.most.Load())
	r.depth.Store(a.depth.Load())
	r.fates.Store(a.fates.Load())
	r.from.work = 1
	if a.depth.Load() > 0 {
		r.from.add(a, 1)
	}
	// the out slot is empty, so that this sets a new handle and frees none
	if capi.ArraySet(&r.h, a.h) != 0 {
		r.err = mlxError("hold", []*Array{a})
	}
	return r
}
