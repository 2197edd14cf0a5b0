package mlx

import (
	"fmt"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

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
