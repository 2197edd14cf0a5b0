package mlx

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
	"github.com/mlxlens/mlxlens/mlx/internal/gate"
)

// Func is a function of arrays that a transformation looks through: it must compute its
// results from its arguments by operations of this package. It is called with stand-ins for
// the arguments, which end when it returns, and so must not keep them; it may use arrays from
// outside, which count as constants. It is called on the goroutine that calls the
// transformed function, and while it runs no other goroutine evaluates.
//
// An error of its results, or a panic in it, becomes the error of what the transformed
// function returns: as many arrays as f returned, or one if it did not return, each with the
// error.
type Func = func(args []*Array) []*Array

// trace is what the gate's holder knows of the transformations under way.
var trace tracing

type tracing struct {
	depth  int    // scopes of stand-ins are innermost
	stream Stream // of the first operand
	deep   int32  // of a callback's results, the greatest depth
	failed *Error // the first failure of a callback

	fallible bool         // a callback made something that may fail when it is computed
	why      []*Error     // for one of these reasons, if it is an inverse
	fates    []*fate      // of a callback's results, from outside
	within   *fates       // of the arguments, which are stand-ins themselves
	tape     *lengthsTape // of a trace for other shapes, to be written
}

// traceDepth is beyond the depth of any scope that a program nests.
const traceDepth = 1 << 30

// callback runs f, which builds results from stand-ins for handles, and returns the results'
// handles in a list.
func callback(op string, in capi.VectorArray, f func(args []*Array) []*Array) (capi.VectorArray, bool) {
	var list capi.VectorArray
	ok := protect(op, func(inner *Scope) *Error {
		args := standIns(inner, in)
		inner.tape.begin(args)
		out := f(args)
		inner.tape.finish(out)
		if len(out) == 0 {
			return newError(op, ErrShape, "its function returned no arrays")
		}
		e := handles(op, out, &list)
		return e
	})
	return list, ok
}

// protect calls f with a scope for stand-ins, and turns its error or panic into the failure
// of the transformation.
func protect(op string, f func(inner *Scope) *Error) (ok bool) {
	trace.depth++
	inner := &Scope{stream: trace.stream, depth: traceDepth + trace.depth, traced: op, tape: trace.tape}
	fail := func(e *Error) {
		if trace.failed == nil {
			trace.failed = e
		}
	}
	defer func() {
		if p := recover(); p != nil {
			fail(newError(op, ErrPanic, fmt.Sprintf("panic in its function: %v", p)))
			ok = false
		}
		inner.Close()
		trace.fallible, trace.why = trace.fallible || inner.fallible, append(trace.why, inner.why...)
		trace.depth--
	}()
	gate.Callback(func() {
		if e := f(inner); e != nil {
			fail(e)
			return
		}
		ok = true
	})
	return ok
}

// standIns takes the arrays of a list into a scope.
func standIns(s *Scope, list capi.VectorArray) []*Array {
	out := make([]*Array, capi.VectorArraySize(list))
	for i := range out {
		a := &Array{stream: s.stream}
		a.scope.Store(s)
		a.fates.Store(trace.within)
		if capi.VectorArrayGet(&a.h, list, i) != 0 {
			a.err = mlxError("transform", nil)
		} else {
			a.bound()
		}
		a.settle("transform")
		out[i] = a
	}
	return out
}

// handles makes a list of the arrays, each of which it holds for the call only.
func handles(op string, arrays []*Array, list *capi.VectorArray) *Error {
	for i, a := range arrays {
		if a == nil {
			finish(arrays[:i])
			return newError(op, errNoArray, fmt.Sprintf("result %d of its function is nil, not an array", i+1))
		}
		if a.err != nil {
			finish(arrays[:i])
			return a.err
		}
		if !a.acquire() {
			finish(arrays[:i])
			return a.gone(op, fmt.Sprintf("result %d of its function", i+1))
		}
	}
	defer finish(arrays)
	if e := tooDeep(op, arrays); e != nil {
		return e
	}
	for _, a := range arrays {
		trace.deep = max(trace.deep, a.depth.Load())
		if list := a.fates.Load(); list != nil {
			for _, f := range *list {
				if !f.over.Load() { // or it is the function's own
					trace.fates = append(trace.fates, f)
				}
			}
		}
	}
	*list = vector(arrays)
	return nil
}

