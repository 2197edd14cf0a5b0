package mlx

import (
	"fmt"
	"math/bits"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
	"github.com/mlxlens/mlxlens/mlx/internal/gate"
)

// Every operation passes through build, whatever its parameters: operands that
// carry an error pass it on, the result gets the innermost scope among them, and
// MLX's refusal becomes the result's error. f calls one C function; an operand
// that may be absent is nil and its handle 0.

func build(op string, operands []*Array, f func(res *capi.Array, s capi.Stream) int32) *Array {
	return buildIn(op, nil, unknown, operands, f)
}

// widest is the size of the largest elements, in bytes.
const widest = 8

// What buildIn knows of a result's number of elements beforehand.
const (
	unknown = 0  // MLX is asked
	same    = -1 // not more than the first operand has, and not none if that has any
	none    = -2 // it is empty
)

// buildIn is build for an operation that is told its scope (a creation), or how many
// elements its result has at most.
func buildIn(op string, scope *Scope, most int64, operands []*Array, f func(res *capi.Array, s capi.Stream) int32) *Array {
	r := &Array{}
	if e := start(op, r, scope, operands); e != nil {
		r.err = e
		return r
	}
	if loaded.unproven {
		capi.EnterDefaults(r.stream.handle())
		defer capi.LeaveDefaults(r.stream.handle())
	}
	status := f(&r.h, r.stream.handle())
	if status != 0 || r.h == 0 {
		r.err = mlxError(op, operands)
	} else {
		r.deepen(weight(most), operands)
		if most == same {
			if most = operands[0].most.Load(); most == none {
				most = unknown // a reduction of nothing has elements
			}
		}
		r.limit(op, most)
	}
	finish(operands)
	r.settle(op)
	return r.noted(op, operands)
}

// weight is how many operations in a row a call makes of whose result most is known.
func weight(most int64) int32 {
	if most == same {
		return alike
	}
	return several
}

// limit gives r an error when it has more elements than memory may hold, which MLX would
// find out by crashing. most is an upper bound on their number of a result that has some, unknown
// for none. A result without elements becomes zeros: many of MLX's kernels divide by the length of an axis, and
// end the process, though there is nothing to compute.
func (r *Array) limit(op string, most int64) {
	if most > 0 && uint64(most)*widest <= uint64(loaded.memoryLimit.Load()) || most == none {
		r.most.Store(most)
		return
	}
	lengths := capi.SliceAt[int32](capi.ArrayShape(r.h), capi.ArrayNdim(r.h))
	most = 1
	for _, n := range lengths {
		if most = product(most, int64(n)); most <= 0 {
			break // empty, or too many
		}
	}
	if most <= 0 || uint64(most)*widest > uint64(loaded.memoryLimit.Load()) {
		most = r.limitExactly(op, lengths)
	}
	r.most.Store(most)
}

// limitExactly is limit for a result that is empty, or too large unless its elements are small,
// and returns how many elements it has.
func (r *Array) limitExactly(op string, lengths []int32) int64 {
	shape := make([]int, len(lengths))
	for i, n := range lengths {
		shape[i] = int(n)
	}
	d := capi.ArrayDtype(r.h)
	if e := checkShape(op, shape, Dtype(d)); e != nil {
		gate.Free(r.h)
		r.err = e
		return unknown
	}
	most := int64(numElements(shape))
	if most == 0 {
		var empty capi.Array
		if capi.Zeros(&empty, int32s(shape), d, r.stream.handle()) == 0 {
			gate.Free(r.h)
			r.h, most = empty, none
			r.from = lineage{work: 1}
		}
	}
	return most
}

// bound returns an upper bound on the elements of a, which the caller has acquired.
func (a *Array) bound() int64 {
	n := a.most.Load()
	if n == unknown {
		if n = int64(capi.ArraySize(a.h)); n == 0 {
			n = none
		}
		a.most.Store(n)
	}
	if n == none {
		return 0
	}
	return n
}

