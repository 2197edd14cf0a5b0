package mlx

import (
	"slices"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

// Grad returns the gradient of f's first result, a 0-d array,
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
			return closure(op, counting(number(knowing(args, f)), &expect[0]), func(fun capi.Closure) int32 {
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

// number returns f whose first result is refused where it is none that has a gradient.
func number(f Func) Func {
	return func(args []*Array) []*Array {
		out := f(args)
		if len(out) > 0 && out[0] != nil && out[0].err == nil && out[0].Ndim() > 0 {
			return []*Array{failed("loss", ErrShape, "the first result is %s, and a gradient is of a 0-d array: take its Sum or Mean", out[0])}
		}
		return out
	}
}

// knowing returns f whose stand-ins tell what is known of the integers among args, for which f is
// called: labels made from Go data need no check in the graph.
func knowing(args []*Array, f Func) Func {
	return func(in []*Array) []*Array {
		for i, a := range in {
			a.host = args[i].host
		}
		return f(in)
	}
}

// VJP returns f(primals) and the vector-Jacobian products cotangentsᵀ·∂f/∂primals, one for
// each primal. There is one cotangent for each result of f, of its shape. Binds mlx_vjp.
func VJP(f Func, primals, cotangents []*Array) (values, products []*Array) {
	const op = "vjp"
	out := transformed(op, slices.Concat(primals, cotangents), []int{len(cotangents), len(primals)}, func(in capi.VectorArray, results []capi.VectorArray) int32 {
		return closure(op, knowing(primals, f), func(fun capi.Closure) int32 {
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
		f := counting(knowing(primals, f), &expect[0])
		defer func() { expect[1] = expect[0] }()
		return closure(op, knowing(primals, f), func(fun capi.Closure) int32 {
			a, b := vector(primals), vector(tangents)
			defer capi.VectorArrayFree(a)
			defer capi.VectorArrayFree(b)
			return capi.Jvp(&results[0], &results[1], fun, a, b)
		})
	})
	return out[0], out[1]
}

// Checkpoint returns f that keeps none of its intermediate results for the gradient and
// computes them again instead (Chen et al. 2016, arXiv:1604.06174). Binds mlx_checkpoint.
func Checkpoint(f Func) Func {
	return derived("checkpoint", f, func(res *capi.Closure, fun capi.Closure) int32 {
		return capi.Checkpoint(res, fun)
	})
}