// transformed calls a transformation inside the gate. call gets the arguments as a list and
// fills results, a list each; wrong results are one failed array for each of expect.
func transformed(op string, args []*Array, expect []int, call func(in capi.VectorArray, results []capi.VectorArray) int32) [][]*Array {
	fail := func(e *Error) [][]*Array {
		out := make([][]*Array, len(expect))
		for i, n := range expect {
			out[i] = slices.Repeat([]*Array{{err: e}}, max(n, 1))
		}
		return out
	}
	if bad := required(op, args...); bad != nil {
		return fail(bad.err)
	}
	place := &Array{}
	if e := start(op, place, nil, args); e != nil {
		return fail(e)
	}
	defer finish(args)
	place.strays(op)
	results := make([]capi.VectorArray, len(expect))
	defer func() {
		for _, r := range results {
			capi.VectorArrayFree(r)
		}
	}()
	made, e := place.transform(op, args, results, call)
	if e != nil {
		return fail(e)
	}
	place.depth.Add(2*made.deep + 1) // a gradient goes forth and back; a trace may be an old one
	if len(made.fates) > 0 {
		list := fates(made.fates)
		place.inherit(&list)
	}
	out := make([][]*Array, len(results))
	for i, r := range results {
		if r == 0 {
			continue // a transformation without results
		}
		out[i] = place.elementsOf(op, args, r)
		for _, a := range out[i] {
			a.settle(op)
		}
	}
	if made.fallible {
		mayFailFor(made.why, slices.Concat(out...)...)
	}
	return out
}

// transform is transformed's call inside the gate, of which place has what the arguments have in common.
func (place *Array) transform(op string, args []*Array, results []capi.VectorArray, call func(in capi.VectorArray, results []capi.VectorArray) int32) (made tracing, e *Error) {
	noTurn := gate.Run(func() {
		outer := trace
		trace = tracing{depth: outer.depth, stream: place.stream, within: place.fates.Load().standIns()}
		in := vector(args)
		if call(in, results) != 0 {
			if e = trace.failed; e != nil {
				capi.TakeError() // the library's own text says only that a function failed
				if e.Op != op {
					e = &Error{Op: op, Kind: e.Kind, Text: "in its function: " + strings.TrimPrefix(e.Error(), "mlx: "), stack: e.stack}
				}
			} else {
				e = mlxError(op, args)
			}
		}
		capi.VectorArrayFree(in)
		made = trace
		trace = outer
	})
	if noTurn != nil {
		return made, turnError(op, noTurn)
	}
	return made, e
}

// counting returns f that stores how many arrays it returned.
func counting(f Func, n *int) Func {
	return func(args []*Array) []*Array {
		out := f(args)
		*n = len(out)
		return out
	}
}

// closure makes the library's closure of f for the time of use.
func closure(op string, f Func, use func(capi.Closure) int32) int32 {
	c := capi.NewClosure(func(in capi.VectorArray) (capi.VectorArray, bool) { return callback(op, in, f) })
	defer capi.ClosureFree(c)
	return use(c)
}

// derived returns f seen through a transformation that gives another closure.
func derived(op string, f Func, transform func(res *capi.Closure, fun capi.Closure) int32) Func {
	return func(args []*Array) []*Array {
		expect := []int{1}
		return transformed(op, args, expect, func(in capi.VectorArray, results []capi.VectorArray) int32 {
			return closure(op, counting(f, &expect[0]), func(fun capi.Closure) int32 {
				var other capi.Closure
				status := transform(&other, fun)
				if status == 0 {
					status = capi.ClosureApply(&results[0], other, in)
				}
				capi.ClosureFree(other)
				return status
			})
		})[0]
	}
}
