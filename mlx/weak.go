package mlx

import "github.com/mlxlens/mlxlens/mlx/internal/capi"

// Weak returns c as a 0-d array that does not widen an operation with x, as a Python number
// beside an array: of x's type where that is floating or complex, float32 beside integers
// and booleans. It is computed in x's scope:
//
//	y := mlx.Subtract(mlx.Weak(x, 1), x) // 1 − x, bfloat16 where x is
//
// Scalar is what it is whatever stands beside it: Scalar(s, 2.0) is float64. Binds mlx_astype.
func Weak(x *Array, c float64) *Array {
	const op = "weak"
	if bad := required(op, x); bad != nil {
		return bad
	}
	d := x.Dtype()
	if !d.IsFloat() && d != Complex64 {
		d = Float32
	}
	return build(op, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		k := capi.ArrayNewFloat32(float32(c))
		if d == Float64 {
			freeTemporary(k)
			k = capi.ArrayNewFloat64(c)
		}
		status := capi.Astype(res, k, capi.Dtype(d), s)
		freeTemporary(k)
		return status
	})
}
