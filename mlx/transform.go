package mlx

import (
	"fmt"
	"math"
	"slices"

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
var trace struct {
	depth  int    // scopes of stand-ins are innermost
	stream Stream // of the first operand
	failed *Error // the first failure of a callback
}

// traceDepth is beyond the depth of any scope that a program nests.
const traceDepth = 1 << 30

// callback runs f, which builds results from stand-ins for handles, and returns the results'
// handles in a list.
func callback(op string, in capi.VectorArray, f func(args []*Array) []*Array) (capi.VectorArray, bool) {
	var list capi.VectorArray
	ok := protect(op, func(inner *Scope) *Error {
		out := f(standIns(inner, in))
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
	inner := &Scope{stream: trace.stream, depth: traceDepth + trace.depth}
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
			return newError(op, ErrFreed, fmt.Sprintf("result %d of its function was freed", i+1))
		}
	}
	*list = vector(arrays)
	finish(arrays)
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
	var e *Error
	results := make([]capi.VectorArray, len(expect))
	gate.Run(func() {
		outer := trace
		trace.stream, trace.failed = place.stream, nil
		in := vector(args)
		if call(in, results) != 0 {
			if e = trace.failed; e != nil {
				capi.TakeError() // the library's own text says only that a function failed
				if e.Op != op {
					e = &Error{Op: op, Kind: e.Kind, Text: "in its function: " + e.Error(), stack: e.stack}
				}
			} else {
				e = mlxError(op, args)
			}
		}
		capi.VectorArrayFree(in)
		trace = outer
	})
	defer func() {
		for _, r := range results {
			capi.VectorArrayFree(r)
		}
	}()
	if e != nil {
		return fail(e)
	}
	out := make([][]*Array, len(results))
	for i, r := range results {
		if r == 0 {
			continue // a transformation without results
		}
		out[i] = make([]*Array, capi.VectorArraySize(r))
		for k := range out[i] {
			a := &Array{stream: place.stream}
			a.scope.Store(place.scope.Load())
			if capi.VectorArrayGet(&a.h, r, k) != 0 {
				a.err = mlxError(op, args)
			} else {
				a.limit(op, unknown)
			}
			a.settle(op)
			out[i][k] = a
		}
	}
	return out
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

// Grad returns the gradient of f's first result, which must be a 0-d or one-element array,
// with respect to the arguments at argnums, the first one when none are named:
//
//	loss := func(p []*mlx.Array) []*mlx.Array { return []*mlx.Array{mlx.Sum(mlx.Square(p[0]))} }
//	grads := mlx.Grad(loss)(w)
//
// Binds mlx_value_and_grad.
func Grad(f Func, argnums ...int) func(args ...*Array) []*Array {
	both := valueAndGrad("grad", f, argnums)
	return func(args ...*Array) []*Array {
		_, grads := both(args...)
		return grads
	}
}

// ValueAndGrad returns f's results along with what Grad returns, computed at once.
// Binds mlx_value_and_grad.
func ValueAndGrad(f Func, argnums ...int) func(args ...*Array) (values, grads []*Array) {
	return valueAndGrad("value_and_grad", f, argnums)
}

func valueAndGrad(op string, f Func, argnums []int) func(args ...*Array) (values, grads []*Array) {
	if len(argnums) == 0 {
		argnums = []int{0}
	}
	// MLX takes a set, and answers in its order
	set := slices.Compact(slices.Sorted(slices.Values(argnums)))
	return func(args ...*Array) (values, grads []*Array) {
		expect := []int{1, len(set)}
		out := transformed(op, args, expect, func(in capi.VectorArray, results []capi.VectorArray) int32 {
			return closure(op, counting(f, &expect[0]), func(fun capi.Closure) int32 {
				var both capi.ClosureValueAndGrad
				status := capi.ValueAndGrad(&both, fun, int32s(set))
				if status == 0 {
					status = capi.ClosureValueAndGradApply(&results[0], &results[1], both, in)
				}
				capi.ClosureValueAndGradFree(both)
				return status
			})
		})
		grads = make([]*Array, len(argnums))
		for i, n := range argnums {
			k, _ := slices.BinarySearch(set, n)
			grads[i] = out[1][min(k, len(out[1])-1)]
		}
		return out[0], grads
	}
}

// VJP returns f(primals) and the vector-Jacobian products cotangentsᵀ·∂f/∂primals, one for
// each primal. There is one cotangent for each result of f, of its shape. Binds mlx_vjp.
func VJP(f Func, primals, cotangents []*Array) (values, products []*Array) {
	const op = "vjp"
	out := transformed(op, slices.Concat(primals, cotangents), []int{len(cotangents), len(primals)}, func(in capi.VectorArray, results []capi.VectorArray) int32 {
		return closure(op, f, func(fun capi.Closure) int32 {
			a, b := vector(primals), vector(cotangents)
			defer capi.VectorArrayFree(a)
			defer capi.VectorArrayFree(b)
			return capi.Vjp(&results[0], &results[1], fun, a, b)
		})
	})
	return out[0], out[1]
}

// JVP returns f(primals) and the Jacobian-vector products ∂f/∂primals·tangents, one for each
// result of f. There is one tangent for each primal, of its shape. Binds mlx_jvp.
func JVP(f Func, primals, tangents []*Array) (values, products []*Array) {
	const op = "jvp"
	expect := []int{1, 1}
	out := transformed(op, slices.Concat(primals, tangents), expect, func(in capi.VectorArray, results []capi.VectorArray) int32 {
		f := counting(f, &expect[0])
		defer func() { expect[1] = expect[0] }()
		return closure(op, f, func(fun capi.Closure) int32 {
			a, b := vector(primals), vector(tangents)
			defer capi.VectorArrayFree(a)
			defer capi.VectorArrayFree(b)
			return capi.Jvp(&results[0], &results[1], fun, a, b)
		})
	})
	return out[0], out[1]
}

// Unmapped stands in place of an axis for an argument that each call gets whole.
const Unmapped = math.MinInt

// Vmap returns f called once for each slice of the arguments along inAxes, and the results
// stacked along outAxes, in one pass. nil means axis 0 of every argument or result; Unmapped,
// of an argument, that it is not sliced. Binds mlx_detail_vmap_trace,
// mlx_detail_vmap_replace.
func Vmap(f Func, inAxes, outAxes []int) Func {
	const op = "vmap"
	return func(args []*Array) []*Array {
		axes, e := mapped(op, args, inAxes)
		if e != nil {
			return []*Array{{err: e}}
		}
		expect := []int{1}
		return transformed(op, args, expect, func(in capi.VectorArray, results []capi.VectorArray) int32 {
			return closure(op, counting(f, &expect[0]), func(fun capi.Closure) int32 {
				var ins, outs capi.VectorArray
				status := capi.DetailVmapTrace(&ins, &outs, fun, in, axes)
				if status == 0 {
					var to []int32
					if to, status = placed(op, outs, outAxes); status == 0 {
						status = capi.DetailVmapReplace(&results[0], in, ins, outs, axes, to)
					}
				}
				capi.VectorArrayFree(ins)
				capi.VectorArrayFree(outs)
				return status
			})
		})[0]
	}
}

// mapped checks the axes along which arguments are sliced, which MLX trusts.
func mapped(op string, args []*Array, inAxes []int) ([]int32, *Error) {
	if inAxes == nil {
		inAxes = make([]int, len(args))
	}
	if len(inAxes) != len(args) {
		return nil, newError(op, ErrShape, fmt.Sprintf("%d axes for %d arguments", len(inAxes), len(args)))
	}
	axes, length := make([]int32, len(args)), -1
	for i, a := range args {
		if axes[i] = -1; inAxes[i] == Unmapped || a == nil || a.err != nil {
			continue
		}
		axis := inAxes[i]
		if axis < 0 {
			axis += a.Ndim()
		}
		if axis < 0 || axis >= a.Ndim() {
			return nil, newError(op, ErrIndex, fmt.Sprintf("axis %d of argument %d, %s", inAxes[i], i+1, a))
		}
		if n := a.Dim(axis); length >= 0 && n != length {
			return nil, newError(op, ErrShape, fmt.Sprintf("argument %d has %d slices along axis %d, and one before it %d", i+1, n, axis, length))
		} else if length = n; n == 0 {
			return nil, newError(op, ErrShape, fmt.Sprintf("argument %d, %s, has no slice along axis %d", i+1, a, axis))
		}
		axes[i] = int32(axis)
	}
	return axes, nil
}

// placed works out where the results of a vectorised call get their new axis.
func placed(op string, outs capi.VectorArray, outAxes []int) ([]int32, int32) {
	n := capi.VectorArraySize(outs)
	if outAxes == nil {
		outAxes = make([]int, n)
	}
	if len(outAxes) != n {
		trace.failed = newError(op, ErrShape, fmt.Sprintf("%d axes for %d results", len(outAxes), n))
		return nil, 1
	}
	to := make([]int32, n)
	for i, axis := range outAxes {
		var a capi.Array
		if status := capi.VectorArrayGet(&a, outs, i); status != 0 {
			return nil, status
		}
		ndim := capi.ArrayNdim(a) + 1
		capi.ArrayFree(a)
		if axis < 0 {
			axis += ndim
		}
		if axis < 0 || axis >= ndim {
			trace.failed = newError(op, ErrIndex, fmt.Sprintf("axis %d of result %d, which has %d with the new one", outAxes[i], i+1, ndim))
			return nil, 1
		}
		to[i] = int32(axis)
	}
	return to, 0
}

// Checkpoint returns f that keeps none of its intermediate results for the gradient and
// computes them again instead (Chen et al. 2016, arXiv:1604.06174). Binds mlx_checkpoint.
func Checkpoint(f Func) Func {
	return derived("checkpoint", f, func(res *capi.Closure, fun capi.Closure) int32 {
		return capi.Checkpoint(res, fun)
	})
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

// Rules replace what MLX derives from a function's operations; nil leaves it.
type Rules struct {
	// VJP returns cotangentsᵀ·∂f/∂primals, one array for each primal.
	VJP func(primals, cotangents, outputs []*Array) []*Array

	// JVP returns ∂f/∂primals·tangents, one array for each result; tangents holds those of
	// the primals at argnums.
	JVP func(primals, tangents []*Array, argnums []int) []*Array

	// Vmap returns the results for arguments with a further axis, at axes (Unmapped for
	// none), and the axes of the results.
	Vmap func(args []*Array, axes []int) (results []*Array, resultAxes []int)
}

// CustomFunction returns f with rules of its own for gradients and vectorised calls.
// Binds mlx_custom_function, mlx_custom_vjp.
func CustomFunction(f Func, rules Rules) Func {
	const op = "custom_function"
	return derived(op, f, func(res *capi.Closure, fun capi.Closure) int32 {
		var vjp capi.ClosureCustom
		var jvp capi.ClosureCustomJvp
		var vmap capi.ClosureCustomVmap
		if rules.VJP != nil {
			vjp = capi.NewClosureCustom(rules.vjp)
			defer capi.ClosureCustomFree(vjp)
		}
		if rules.JVP == nil && rules.Vmap == nil && vjp != 0 {
			return capi.CustomVjp(res, fun, vjp)
		}
		if rules.JVP != nil {
			jvp = capi.NewClosureCustomJvp(rules.jvp)
			defer capi.ClosureCustomJvpFree(jvp)
		}
		if rules.Vmap != nil {
			vmap = capi.NewClosureCustomVmap(rules.vmap)
			defer capi.ClosureCustomVmapFree(vmap)
		}
		return capi.CustomFunction(res, fun, vjp, jvp, vmap)
	})
}

func (r Rules) vjp(primals, cotangents, outputs capi.VectorArray) (list capi.VectorArray, ok bool) {
	const op = "custom_function"
	ok = protect(op, func(s *Scope) *Error {
		p, c, o := standIns(s, primals), standIns(s, cotangents), standIns(s, outputs)
		out := r.VJP(p, c, o)
		if len(out) != len(p) {
			return newError(op, ErrShape, fmt.Sprintf("the VJP rule returned %d arrays for %d primals", len(out), len(p)))
		}
		return handles(op, out, &list)
	})
	return list, ok
}

func (r Rules) jvp(primals, tangents capi.VectorArray, argnums []int32) (list capi.VectorArray, ok bool) {
	const op = "custom_function"
	ok = protect(op, func(s *Scope) *Error {
		return handles(op, r.JVP(standIns(s, primals), standIns(s, tangents), ints(argnums)), &list)
	})
	return list, ok
}

func (r Rules) vmap(in capi.VectorArray, axes []int32) (list capi.VectorArray, places capi.VectorInt, ok bool) {
	const op = "custom_function"
	ok = protect(op, func(s *Scope) *Error {
		at := ints(axes)
		for i, axis := range at {
			if axis < 0 {
				at[i] = Unmapped
			}
		}
		out, outAxes := r.Vmap(standIns(s, in), at)
		if len(out) != len(outAxes) {
			return newError(op, ErrShape, fmt.Sprintf("the Vmap rule returned %d arrays and %d axes", len(out), len(outAxes)))
		}
		if places = capi.VectorIntNewData(int32s(outAxes)); places == 0 {
			return mlxError(op, nil)
		}
		return handles(op, out, &list)
	})
	return list, places, ok
}

func ints(xs []int32) []int {
	out := make([]int, len(xs))
	for i, x := range xs {
		out[i] = int(x)
	}
	return out
}