// start checks and acquires the operands, and places the result.
func start(op string, r *Array, scope *Scope, operands []*Array) *Error {
	if why, bad := loaded.refused[op]; bad {
		return newError(op, ErrRefused, "this library computes it wrongly ("+why+"): get the one that was proven with `"+provenCommand()+"`")
	}
	forgetAsked()
	placed := false
	if scope != nil {
		r.stream, placed = scope.stream, true
		if scope.owns() {
			r.scope.Store(scope.owner())
		}
	}
	for i, a := range operands {
		if a == nil {
			continue
		}
		if a.err != nil {
			finish(operands[:i])
			return a.err
		}
		if !a.acquire() {
			finish(operands[:i])
			return a.gone(op, fmt.Sprintf("operand %d", i+1))
		}
		if !placed {
			r.stream, placed = a.stream, true
		}
		if d := a.depth.Load(); d > 0 && d > r.depth.Load() {
			r.depth.Store(d)
		}
		if list := a.fates.Load(); list != nil {
			if e := list.leaked(); e != nil {
				finish(operands[:i+1])
				return e
			}
			r.inherit(list)
		}
		if s := a.scope.Load(); s != nil && (r.scope.Load() == nil || s.depth > r.scope.Load().depth) {
			r.scope.Store(s)
			r.stream = a.stream
		}
	}
	if !placed {
		if err := Load(); err != nil {
			finish(operands)
			return newError(op, ErrLibrary, err.Error())
		}
		r.stream = DefaultStream(DefaultDevice())
	}
	if r.stream.handle() == 0 {
		finish(operands)
		return newError(op, ErrDevice, fmt.Sprintf("there is no %v: the library can use %v", r.stream, loaded.library.Devices))
	}
	return nil
}

func finish(operands []*Array) {
	for _, a := range operands {
		if a != nil {
			a.release()
		}
	}
}

// settle hands a new array to its scope or to the collector.
func (a *Array) settle(op string) {
	if a.err != nil {
		return
	}
	live.Add(1)
	if s := a.scope.Load(); s != nil {
		if !s.adopt(a) {
			a.Free()
			a.err = newError(op, ErrFreed, "its scope is closed")
		}
		return
	}
	a.collect()
}

// buildList is build for an operation with several results.
func buildList(op string, operands []*Array, f func(res *capi.VectorArray, s capi.Stream) int32) []*Array {
	first := &Array{}
	if e := start(op, first, nil, operands); e != nil {
		first.err = e
		return []*Array{first}
	}
	if loaded.unproven {
		capi.EnterDefaults(first.stream.handle())
		defer capi.LeaveDefaults(first.stream.handle())
	}
	var list capi.VectorArray
	status := f(&list, first.stream.handle())
	if status != 0 {
		first.err = mlxError(op, operands)
		finish(operands)
		return []*Array{first}
	}
	first.deepen(several, operands)
	out := first.elementsOf(op, operands, list)
	// the results' own handles keep the arrays, so that this frees none of them
	capi.VectorArrayFree(list)
	finish(operands)
	for _, r := range out {
		r.settle(op)
		r.noted(op, operands)
	}
	return out
}

// elementsOf makes arrays of a list's elements, on the stream and of the scope of a. The
// caller settles them.
func (a *Array) elementsOf(op string, operands []*Array, list capi.VectorArray) []*Array {
	out := make([]*Array, capi.VectorArraySize(list))
	for i := range out {
		r := &Array{stream: a.stream}
		r.scope.Store(a.scope.Load())
		r.depth.Store(a.depth.Load())
		r.fates.Store(a.fates.Load())
		r.from = a.from
		if capi.VectorArrayGet(&r.h, list, i) != 0 {
			r.err = mlxError(op, operands)
		} else {
			r.limit(op, unknown)
		}
		out[i] = r
	}
	return out
}

// failed is an array that was refused before MLX saw it. When one that the text names was freed
// meanwhile, that is the reason: it has no shape any more.
func failed(op string, kind error, format string, args ...any) *Array {
	for _, arg := range args {
		if a, ok := arg.(*Array); ok && a != nil && a.err == nil && a.freed() {
			return &Array{err: a.gone(op, "an operand")}
		}
	}
	return &Array{err: newError(op, kind, fmt.Sprintf(format, args...))}
}

// handle returns a's handle, 0 for an absent operand.
func handle(a *Array) capi.Array {
	if a == nil {
		return 0
	}
	return a.h
}

