package mlx

import (
	"fmt"
	"math"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

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
			mapped := hollow(op, func(i int) bool { return axes[i] >= 0 }, f)
			return closure(op, counting(mapped, &expect[0]), func(fun capi.Closure) int32 {
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
		if a.freed() {
			return nil, a.gone(op, fmt.Sprintf("argument %d", i+1))
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