// required refuses a nil operand where build would take it for an absent one, a zero Array, and one
// that was freed: what is asked of its shape next would be answered as of none.
func required(op string, operands ...*Array) *Array {
	for i, a := range operands {
		if a == nil {
			return failed(op, errNoArray, "operand %d is nil, not an array", i+1)
		}
		if a.err == nil && (a.unread == nil && a.h == 0 || a.freed()) {
			return &Array{err: a.gone(op, fmt.Sprintf("operand %d", i+1))}
		}
	}
	return nil
}

func unary(op string, f func(*capi.Array, capi.Array, capi.Stream) int32, x *Array) *Array {
	if bad := required(op, x); bad != nil {
		return bad
	}
	return ofOne(op, f, x).follows("same")
}

// ofOne is an operation whose result has not more elements than its operand.
func ofOne(op string, f func(*capi.Array, capi.Array, capi.Stream) int32, x *Array) *Array {
	return buildIn(op, nil, same, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 { return f(res, x.h, s) })
}

// classified asks what kind of number each element is: of integers MLX knows, and its trace keeps their lengths.
func classified(op string, f func(*capi.Array, capi.Array, capi.Stream) int32, x *Array) *Array {
	if bad := required(op, x); bad != nil {
		return bad
	}
	r := ofOne(op, f, x)
	if tapeOf(r) != nil && !integral(x.Dtype()) {
		r.follows("same")
	}
	return r
}

// binary is an operation element by element.
func binary(op string, f func(*capi.Array, capi.Array, capi.Array, capi.Stream) int32, a, b *Array) *Array {
	return ofTwo(op, f, a, b).follows("broadcast")
}

// ofTwo is an operation of two arrays that leaves their types to MLX.
func ofTwo(op string, f func(*capi.Array, capi.Array, capi.Array, capi.Stream) int32, a, b *Array) *Array {
	if bad := required(op, a, b); bad != nil {
		return bad
	}
	r := &Array{}
	operands := []*Array{a, b}
	if e := start(op, r, nil, operands); e != nil {
		r.err = e
		return r
	}
	if loaded.unproven {
		capi.EnterDefaults(r.stream.handle())
		defer capi.LeaveDefaults(r.stream.handle())
	}
	if f(&r.h, a.h, b.h, r.stream.handle()) != 0 || r.h == 0 {
		r.err = mlxError(op, operands)
	} else {
		r.deepen(3, operands) // a conversion, and a repetition of the smaller
		r.limit(op, product(a.bound(), b.bound()))
	}
	finish(operands)
	r.settle(op)
	return r.noted(op, operands)
}

// product returns a·b; unknown when 63 bits do not hold it eightfold, or it is 0.
func product(a, b int64) int64 {
	if hi, lo := bits.Mul64(uint64(a), uint64(b)); hi == 0 && lo < 1<<59 {
		return int64(lo)
	}
	return unknown
}

// vector makes a list of handles; the caller has acquired the arrays and frees
// the list, which drops only its own references.
func vector(arrays []*Array) capi.VectorArray { return capi.VectorArrayNewData(handlesOf(arrays)) }

func handlesOf(arrays []*Array) []capi.Array {
	hs := make([]capi.Array, len(arrays))
	for i, a := range arrays {
		hs[i] = a.h
	}
	return hs
}

// offset32 is the number of a diagonal of [rows, cols] as C's int. One beyond the corners
// becomes the first that holds nothing: MLX would count from it in 32 bits, and not come back.
func offset32(k, rows, cols int) int32 { return c32(max(-rows, min(cols, k))) }

// int32s is nil for no numbers, which the few functions that tell the difference need.
func int32s(xs []int) []int32 {
	if len(xs) == 0 {
		return nil
	}
	out := make([]int32, len(xs))
	for i, x := range xs {
		out[i] = c32(x)
	}
	return out
}

// freeTemporary ends handles that an operation made for itself.
func freeTemporary(hs ...capi.Array) {
	live := hs[:0]
	for _, h := range hs {
		if h != 0 {
			live = append(live, h)
		}
	}
	gate.Free(live...)
}
